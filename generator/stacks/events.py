"""What happens to a stack: its events and its status, understood. No I/O.

Statuses: CloudFormation user guide, "Understand CloudFormation stack creation events" and "Stack status codes".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SUCCEEDED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
NEVER_LIVED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")
REVIEW = "REVIEW_IN_PROGRESS"

# Resources that CloudFormation stops because of another one's failure say no more than this.
FOLLOWS_ANOTHER = ("Resource creation cancelled", "Resource update cancelled", "Resource creation Initiated")

NORMAL_MINUTES = {"AWS::MemoryDB::Cluster": 18}
"""How long the slow ones usually take, so that nobody gives up on them; a compute layer's are its own."""


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


def event(told: Mapping[str, Any]) -> Event:
    """An event as DescribeStackEvents tells it."""
    return Event(
        id=told["EventId"],
        moment=told["Timestamp"],
        logical_id=told.get("LogicalResourceId", ""),
        physical_id=told.get("PhysicalResourceId", ""),
        resource_type=told.get("ResourceType", ""),
        status=told.get("ResourceStatus", ""),
        reason=told.get("ResourceStatusReason", ""),
    )


def in_progress(status: str) -> bool:
    """Whether CloudFormation is at work; a stack that waits for its first change set is not."""
    return status.endswith("_IN_PROGRESS") and status != REVIEW


def first_failure(events: Iterable[Event]) -> Event | None:
    """The failure that the others follow from: the earliest that has a reason of its own. `events` oldest first.

    Where no resource failed, as with an export that is in use, it is the stack's own event that says why it rolls back.
    """
    told = list(events)
    failures = [one for one in told if one.failed and not one.of_stack]
    telling = [one for one in failures if one.reason and not one.reason.startswith(FOLLOWS_ANOTHER)]
    own = [one for one in told if one.of_stack and one.reason and (one.failed or "ROLLBACK" in one.status)]
    return next(iter(telling or failures or own), None)


def left_behind(events: Iterable[Event]) -> tuple[Event, ...]:
    """Deletions that failed, which a stack may hide behind UPDATE_COMPLETE."""
    return tuple(one for one in events if one.status == "DELETE_FAILED" and not one.of_stack)


def still_running(events: Sequence[Event]) -> tuple[Event, ...]:
    """The last event of each resource that is at work. `events` oldest first."""
    last = {one.logical_id: one for one in events if not one.of_stack}
    return tuple(one for one in last.values() if one.status.endswith("_IN_PROGRESS"))


def advice(status: str, stack_name: str) -> str:
    """What to type about a stack that cannot be deployed to as it is; empty where it can."""
    if status in NEVER_LIVED:
        return (
            "Its creation failed, so CloudFormation can only delete it: repeat with --recreate, which deletes it first."
        )
    if status == "UPDATE_ROLLBACK_FAILED":
        return (
            f"Fix what its events name, run aws cloudformation continue-update-rollback --stack-name {stack_name}, "
            "and repeat."
        )
    if status in ("DELETE_FAILED", "UPDATE_FAILED"):
        what = "its deletion" if status == "DELETE_FAILED" else "the update"
        return f"See its events for what stopped {what}; aws cloudformation rollback-stack or delete-stack goes on."
    return ""
