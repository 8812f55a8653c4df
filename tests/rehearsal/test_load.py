"""The load of a rehearsed upgrade, on a client whose answers take as long as the test says."""

from __future__ import annotations

import time

from rehearsal.load import CONNECTIONS, SLOW_SECONDS, Client, User, load


class Slow(Client):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def fault(
        self, method: str, path: str, body: User | None = None, *, reads: User | None = None, status: int = 200
    ) -> str:
        time.sleep(self.seconds)
        return ""


def sent(seconds: float) -> int:
    """The requests within two slow turns and a half."""
    with load(Slow(seconds), paths={"/": 200}) as made:
        time.sleep(2.5 * SLOW_SECONDS)
    return made.sent


def test_each_client_waits_after_a_slow_answer() -> None:
    assert sent(SLOW_SECONDS) == CONNECTIONS
    assert sent(SLOW_SECONDS / 10) > 4 * CONNECTIONS
