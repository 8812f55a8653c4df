"""The conversation with CloudFormation: change sets in, values out.

The client, the sleep and the clock are given, so that a test can hold all three. Every call that can be retried is, by
botocore; what is left of an error becomes one sentence that says what to type next.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import botocore.exceptions

from generator.contract import TEMPLATE_BODY_LIMIT
from generator.errors import DeployError, UsageError
from generator.stacks.change_set import ChangeSet, change_set
from generator.stacks.errors import explained
from generator.stacks.events import REVIEW, Event, event, in_progress

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
# A change set is made within minutes; one that validates against the account may take longer.
CHANGE_SET_MINUTES = 30
FOLLOW_HOURS = 36


@dataclass(frozen=True)
class Stack:
    """A stack as it is."""

    name: str
    arn: str
    status: str
    reason: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    protected: bool = False

    @property
    def exists(self) -> bool:
        """Whether it ever held a resource; one that waits for its first change set did not."""
        return self.status != REVIEW


@dataclass(frozen=True)
class Request:
    """What a stack should become. `parameters` are those somebody named; others keep what is deployed."""

    stack_name: str
    template: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    role_arn: str = ""
    notification_arns: Sequence[str] = ()
    import_existing: bool = False
    disable_rollback: bool = False


@dataclass
class Prepared:
    """A change set that is deleted when its turn is over, unless it is kept: to be looked at later, or executed."""

    change_set: ChangeSet
    kept: bool = False

    def keep(self) -> None:
        """Keeps the change set; one with nothing to do is of no use to anybody."""
        self.kept = not self.change_set.empty


class Conversation:
    """All that is said to CloudFormation in one account and Region."""

    def __init__(
        self,
        client: Any,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._now = now

    @property
    def client(self) -> Any:
        """The client it talks through."""
        return self._client

    def pause(self, seconds: float) -> None:
        """Waits, by the given sleep."""
        self._sleep(seconds)

    @property
    def region(self) -> str:
        """The Region it talks to."""
        return str(self._client.meta.region_name)

    def stack(self, name: str) -> Stack | None:
        """The stack of that name, or None. One that was deleted counts as none."""
        with explained(name):
            try:
                (found,) = self._client.describe_stacks(StackName=name)["Stacks"]
            except botocore.exceptions.ClientError as error:
                if "does not exist" in error.response["Error"].get("Message", ""):
                    return None
                raise
        return Stack(
            name=found["StackName"],
            arn=found["StackId"],
            status=found["StackStatus"],
            reason=found.get("StackStatusReason", ""),
            parameters={
                parameter["ParameterKey"]: parameter.get("ParameterValue", "")
                for parameter in found.get("Parameters", ())
            },
            outputs={output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())},
            protected=found.get("EnableTerminationProtection", False),
        )

    def described(self, arn: str) -> ChangeSet:
        """A change set that somebody made earlier, all pages read. Raises DeployError if there is none."""
        return self._ready(arn, arn)

    def execute(self, made: ChangeSet, *, disable_rollback: bool) -> None:
        """Lets CloudFormation do what the change set says. Whoever calls follows the stack's events."""
        # CreateChangeSet's OnStackFailure has said it for a new stack, and the two exclude each other.
        update = {} if made.creates else {"DisableRollback": disable_rollback}
        with explained(made.stack_name):
            self._client.execute_change_set(ChangeSetName=made.arn, **update)

    def protect(self, stack_name: str, *, on: bool = True) -> None:
        """Turns termination protection on or off."""
        with explained(stack_name):
            self._client.update_termination_protection(StackName=stack_name, EnableTerminationProtection=on)

    def delete(self, stack: Stack, *, role_arn: str = "") -> None:
        """Starts the deletion of a stack."""
        with explained(stack.name):
            self._client.delete_stack(StackName=stack.arn, **({"RoleARN": role_arn} if role_arn else {}))

    def last_event(self, stack_arn: str) -> str:
        """The ID of the newest event, from which `follow` goes on; empty if there is none."""
        with explained(stack_arn):
            events = self._client.describe_stack_events(StackName=stack_arn)["StackEvents"]
        return str(events[0]["EventId"]) if events else ""

    def follow(self, stack_arn: str, since: str, tell: Callable[[Sequence[Event]], None]) -> tuple[Stack, list[Event]]:
        """Waits until CloudFormation is no longer at work; the stack then, and all events after `since`, oldest first.

        `tell` is called with the new events of each look, oldest first, also when there are none.
        Raises DeployError after 36 hours, which is how long MemoryDB's handler may take.
        """
        events: list[Event] = []
        end = self._now() + 3600 * FOLLOW_HOURS
        pauses = _pauses()
        while True:
            found = self.stack(stack_arn)
            fresh = self._events(stack_arn, events[-1].id if events else since)
            events += fresh
            tell(fresh)
            if found is None or not in_progress(found.status):
                return found or Stack(stack_arn, stack_arn, "DELETE_COMPLETE"), events
            if self._now() > end:
                raise DeployError(
                    stack=found.name,
                    what="CloudFormation is still at work",
                    why=f"the stack has been {found.status} for {FOLLOW_HOURS} hours",
                    then="It goes on by itself; run the same command again to follow it.",
                )
            self._sleep(next(pauses))

    def _events(self, stack_arn: str, since: str) -> list[Event]:
        """The events after `since`, oldest first. CloudFormation tells the newest first, page by page."""
        found: list[Event] = []
        options: dict[str, str] = {}
        while True:
            with explained(stack_arn):
                page = self._client.describe_stack_events(StackName=stack_arn, **options)
            for told in page["StackEvents"]:
                if told["EventId"] == since:
                    return found[::-1]
                found.append(event(told))
            if not page.get("NextToken"):
                return found[::-1]
            options = {"NextToken": page["NextToken"]}

    @contextmanager
    def prepared(self, request: Request) -> Iterator[Prepared]:
        """A change set for `request`, with property values, all pages read.

        It is deleted at the end unless somebody calls its `keep`, whatever happens, and so is the empty stack
        that CloudFormation makes for it if there was none before.

        Raises DeployError when the change set fails for another reason than that there is nothing to change.
        """
        before = self.stack(request.stack_name)
        made = self._create(request, before)
        result = None
        try:
            described = self._ready(request.stack_name, made)
            if described.status == "FAILED" and not described.empty:
                raise DeployError(
                    stack=request.stack_name,
                    what="The change set failed",
                    why=self._findings(made) or described.reason,
                    then="Nothing was changed. Fix the template or the parameters, and try again.",
                )
            result = Prepared(described)
            yield result
        finally:
            if result is None or not result.kept:
                self._discard(request.stack_name, made, new_stack=before is None)

    def _create(self, request: Request, before: Stack | None) -> str:
        size = len(request.template.encode())
        if size > TEMPLATE_BODY_LIMIT:
            raise DeployError(
                stack=request.stack_name,
                what="The template is too large",
                why=f"it has {size:,} bytes and CloudFormation takes {TEMPLATE_BODY_LIMIT:,} in a request",
                then="Split the layer in two, or upload the file in the console, which takes 1 MB.",
            )
        creates = before is None or not before.exists
        optional: dict[str, Any] = {"RoleARN": request.role_arn} if request.role_arn else {}
        if request.notification_arns:
            optional["NotificationARNs"] = list(request.notification_arns)
        if request.import_existing:
            optional["ImportExistingResources"] = True
        if creates:
            # Its default is documented inconsistently.
            optional["OnStackFailure"] = "DO_NOTHING" if request.disable_rollback else "ROLLBACK"
        with explained(request.stack_name):
            return str(
                self._client.create_change_set(
                    StackName=request.stack_name,
                    ChangeSetName=f"preview-{uuid.uuid4().hex}",
                    ChangeSetType="CREATE" if creates else "UPDATE",
                    TemplateBody=request.template,
                    Parameters=parameters(request, before),
                    Tags=[{"Key": key, "Value": value} for key, value in request.tags.items()],
                    Capabilities=["CAPABILITY_IAM"],
                    **optional,
                )["Id"]
            )

    def _ready(self, stack_name: str, arn: str) -> ChangeSet:
        end = self._now() + 60 * CHANGE_SET_MINUTES
        pauses = _pauses()
        while True:
            with explained(stack_name):
                page = self._client.describe_change_set(ChangeSetName=arn, IncludePropertyValues=True)
            if page["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
                break
            if self._now() > end:
                raise DeployError(
                    stack=stack_name,
                    what="The change set is not ready",
                    why=f"it has been {page['Status']} for {CHANGE_SET_MINUTES} minutes",
                    then="Look at it in the console, and try again.",
                )
            self._sleep(next(pauses))
        pages = [page]
        while token := pages[-1].get("NextToken"):
            with explained(stack_name):
                pages.append(
                    self._client.describe_change_set(ChangeSetName=arn, IncludePropertyValues=True, NextToken=token)
                )
        return change_set(pages)

    def _findings(self, arn: str) -> str:
        """What CloudFormation's validation before deployment objects to; only DescribeEvents tells."""
        found: list[str] = []
        options: dict[str, str] = {}
        while True:
            try:
                page = self._client.describe_events(ChangeSetName=arn, **options)
            except botocore.exceptions.BotoCoreError:
                return "; ".join(found)
            except botocore.exceptions.ClientError:
                return "; ".join(found)
            found += [
                f"{event.get('LogicalResourceId', '')} {event.get('ValidationPath', '')}: "
                f"{event.get('ValidationStatusReason', '')}"
                for event in page.get("OperationEvents", ())
                if event.get("EventType") == "VALIDATION_ERROR"
            ]
            if not page.get("NextToken"):
                return "; ".join(found)
            options = {"NextToken": page["NextToken"]}

    def _discard(self, stack_name: str, arn: str, *, new_stack: bool) -> None:
        with explained(stack_name):
            try:
                self._client.delete_change_set(ChangeSetName=arn)
            except self._client.exceptions.InvalidChangeSetStatusException:
                # It is being executed, though the answer to ExecuteChangeSet was lost.
                return
            if not new_stack:
                return
            # Somebody else's change set may wait in the stack that ours brought about.
            end = self._now() + 60
            while any(
                summary["ChangeSetId"] == arn
                for summary in self._client.list_change_sets(StackName=stack_name).get("Summaries", ())
            ):
                if self._now() > end:
                    return
                self._sleep(FIRST_PAUSE)
            waiting = self._client.list_change_sets(StackName=stack_name).get("Summaries", ())
            left = self.stack(stack_name)
            if left and not left.exists and not waiting:
                self._client.delete_stack(StackName=left.arn)


def parameters(request: Request, before: Stack | None) -> list[dict[str, Any]]:
    """Parameters for CreateChangeSet: what is given, else what is deployed, else the template's default.

    Raises UsageError for a parameter that has none of the three.
    """
    declared = json.loads(request.template).get("Parameters", {})
    deployed = before.parameters if before and before.exists else ()
    chosen: list[dict[str, Any]] = []
    missing = []
    for name, parameter in declared.items():
        if name in request.parameters:
            chosen.append({"ParameterKey": name, "ParameterValue": request.parameters[name]})
        elif name in deployed:
            chosen.append({"ParameterKey": name, "UsePreviousValue": True})
        elif "Default" not in parameter:
            missing.append(name)
    if missing:
        raise UsageError(
            f"{request.stack_name} needs a value for {', '.join(missing)}: --parameter {missing[0]}=VALUE"
            + (", or --image URI." if "ImageUri" in missing else ".")
        )
    return chosen


def _pauses() -> Iterator[float]:
    """Seconds between looks: short at first, since much is over at once, then long, since AWS throttles who asks."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(1.5 * pause, LONGEST_PAUSE)
