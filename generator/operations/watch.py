"""Following a stack: every event is reported, and now and then what is still running."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from types import MappingProxyType

from generator.operations.session import Session
from generator.stacks.cloudformation import Stack
from generator.stacks.events import USUAL_MINUTES, Event, still_running

# Without an event for so long, a line says what is still running.
SILENT_SECONDS = 60


def watch(
    session: Session, stack_arn: str, since: str, usual_minutes: Mapping[str, int] = MappingProxyType({})
) -> tuple[Stack, list[Event]]:
    """Waits until CloudFormation has finished with a stack; returns it with its events after `since`.

    Reports every event as progress. usual_minutes: how long slow resources usually take, by type.
    """
    usual = {**USUAL_MINUTES, **usual_minutes}
    started = reported = session.clock.now()
    seen: list[Event] = []

    def report(fresh: Sequence[Event]) -> None:
        nonlocal reported
        seen.extend(fresh)
        for event in fresh:
            # CloudFormation reports the start of a resource twice.
            if event.reason == "Resource creation Initiated":
                continue
            reason = f"  {event.reason}" if event.reason else ""
            session.ui.progress(
                f"{event.moment.astimezone(UTC):%H:%M:%S}Z {event.status:28} {event.logical_id}{reason}"
            )
        now = session.clock.now()
        if fresh:
            reported = now
        elif now - reported > SILENT_SECONDS:
            reported = now
            running = ", ".join(_with_usual_minutes(event, usual) for event in still_running(seen))
            session.ui.progress(f"{(now - started) / 60:.0f} min; still running: {running or 'the stack'}")

    return session.cloudformation.follow(stack_arn, since, report)


def _with_usual_minutes(event: Event, usual: Mapping[str, int]) -> str:
    minutes = usual.get(event.resource_type)
    return f"{event.logical_id} (usually {minutes} min)" if minutes else event.logical_id
