"""The operation of each stack event, and DescribeEvents, which has the failures of one operation and what hooks found.

Facts: user guide, "View stack events by operation": each create, update, delete and rollback has an ID of its own, and
a filter selects failed events. DescribeStackEvents has the ID too (aws-lite pull request 213). The failure is among the
events of the update, not of the rollback that it causes (awslabs/mcp issue 4275). That IAM is asked about the stack
when only an operation's ID is given is an assumption. A resource that a hook refuses fails with "The following hook(s)
failed"; the hook's own reason is in DescribeEvents (API reference, OperationEvent).
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from ministack.services.cloudformation import _stack_events, _stacks, changesets, handlers, stacks

from rehearsal.emulator.extensions import faults
from rehearsal.emulator.extensions.cloudformation import events

BEGINS = {f"{verb}_IN_PROGRESS": f"{verb}_STACK" for verb in ("CREATE", "UPDATE", "DELETE")}
ROLLBACKS = ("ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS")

# The current operation of each stack, by the stack's ID: its type and its own ID.
current: dict[str, tuple[str, str]] = {}


def install() -> None:
    add, describe, make = events.add_event, handlers._ACTION_HANDLERS["DescribeStackEvents"], stacks._operation_event

    def added(
        stack_id: str, stack_name: str, logical_id: str, resource_type: str, status: str, *rest: str, **more: str
    ) -> None:
        about_stack = (logical_id, resource_type) == (stack_name, events.STACK)
        if about_stack and status in (*BEGINS, *ROLLBACKS):
            current[stack_id] = (BEGINS.get(status, "ROLLBACK"), str(uuid.uuid4()))
        add(stack_id, stack_name, logical_id, resource_type, status, *rest, **more)
        recorded = _stack_events[stack_id][-1]
        _, recorded["OperationId"] = current.get(stack_id, ("", ""))
        if status.endswith("_FAILED"):
            failures = _stacks[stack_name].setdefault("_operation_events", [])
            failures += failed(recorded)

    def described(params: Any) -> Any:
        status, headers, body = describe(params)
        ids = {event["EventId"]: event.get("OperationId", "") for found in _stack_events.values() for event in found}

        def with_operation(match: re.Match[str]) -> str:
            return f"{match[0]}<OperationId>{ids.get(match[1], '')}</OperationId>"

        return status, headers, re.sub(r"<EventId>(.*?)</EventId>", with_operation, body.decode()).encode()

    def made(stack_id: str, _: str, *rest: Any, **fields: Any) -> Any:
        return make(stack_id, current[stack_id][1], *rest, **fields)

    # Most events go through `events.py`; these modules add the first one of an operation themselves.
    events.add_event = changesets._add_event = handlers._add_event = added
    stacks._operation_event = made
    handlers._ACTION_HANDLERS["DescribeStackEvents"] = described
    handlers._OPERATION_EVENT_FIELDS += ("HookType", "HookStatus", "HookStatusReason", "HookFailureMode")


def failed(event: dict[str, Any]) -> list[dict[str, Any]]:
    """A failure as DescribeEvents has it, after what the hook says that caused it."""
    kind, operation_id = current.get(event["StackId"], ("", ""))
    common = {**event, "OperationType": kind, "OperationId": operation_id, "OperationStatus": "FAILED"}
    hooks = [
        {
            **common,
            "EventId": str(uuid.uuid4()),
            "EventType": "HOOK_INVOCATION_ERROR",
            "HookType": hook,
            "HookStatus": "HOOK_COMPLETE_FAILED",
            "HookStatusReason": faults.hooks[hook],
            "HookFailureMode": "FAIL",
        }
        for hook in re.findall(r"hook\(s\) failed: \[(.*?)\]", event["ResourceStatusReason"])
    ]
    return [*hooks, {**common, "EventType": "PROVISIONING_ERROR"}]


def stack_of(operation_id: str) -> str:
    """The ID of the stack that an operation is of; empty if there is none."""
    found = (
        stack["StackId"]
        for stack in _stacks.values()
        for event in stack.get("_operation_events") or ()
        if event["OperationId"] == operation_id
    )
    return next(found, "")
