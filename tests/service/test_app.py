"""What HTTP answers when what the server hands to the application is not what it should be."""

from __future__ import annotations

import logging

import pytest
from falcon import testing

from service.app import ANSWERS, create_app


def test_a_defect_is_500_with_the_request_id_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    client = testing.TestClient(create_app())
    with caplog.at_level(logging.ERROR):
        answer = client.simulate_get(
            "/private@foo.com", headers={"X-Request-Id": "defect-1"}, extras={ANSWERS: [b"private@foo.com"]}
        )
    assert answer.status_code == 500
    assert answer.json["detail"] == "Please report this with request ID defect-1."
    assert [record.message for record in caplog.records] == ["defect"]


def test_health_asks_no_store() -> None:
    assert testing.TestClient(create_app()).simulate_get("/health").status_code == 200
