"""A stack's events and statuses as plain values, and what they mean. No I/O.

Statuses: CloudFormation user guide, "Understand CloudFormation stack creation events" and "Stack status codes".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SUCCEEDED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
NEVER_CREATED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")
REVIEW = "REVIEW_IN_PROGRESS"

# The reasons of resources that CloudFormation stops because of another one's failure.
FOLLOWS_ANOTHER = ("Resource creation cancelled", "Resource update cancelled", "Resource creation Initiated")

USUAL_MINUTES = {"AWS::MemoryDB::Cluster": 18}
"""How long slow resources usually take, by type. Each compute adds its own."""


@dataclass(frozen=True)
class Event:
    """One event of a stack."""

    id: str
    moment: datetime
    logical_id: str
    physical_id: str
    resource_type: str
    status: str
    reason: str

    @property
    def failed(self) -> bool:
        return self.status.endswith("_FAILED")

    @property
    def of_stack(self) -> bool:
        """Whether it is about the stack itself."""
        return self.resource_type == "AWS::CloudFormation::Stack" and self.physical_id.startswith("arn:")


@dataclass(frozen=True)
class Finding:
    """What CloudFormation's validation, or a hook, found in a change set. rule: its name, which may be empty."""

    where: str
    rule: str
    reason: str
    blocking: bool

    def __str__(self) -> str:
        rule = f" ({self.rule})" if self.rule else ""
        return f"{f'{self.where}: ' if self.where else ''}{self.reason or 'CloudFormation gives no reason'}{rule}"


def finding(described: Mapping[str, Any]) -> Finding | None:
    """A finding among the events of a change set, as DescribeEvents returns them; None for any other event."""
    kind = {"VALIDATION_ERROR": "Validation", "HOOK_INVOCATION_ERROR": "Hook"}.get(described.get("EventType", ""))
    if not kind:
        return None
    where = (described.get("LogicalResourceId", ""), described.get("ValidationPath", ""))
    return Finding(
        where=" ".join(filter(None, where)),
        rule=described.get("ValidationName" if kind == "Validation" else "HookType", ""),
        reason=described.get(f"{kind}StatusReason", ""),
        blocking=described.get(f"{kind}FailureMode") != "WARN",
    )


def event(described: Mapping[str, Any]) -> Event:
    """An event as DescribeStackEvents returns it."""
    return Event(
        id=described["EventId"],
        moment=described["Timestamp"],
        logical_id=described.get("LogicalResourceId", ""),
        physical_id=described.get("PhysicalResourceId", ""),
        resource_type=described.get("ResourceType", ""),
        status=described.get("ResourceStatus", ""),
        reason=described.get("ResourceStatusReason", ""),
    )


def in_progress(status: str) -> bool:
    """Whether an operation runs. A stack that waits for its first change set has none."""
    return status.endswith("_IN_PROGRESS") and status != REVIEW


def updating(status: str) -> bool:
    """Whether an update runs, during which CloudFormation deletes no stack."""
    return status.startswith("UPDATE_") and in_progress(status)


def first_failure(events: Iterable[Event]) -> Event | None:
    """The failure that caused the others: the earliest that has a reason of its own. `events` oldest first.

    If no resource failed, as with an export that is in use, the stack's own event has the reason of the rollback.
    """
    events = list(events)
    failures = [event for event in events if event.failed and not event.of_stack]
    causes = [event for event in failures if event.reason and not event.reason.startswith(FOLLOWS_ANOTHER)]
    own = [
        event for event in events if event.of_stack and event.reason and (event.failed or "ROLLBACK" in event.status)
    ]
    return next(iter(causes or failures or own), None)


def left_behind(events: Iterable[Event]) -> tuple[Event, ...]:
    """Deletions that failed. A stack may be UPDATE_COMPLETE in spite of them."""
    return tuple(event for event in events if event.status == "DELETE_FAILED" and not event.of_stack)


def still_running(events: Sequence[Event]) -> tuple[Event, ...]:
    """The last event of each resource that is in progress. `events` oldest first."""
    last = {event.logical_id: event for event in events if not event.of_stack}
    return tuple(event for event in last.values() if event.status.endswith("_IN_PROGRESS"))


def advice(status: str, stack_name: str) -> str:
    """What to type about a stack that cannot be updated in this status; empty if it can be."""
    if status in NEVER_CREATED:
        return "Its creation failed, so it can only be deleted. Pass --recreate to delete it and create it again."
    if status == "UPDATE_ROLLBACK_FAILED":
        return (
            "Fix the cause, which its events name. Then run aws cloudformation continue-update-rollback --stack-name "
            f"{stack_name}, and deploy again."
        )
    if status == "IMPORT_ROLLBACK_FAILED":
        return "Its events say which resource could not be taken out again, and why. Correct that, then deploy again."
    if status in ("DELETE_FAILED", "UPDATE_FAILED"):
        what = "its deletion" if status == "DELETE_FAILED" else "the update"
        return f"Its events say why {what} failed. aws cloudformation rollback-stack or delete-stack continues."
    return ""
