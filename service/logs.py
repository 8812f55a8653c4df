"""Logs as one JSON object a line, on standard output, where App Runner and ECS collect them.

Nothing personal and no secret can get in. A line of ours has a fixed message and the fields given as `extra`. Of a
library's line only its place in the code is kept: waitress, for one, puts paths into its messages, and a path is
an e-mail. Of an exception it is the type and its places, never the text.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from typing import Any

OURS = "service"
_KNOWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        ours = record.name.partition(".")[0] == OURS
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": str(record.msg) if ours else f"{record.module}.{record.funcName}:{record.lineno}",
        }
        line |= {name: value for name, value in vars(record).items() if name not in _KNOWN}
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            line["places"] = [f"{at.filename}:{at.lineno}" for at in traceback.extract_tb(record.exc_info[2])]
        return json.dumps(line, default=str)


def configure(level: str) -> None:
    """Sends everything from `level` on to standard output; of libraries only warnings and worse."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=max(logging.WARNING, logging.getLevelNamesMapping()[level]), handlers=[handler])
    logging.getLogger(OURS).setLevel(level)
    # It warns of every request that finds all threads busy, which is what a queue is for.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
