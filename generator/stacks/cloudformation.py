"""CloudFormation calls for one account and Region, returned as plain values.

botocore retries every call that can be retried. What is left of an error is a DeployError.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from types import MappingProxyType
from typing import Any

import botocore.exceptions

from generator.aws.calls import Clock, pages
from generator.aws.errors import code_of, translate_errors
from generator.contract import TEMPLATE_BODY_LIMIT
from generator.errors import DeployError
from generator.redaction import redact
from generator.stacks.change_set import ChangeSet, change_set
from generator.stacks.events import (
    REVIEW,
    SUCCEEDED,
    Event,
    Finding,
    Operation,
    event,
    finding,
    in_progress,
    last_operation,
)
from generator.template.capabilities import capabilities

# Short at first, since most waits are short; then longer, since AWS throttles frequent calls.
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 5.0
# A change set is ready within minutes; one that validates against the account may take longer.
CHANGE_SET_MINUTES = 30
DISCARD_SECONDS = 60
# A change set that was executed, deleted or made obsolete (API reference, ExecuteChangeSet, Errors).
STALE = ("ChangeSetNotFound", "ChangeSetNotFoundException", "InvalidChangeSetStatus", "InvalidChangeSetStatusException")
# How long MemoryDB's resource handler may take.
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
    tags: Mapping[str, str] = field(default_factory=dict)
    protected: bool = False

    @property
    def exists(self) -> bool:
        """Whether it ever held a resource. A stack that waits for its first change set did not."""
        return self.status != REVIEW

    @property
    def deleting(self) -> bool:
        """Whether it is being deleted."""
        return self.status == "DELETE_IN_PROGRESS"


@dataclass(frozen=True)
class StackUpdate:
    """What a stack should become. A parameter that is not in `parameters` keeps its deployed value, and a tag that is
    not in `tags` stays unless it is one of `removed_tags`.

    template_url: where the template is in S3; needed for one that is too large for a request. revert_drift: manual
    changes are undone too.
    """

    stack_name: str
    template: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    removed_tags: Sequence[str] = ()
    template_url: str = ""
    role_arn: str = ""
    notification_arns: Sequence[str] = ()
    import_existing: bool = False
    disable_rollback: bool = False
    revert_drift: bool = False

    @cached_property
    def parsed(self) -> Mapping[str, Any]:
        """The template as CloudFormation reads it."""
        parsed: Mapping[str, Any] = json.loads(self.template)
        return parsed

    @property
    def declared(self) -> Mapping[str, Any]:
        """The parameters that the template declares."""
        parameters: Mapping[str, Any] = self.parsed.get("Parameters", {})
        return parameters

    @property
    def body(self) -> str:
        """The template as it is sent: without white space if that makes it fit into a request."""
        fits = len(self.template.encode()) <= TEMPLATE_BODY_LIMIT
        return self.template if fits else json.dumps(self.parsed, ensure_ascii=False, separators=(",", ":"))

    @property
    def too_large(self) -> bool:
        """Whether the template has to be in S3."""
        return len(self.body.encode()) > TEMPLATE_BODY_LIMIT


@dataclass
class PendingChangeSet:
    """A change set that is deleted when the `with` block ends, unless `keep()` was called."""

    change_set: ChangeSet
    kept: bool = False

    def keep(self) -> None:
        """Keeps the change set. An empty one is deleted all the same: it cannot be executed."""
        self.kept = not self.change_set.empty


class CloudFormation:
    """CloudFormation in the account and Region of `client`."""

    def __init__(self, client: Any, clock: Clock = Clock()) -> None:
        self.client = client
        self.clock = clock

    @property
    def region(self) -> str:
        return str(self.client.meta.region_name)

    def stack(self, name: str) -> Stack | None:
        """The stack of that name, or None. A deleted stack is None."""
        with translate_errors(name):
            try:
                (found,) = self.client.describe_stacks(StackName=name)["Stacks"]
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
            tags={tag["Key"]: tag["Value"] for tag in found.get("Tags", ()) if not tag["Key"].startswith("aws:")},
            outputs={output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())},
            protected=found.get("EnableTerminationProtection", False),
        )

    def describe_change_set(self, arn: str) -> ChangeSet:
        """An existing change set with all its pages. Raises DeployError if there is none.

        Which resources hold data follows from their types alone.
        """
        try:
            return self._ready(arn, arn)
        except DeployError as error:
            if code_of(error) in STALE:
                raise DeployError(
                    stack=arn,
                    what="There is no such change set",
                    why="it was executed or deleted, or is in another account or Region. Nothing was executed",
                    then="Create and review a new one: preview --keep.",
                ) from error
            raise

    @contextmanager
    def pending_change_set(self, update: StackUpdate) -> Iterator[PendingChangeSet]:
        """A new change set for `update`, with property values and all its pages.

        It is deleted when the block ends, also by an error, unless `keep()` was called; so is the empty stack that
        CloudFormation makes for it where there was no stack before.

        Raises DeployError when the change set fails for another reason than that there is nothing to change.
        """
        before = self.stack(update.stack_name)
        arn = self._create(update, before)
        pending = None
        try:
            found = self._ready(update.stack_name, arn, update.parsed)
            if found.status == "FAILED" and not found.empty:
                raise DeployError(
                    stack=update.stack_name,
                    what="The change set failed",
                    why="; ".join(str(each) for each in self.findings(arn) if each.blocking) or found.reason,
                    then="Nothing was changed.",
                )
            pending = PendingChangeSet(found)
            yield pending
        finally:
            if pending is None or not pending.kept:
                self._discard(update.stack_name, arn, new_stack=before is None)

    def template(self, **of: str) -> Mapping[str, Any]:
        """The processed template of a stack (StackName) or of a change set (ChangeSetName, its ARN)."""
        with translate_errors(next(iter(of.values()))):
            body = self.client.get_template(**of, TemplateStage="Processed")["TemplateBody"]
        # botocore parses JSON, and leaves YAML as it is.
        return body if isinstance(body, Mapping) else {}

    def resources(self, stack_name: str) -> list[Mapping[str, Any]]:
        """The resources of a stack, as ListStackResources has them, without those that were deleted."""
        with translate_errors(stack_name):
            listed = pages(self.client.list_stack_resources, StackName=stack_name)
            found = [resource for page in listed for resource in page["StackResourceSummaries"]]
        return [resource for resource in found if resource["ResourceStatus"] != "DELETE_COMPLETE"]

    def findings(self, arn: str) -> tuple[Finding, ...]:
        """What validation and hooks found in a change set, warnings included. Only DescribeEvents has it."""
        try:
            return self._findings(ChangeSetName=arn)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            return (Finding("", "", f"CloudFormation's warnings cannot be read: {redact(str(error))}", blocking=False),)

    def last_operation(self, stack: Stack) -> Operation | None:
        """The last operation of a stack, no matter what started it; None if there was none.

        What hooks and validation refused is in DescribeEvents only; where that cannot be read, the stack's events
        remain.
        """
        events = last_operation(self._newest_first(stack.arn)) if stack.exists else ()
        if not events:
            return None
        operation = Operation(events)
        if not operation.id or stack.status in SUCCEEDED or in_progress(stack.status):
            return operation
        with suppress(botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            found = self._findings(OperationId=operation.id, Filters={"FailedEvents": True})
            return replace(operation, refusals=tuple(each for each in found if each.blocking))
        return operation

    def _findings(self, **of: Any) -> tuple[Finding, ...]:
        listed = pages(self.client.describe_events, **of)
        found = (finding(described) for page in listed for described in page.get("OperationEvents", ()))
        return tuple(dict.fromkeys(filter(None, found)))

    def execute_change_set(self, found: ChangeSet, *, disable_rollback: bool) -> None:
        """Starts what the change set says. `follow` waits for its end."""
        # A new stack got OnStackFailure with CreateChangeSet; CloudFormation refuses both together.
        update = {} if found.creates else {"DisableRollback": disable_rollback}
        stale = DeployError(
            stack=found.stack_name,
            what="Nothing was executed",
            why="another deployment was executed, or the change set was deleted, after this one was shown",
            then="Deploy again to see what is left to change.",
        )
        with translate_errors(found.stack_name, dict.fromkeys(STALE, stale)):
            self.client.execute_change_set(ChangeSetName=found.arn, **update)

    def set_termination_protection(self, stack_name: str, *, on: bool) -> None:
        with translate_errors(stack_name):
            self.client.update_termination_protection(StackName=stack_name, EnableTerminationProtection=on)

    def stack_policy(self, stack_arn: str) -> str:
        """The text of the stack's policy; empty if none was set."""
        deleted = DeployError(
            stack=name_in(stack_arn),
            what="Nothing was executed",
            why="another command or the console deleted the stack after its change set was shown",
            then="If it was not meant to be deleted, deploy again.",
        )
        with translate_errors(stack_arn, {"does not exist": deleted}):
            return str(self.client.get_stack_policy(StackName=stack_arn).get("StackPolicyBody", ""))

    def set_stack_policy(self, stack_arn: str, text: str) -> None:
        with translate_errors(stack_arn):
            self.client.set_stack_policy(StackName=stack_arn, StackPolicyBody=text)

    def delete(self, stack: Stack, *, role_arn: str = "") -> None:
        """Starts the deletion of a stack. Raises DeployError for one that is being updated."""
        with translate_errors(stack.name, {"cannot be deleted while in status": busy(stack.name, "Destroy")}):
            self.client.delete_stack(StackName=stack.arn, **({"RoleARN": role_arn} if role_arn else {}))

    def last_event(self, stack_arn: str) -> str:
        """The ID of the newest event, for `follow`; empty if there is none."""
        with translate_errors(stack_arn):
            events = self.client.describe_stack_events(StackName=stack_arn)["StackEvents"]
        return str(events[0]["EventId"]) if events else ""

    def follow(
        self, stack_arn: str, since: str, on_events: Callable[[Sequence[Event]], None]
    ) -> tuple[Stack, list[Event]]:
        """Waits until CloudFormation has finished; returns the stack, and all events after `since`, oldest first.

        `on_events` gets the new events after each look, oldest first; an empty sequence if there are none.
        Raises DeployError after 36 hours.
        """
        events: list[Event] = []

        def look() -> Stack:
            found = self.stack(stack_arn)
            known = events[-1].id if events else since
            fresh = list(takewhile(lambda event: event.id != known, self._newest_first(stack_arn)))[::-1]
            events.extend(fresh)
            on_events(fresh)
            return found or Stack(name_in(stack_arn), stack_arn, "DELETE_COMPLETE")

        stack = self._poll(look, lambda stack: not in_progress(stack.status), seconds=3600 * FOLLOW_HOURS)
        if in_progress(stack.status):
            raise DeployError(
                stack=stack.name,
                what="CloudFormation has not finished",
                why=f"the stack has been {stack.status} for {FOLLOW_HOURS} hours",
                then="It continues on its own. Run the command again to keep watching.",
            )
        return stack, events

    def _poll(self, look: Callable[[], Any], done: Callable[[Any], bool], *, seconds: float) -> Any:
        return self.clock.poll(look, done, seconds=seconds, pause=PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS)

    def _newest_first(self, stack_arn: str) -> Iterator[Event]:
        with translate_errors(stack_arn):
            for page in pages(self.client.describe_stack_events, StackName=stack_arn):
                yield from map(event, page["StackEvents"])

    def _create(self, update: StackUpdate, before: Stack | None) -> str:
        creates = before is None or not before.exists
        request = {
            "StackName": update.stack_name,
            "ChangeSetName": f"preview-{uuid.uuid4().hex}",
            "ChangeSetType": "CREATE" if creates else "UPDATE",
            "Parameters": _parameters(update, before),
            "Tags": _tags(update, before),
            "TemplateBody": None if update.template_url else update.body,
            "TemplateURL": update.template_url or None,
            "Capabilities": list(capabilities(update.parsed)) or None,
            "RoleARN": update.role_arn or None,
            "NotificationARNs": list(update.notification_arns) or None,
            "ImportExistingResources": update.import_existing or None,
            "DeploymentMode": "REVERT_DRIFT" if update.revert_drift and not creates else None,
        }
        if creates:
            # Its default is documented inconsistently.
            request["OnStackFailure"] = "DO_NOTHING" if update.disable_rollback else "ROLLBACK"
        with translate_errors(update.stack_name):
            given = {name: value for name, value in request.items() if value is not None}
            return str(self.client.create_change_set(**given)["Id"])

    def _ready(self, stack_name: str, arn: str, template: Mapping[str, Any] = MappingProxyType({})) -> ChangeSet:
        def look() -> Sequence[Mapping[str, Any]]:
            describe = pages(self.client.describe_change_set, ChangeSetName=arn, IncludePropertyValues=True)
            with translate_errors(stack_name):
                first = next(describe)
                return [first] if is_pending(first) else [first, *describe]

        def is_pending(page: Mapping[str, Any]) -> bool:
            return page["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS")

        found = self._poll(look, lambda found: not is_pending(found[0]), seconds=60 * CHANGE_SET_MINUTES)
        if is_pending(found[0]):
            raise DeployError(
                stack=stack_name,
                what="The change set is not ready",
                why=f"it has been {found[0]['Status']} for {CHANGE_SET_MINUTES} minutes",
                then="Look at it in the console.",
            )
        return change_set(found, template)

    def _discard(self, stack_name: str, arn: str, *, new_stack: bool) -> None:
        with translate_errors(stack_name):
            try:
                self.client.delete_change_set(ChangeSetName=arn)
            except self.client.exceptions.InvalidChangeSetStatusException:
                # It is being executed: only the answer to ExecuteChangeSet was lost.
                return
            if not new_stack:
                return
            # Another change set may wait in the stack that this one brought about.
            waiting = self.clock.poll(
                lambda: self._change_sets(stack_name),
                lambda waiting: arn not in waiting,
                seconds=DISCARD_SECONDS,
                pause=PAUSE_SECONDS,
            )
            left = self.stack(stack_name)
            if left and not left.exists and not waiting:
                self.client.delete_stack(StackName=left.arn)

    def _change_sets(self, stack_name: str) -> list[str]:
        """The ARNs of a stack's change sets."""
        listed = pages(self.client.list_change_sets, StackName=stack_name)
        return [summary["ChangeSetId"] for page in listed for summary in page.get("Summaries", ())]


def _parameters(update: StackUpdate, before: Stack | None) -> list[dict[str, Any]]:
    """The given values, and that the deployed ones of other parameters stay."""
    deployed = before.parameters if before and before.exists else {}
    stay = [name for name in update.declared if name in deployed and name not in update.parameters]
    return [
        *({"ParameterKey": name, "ParameterValue": value} for name, value in update.parameters.items()),
        *({"ParameterKey": name, "UsePreviousValue": True} for name in stay),
    ]


def _tags(update: StackUpdate, before: Stack | None) -> list[dict[str, str]] | None:
    """All tags of the stack; None where they stay as they are."""
    if not (update.tags or update.removed_tags):
        return None
    deployed = before.tags if before else {}
    tags = {key: value for key, value in deployed.items() if key not in update.removed_tags} | {**update.tags}
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def busy(stack_name: str, verb: str) -> DeployError:
    """The error for a stack that another command is updating."""
    return DeployError(
        stack=stack_name,
        what="Nothing was changed",
        why="the stack is being updated by another command or the console",
        then=f"{verb} again when it has finished: status shows that.",
    )


def name_in(arn: str) -> str:
    """The name of a stack by its ARN."""
    return arn.split("/")[1]


def place(arn: str) -> str:
    """The account and Region of an ARN, for a question."""
    region, account = arn.split(":")[3:5]
    return f"account {account}, {region}"
