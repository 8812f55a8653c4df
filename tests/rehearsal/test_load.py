"""The load of a rehearsed upgrade, on a client whose answers take as long as the test says."""

from __future__ import annotations

import time

from rehearsal.load import CONNECTIONS, SLOW_SECONDS, SLOWER, Client, User, load
from tests.running import eventually


class Slow(Client):
    """`seconds` to an answer, which is wrong once the block has ended."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.asked: list[str] = []
        self.ended = False

    def fault(
        self, method: str, path: str, body: User | None = None, *, reads: User | None = None, status: int = 200
    ) -> str:
        ended = self.ended
        self.asked.append(path)
        time.sleep(self.seconds)
        return "wrong" if ended else ""


def test_each_client_waits_after_a_slow_answer() -> None:
    slow, fast = Slow(SLOW_SECONDS), Slow(SLOW_SECONDS / 10)
    began = time.monotonic()
    with load(slow, paths={"/": 200}), load(fast, paths={"/": 200}):
        eventually(lambda: len(slow.asked) > CONNECTIONS)
        assert time.monotonic() - began >= (1 + SLOWER) * SLOW_SECONDS
        assert len(fast.asked) > 4 * CONNECTIONS


def test_each_client_asks_once_more_after_the_block() -> None:
    slow = Slow(SLOW_SECONDS)
    with load(slow, paths={"/": 200}) as made:
        eventually(lambda: len(slow.asked) == CONNECTIONS)
        slow.ended = True
    assert made.failed == ["wrong"] * CONNECTIONS
