"""The load of a rehearsed upgrade, on a client whose answers take as long as the test says."""

from __future__ import annotations

import time

from rehearsal.load import CONNECTIONS, SLOW_SECONDS, SLOWER, Client, User, load
from tests.running import eventually


class Slow(Client):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.asked: list[str] = []

    def fault(
        self, method: str, path: str, body: User | None = None, *, reads: User | None = None, status: int = 200
    ) -> str:
        self.asked.append(path)
        time.sleep(self.seconds)
        return ""


def test_each_client_waits_after_a_slow_answer() -> None:
    slow, fast = Slow(SLOW_SECONDS), Slow(SLOW_SECONDS / 10)
    began = time.monotonic()
    with load(slow, paths={"/": 200}), load(fast, paths={"/": 200}):
        eventually(lambda: len(slow.asked) > CONNECTIONS)
        assert time.monotonic() - began >= (1 + SLOWER) * SLOW_SECONDS
        assert len(fast.asked) > 4 * CONNECTIONS
