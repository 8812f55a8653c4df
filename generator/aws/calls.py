"""How AWS is called more than once: until something is so, and page by page."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

# What list operations call the token of the next page, in the request and in the answer.
TOKENS = ("NextToken", "nextToken")


@dataclass(frozen=True)
class Clock:
    """The time of an operation: `now` returns seconds that never go back, `sleep` waits."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def poll(
        self,
        look: Callable[[], T],
        done: Callable[[T], bool],
        *,
        seconds: float,
        pause: float,
        longest: float | None = None,
    ) -> T:
        """Calls `look` until `done` accepts what it returns, or `seconds` are over; returns the last of it.

        Pauses between two looks are `pause` seconds at first and grow by half up to `longest`, if that is given.
        """
        end = self.now() + seconds
        while not done(found := look()) and self.now() < end:
            self.sleep(pause)
            pause = min(1.5 * pause, longest or pause)
        return found


ONCE = Clock(now=lambda: math.inf)
"""A clock on which every wait is over after one look."""


def pages(call: Callable[..., Mapping[str, Any]], **arguments: Any) -> Iterator[Mapping[str, Any]]:
    """The pages of a list operation, each asked for when it is needed.

    botocore has paginators for some operations only, and none for DescribeChangeSet's values or ECS's deployments.
    """
    token: dict[str, Any] = {}
    while True:
        page = call(**arguments, **token)
        yield page
        token = {name: page[name] for name in TOKENS if page.get(name)}
        if not token:
            return
