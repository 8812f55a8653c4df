"""Stack policies, which ministack stores and does not enforce.

Facts: user guide, "Prevent updates to stack resources": Update:Modify, Update:Replace and Update:Delete on logical IDs,
with NotAction, NotResource, wildcards and a condition on ResourceType; with a policy, what no statement allows is
denied; a policy applies to updates only. A denied resource fails, and the update is rolled back, with "Action denied by
stack policy: Statement [#1] does not allow [Update:Replace] for resource [LogicalResourceId/DB]" (formica, "stack
policies"; LocalStack, `TestStackPolicy`, validated on AWS: `test_prevent_replacement`, `test_prevent_deletion`). An
empty policy denies nothing (`test_update_with_empty_policy`), and of statements that contradict each other the last one
is followed (`test_update_with_overlapping_policies`), although the guide says that a denial overrides.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

from ministack.services.cloudformation import _stacks, stacks

from rehearsal.emulator.extensions.cloudformation.events import add_event


def install() -> None:
    update, resolve = stacks._update_resource, stacks._resolve_stack_outputs

    def updated(kind: str, physical_id: str, old: Any, new: Any, stack_name: str, logical_id: str, *rest: Any) -> Any:
        stack = _stacks[stack_name]
        # A rollback is not an update of the policy's kind.
        if old != new and stack["StackStatus"] == "UPDATE_IN_PROGRESS":
            replaces = stacks._replacing_change(kind, old, new)
            refuse(stack, "Update:Replace" if replaces else "Update:Modify", logical_id, kind)
        return update(kind, physical_id, old, new, stack_name, logical_id, *rest)

    def resolved(outputs: Any, conditions: Any, surviving: Any, values: Any, mappings: Any, *names: str) -> Any:
        # Before anything is deleted. The outputs are resolved from what stays.
        stack = _stacks[names[0]]
        for logical_id, resource in stack["_resources"].items():
            if logical_id not in surviving and stack["StackStatus"] == "UPDATE_IN_PROGRESS":
                try:
                    refuse(stack, "Update:Delete", logical_id, resource["ResourceType"])
                except ValueError as error:
                    about = (stack["StackId"], names[0], logical_id, resource["ResourceType"])
                    add_event(*about, "UPDATE_FAILED", str(error), resource["PhysicalResourceId"])
                    raise
        return resolve(outputs, conditions, surviving, values, mappings, *names)

    stacks._update_resource, stacks._resolve_stack_outputs = updated, resolved


def refuse(stack: dict[str, Any], action: str, logical_id: str, resource_type: str) -> None:
    """Raises ValueError, with the reason of the event, if the stack's policy denies the action."""
    policy = json.loads(stack.get("_stack_policy") or "{}")
    if not policy:
        return
    resource = f"LogicalResourceId/{logical_id}"
    matching = [
        (number, statement)
        for number, statement in enumerate(policy["Statement"], start=1)
        if matches(statement, "Action", action) and matches(statement, "Resource", resource)
        if of_type(statement, resource_type)
    ]
    if not matching:
        raise ValueError(f"Action not allowed by stack policy: [{action}] for resource [{resource}]")
    number, statement = matching[-1]
    if statement["Effect"] == "Deny":
        raise ValueError(
            f"Action denied by stack policy: Statement [#{number}] does not allow [{action}] for resource [{resource}]"
        )


def matches(statement: dict[str, Any], element: str, value: str) -> bool:
    """Whether an element, or its Not form, includes the value."""
    if element in statement:
        return any(fnmatchcase(value, pattern) for pattern in listed(statement[element]))
    return not any(fnmatchcase(value, pattern) for pattern in listed(statement[f"Not{element}"]))


def of_type(statement: dict[str, Any], resource_type: str) -> bool:
    conditions = statement.get("Condition", {}).values()
    patterns = [pattern for condition in conditions for pattern in listed(condition["ResourceType"])]
    return not patterns or any(fnmatchcase(resource_type, pattern) for pattern in patterns)


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
