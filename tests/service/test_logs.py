from __future__ import annotations

import json
import logging
from typing import Any

from service.logs import formatted


def line(logger: str, message: str, *arguments: object, error: Exception | None = None, **extra: object) -> Any:
    record = logging.getLogger(logger).makeRecord(
        logger, logging.WARNING, __file__, 7, message, arguments, None, "line", dict(extra)
    )
    if error:
        record.exc_info = (type(error), error, error.__traceback__)
    return json.loads(formatted(record))


def test_a_line_of_ours_has_its_message_and_fields() -> None:
    made = line("service.app", "request", status=200)
    assert (made["level"], made["logger"], made["message"], made["status"]) == (
        "WARNING",
        "service.app",
        "request",
        200,
    )


def test_of_a_library_only_the_place_is_kept() -> None:
    made = line("waitress", "Exception while serving /private@foo.com")
    assert made["message"] == "test_logs.line:7"


def test_of_an_exception_type_and_places_are_kept() -> None:
    try:
        raise ValueError("private@foo.com")
    except ValueError as error:
        made = line("service.app", "defect", error=error)
    assert made["exception"] == "ValueError"
    assert made["places"][0].startswith(__file__)
    assert "private" not in json.dumps(made)
