"""Following a stack while CloudFormation is at work on it: every event on standard error."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from generator.cli.terminal import say
from generator.stacks.events import NORMAL_MINUTES, Event, still_running

if TYPE_CHECKING:
    from generator.stacks.cloudformation import Conversation, Stack

# How often somebody who waits is told that there is nothing new.
SILENT_SECONDS = 60


def watch(
    talk: Conversation, stack_arn: str, since: str, usual_minutes: Mapping[str, int] = MappingProxyType({})
) -> tuple[Stack, list[Event]]:
    """Follows a stack, telling every event on standard error, and now and then what is still running, with how long
    that usually takes, by resource type."""
    started = told = time.monotonic()
    seen: list[Event] = []

    def tell(fresh: Sequence[Event]) -> None:
        nonlocal told
        seen.extend(fresh)
        for event in fresh:
            # CloudFormation says twice that a resource has begun.
            if event.reason == "Resource creation Initiated":
                continue
            reason = f"  {event.reason}" if event.reason else ""
            say(f"{event.moment:%H:%M:%S} {event.status:28} {event.logical_id}{reason}")
        now = time.monotonic()
        if fresh:
            told = now
        elif now - told > SILENT_SECONDS:
            told = now
            running = ", ".join(_at_work(one, {**NORMAL_MINUTES, **usual_minutes}) for one in still_running(seen))
            say(f"{(now - started) / 60:.0f} min; still at work: {running or 'the stack'}")

    return talk.follow(stack_arn, since, tell)


def _at_work(event: Event, usual: Mapping[str, int]) -> str:
    minutes = usual.get(event.resource_type)
    return f"{event.logical_id} (usually {minutes} min)" if minutes else event.logical_id
