"""A stack's events and statuses as plain values, and what they mean. No I/O.

Statuses: CloudFormation user guide, "Understand CloudFormation stack creation events" and "Stack status codes".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import dropwhile
from typing import Any

SUCCEEDED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
NEVER_CREATED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")
REVIEW = "REVIEW_IN_PROGRESS"

# The reasons of resources that CloudFormation stops because of another one's failure.
FOLLOWS_ANOTHER = ("Resource creation cancelled", "Resource update cancelled", "Resource creation Initiated")

# The stack's own events that begin an operation. A rollback continues the operation that failed.
BEGINS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS")

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
    stack_id: str = ""
    operation_id: str = ""

    @property
    def failed(self) -> bool:
        return self.status.endswith("_FAILED")

    @property
    def of_stack(self) -> bool:
        """Whether it is about the stack itself, and not about a nested one."""
        return bool(self.stack_id) and self.physical_id == self.stack_id

    def __str__(self) -> str:
        return f"{self.logical_id} ({self.resource_type}): {self.reason}"


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


@dataclass(frozen=True)
class Operation:
    """The last operation of a stack, a rollback included: its events, oldest first, and why hooks or validation refused
    it."""

    events: tuple[Event, ...]
    refusals: tuple[Finding, ...] = ()

    @property
    def kind(self) -> str:
        """The operation in the words of the API, such as UPDATE_STACK."""
        return f"{self.events[0].status.partition('_')[0]}_STACK"

    @property
    def id(self) -> str:
        """A rollback has another one (user guide, "View stack events by operation")."""
        return self.events[0].operation_id

    @property
    def failure(self) -> Event | None:
        return first_failure(self.events)

    @property
    def cause(self) -> str:
        """What failed first and why; then what the rollback failed at, if it did. Empty if nothing has a reason."""
        if self.refusals:
            return str(self.refusals[0])
        failure = self.failure
        if not failure:
            return ""
        rolling_back = dropwhile(lambda event: not (event.of_stack and "ROLLBACK" in event.status), self.events)
        again = first_failure(event for event in rolling_back if event.failed)
        if again and again != failure and not again.of_stack:
            return f"{str(failure).rstrip('.')}; the rollback failed too: {again}"
        return str(failure)


def last_operation(newest_first: Iterable[Event]) -> tuple[Event, ...]:
    """The events of a stack's last operation, oldest first."""
    found = []
    for event in newest_first:
        found.append(event)
        if event.of_stack and event.status in BEGINS:
            break
    return tuple(found[::-1])


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
    """An event as DescribeStackEvents returns it. That of a hook that refuses a resource has the hook's status and
    reason (aws-cdk issue 21674); the resource's own, which follows, names the hook only."""
    hook = described.get("HookStatus", "").endswith("FAILED") and described.get("HookFailureMode") != "WARN"
    reason = f"{described.get('HookStatusReason', '')} ({described.get('HookType', '')})" if hook else ""
    return Event(
        id=described["EventId"],
        moment=described["Timestamp"],
        logical_id=described.get("LogicalResourceId", ""),
        physical_id=described.get("PhysicalResourceId", ""),
        resource_type=described.get("ResourceType", ""),
        status=described["HookStatus"] if hook else described.get("ResourceStatus", ""),
        reason=reason or described.get("ResourceStatusReason", ""),
        stack_id=described.get("StackId", ""),
        operation_id=described.get("OperationId", ""),
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
