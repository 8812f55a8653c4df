"""What HTTP answers when the store behaves in ways a real one hardly can."""

from __future__ import annotations

import logging

import pytest
from falcon import testing

from service.app import create_app
from service.users import Fields


class Broken:
    """A store with a defect in every method."""

    def get(self, email: str, deadline: float) -> Fields | None:
        raise RuntimeError(f"a defect that knows {email}")

    def merge(self, email: str, fields: Fields, deadline: float) -> None:
        raise RuntimeError

    def replace(self, email: str, fields: Fields, deadline: float) -> bool:
        raise RuntimeError

    def delete(self, email: str, deadline: float) -> bool:
        raise RuntimeError

    def check(self, deadline: float) -> None:
        raise RuntimeError


def test_a_defect_is_500_with_the_request_id_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    client = testing.TestClient(create_app(Broken()))
    with caplog.at_level(logging.ERROR):
        answer = client.simulate_get("/private@foo.com", headers={"X-Request-Id": "defect-1"})
    assert answer.status_code == 500
    assert answer.json["detail"] == "Please report this with request ID defect-1."
    assert [record.message for record in caplog.records] == ["defect"]


def test_health_asks_nobody() -> None:
    assert testing.TestClient(create_app(Broken())).simulate_get("/health").status_code == 200
