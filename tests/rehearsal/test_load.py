"""The load of a rehearsed upgrade, on a client whose answers take as long as the test says."""

from __future__ import annotations

import time

from rehearsal.load import CONNECTIONS, SLOW_SECONDS, Client, Load, User, load


class Slow(Client):
    """`seconds` to an answer, which is wrong once the block has ended."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.ended = False

    def fault(
        self, method: str, path: str, body: User | None = None, *, reads: User | None = None, status: int = 200
    ) -> str:
        ended = self.ended
        time.sleep(self.seconds)
        return "wrong" if ended else ""


def under_load(seconds: float) -> Load:
    """The requests within two slow turns and a half, and those after."""
    client = Slow(seconds)
    with load(client, paths={"/": 200}) as made:
        time.sleep(2.5 * SLOW_SECONDS)
        client.ended = True
    return made


def test_each_client_waits_after_a_slow_answer() -> None:
    slow, fast = under_load(SLOW_SECONDS), under_load(SLOW_SECONDS / 10)
    assert slow.sent - len(slow.failed) == CONNECTIONS
    assert fast.sent - len(fast.failed) > 4 * CONNECTIONS


def test_each_client_asks_once_more_after_the_block() -> None:
    assert under_load(SLOW_SECONDS).failed == ["wrong"] * CONNECTIONS
