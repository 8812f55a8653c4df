"""Change sets: in which states a stack takes one, unknown parameters, outputs, missing exports, names and ARNs."""

from __future__ import annotations

import copy
import re
from typing import Any

from ministack.services.cloudformation import (
    _change_sets,
    _exports,
    _stack_events,
    _stacks,
    changesets,
    engine,
    handlers,
)
from ministack.services.cloudformation.helpers import _error, _esc, _extract_members, _p
from ministack.services.cloudformation.stacks import _stack_region_context

from rehearsal.emulator.extensions import faults
from rehearsal.emulator.extensions.cloudformation import drift, property_values, validation

# User guide, "Understand stack status codes": an update is possible in these, and a creation where there is no stack.
UPDATABLE = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
)
# After a failure without rollback an update is possible too ("Stack failure options").
RESUMABLE = ("CREATE_FAILED", "UPDATE_FAILED")


def install() -> None:
    resolve = changesets._resolve_props_for_diff
    changesets._resolve_props_for_diff = lambda template, *rest: existing(resolve(template, *rest), template, *rest)
    actions = handlers._ACTION_HANDLERS
    create, describe = actions["CreateChangeSet"], actions["DescribeChangeSet"]

    def created(params: Any) -> Any:
        stack = handlers._resolve_stack(_p(params, "StackName"))
        if refusal := refused(stack, _p(params, "ChangeSetType", "UPDATE")) or unknown_parameters(params, stack):
            return refusal
        before = copy.deepcopy(stack) if stack else {}
        status, headers, body = create(params)
        if status != 200:
            return status, headers, body
        (change_set_id,) = re.findall(r"<Id>(.*?)</Id>", body.decode())
        change_set = _change_sets[change_set_id]
        if before.get("StackStatus") == "REVIEW_IN_PROGRESS":
            new_id = change_set["StackId"]
            keep_stack(before, change_set)
            body = body.replace(new_id.encode(), change_set["StackId"].encode())
        stack = _stacks[change_set["StackName"]]
        with _stack_region_context(stack, stack["StackId"]):
            count_outputs(change_set, before)
            warn_without_export(change_set)
            fail_by_fault(change_set)
            property_values.add_values(change_set, before)
            if _p(params, "DeploymentMode") == drift.MODE:
                drift.add_drift(change_set, stack)
            change_set["_findings"] = validation.findings(change_set)
        return status, headers, body

    def described(params: Any) -> Any:
        status, headers, body = describe(params)
        if status == 200:
            _, change_set = changesets._find_change_set(_p(params, "ChangeSetName"), _p(params, "StackName"))
            with_values = _p(params, "IncludePropertyValues").lower() == "true"
            if with_values and not change_set["StatusReason"]:
                reason = f"<StatusReason>{_esc(change_set.get('_warning', ''))}</StatusReason>"
                body = body.replace(b"<StatusReason></StatusReason>", reason.encode())
            body = property_values.shown(body, change_set, with_values)
        return status, headers, body

    actions["CreateChangeSet"], actions["DescribeChangeSet"] = created, described
    for name in ("DescribeChangeSet", "ExecuteChangeSet", "ListChangeSets"):
        actions[name] = by_name(actions[name])


def existing(resolved: Any, template: Any, parameters: Any, *rest: Any) -> Any:
    """User guide, "Conditions section": a resource whose condition is false is not created, so a condition that changes
    adds or removes it."""
    conditions = engine._evaluate_conditions(template, parameters) if template else {}
    return {
        "Resources": {
            name: resource
            for name, resource in resolved.get("Resources", {}).items()
            if conditions.get(resource.get("Condition"), True)
        }
    }


def by_name(action: Any) -> Any:
    """API reference: StackName is "the name or the unique stack ID"."""

    def acted(params: Any) -> Any:
        stack = handlers._resolve_stack(_p(params, "StackName")) if _p(params, "StackName") else None
        return action({**params, "StackName": [stack["StackName"]]} if stack else params)

    return acted


def refused(stack: dict[str, Any] | None, kind: str) -> Any:
    """The error for a stack in another state, in AWS's words. A stack in ROLLBACK_COMPLETE can only be deleted (user
    guide, "Understand stack status codes")."""
    others = ("REVIEW_IN_PROGRESS",) if kind == "CREATE" else RESUMABLE
    if stack is None or (status := stack["StackStatus"]) in ("DELETE_COMPLETE", *UPDATABLE, *others):
        return None
    return _error("ValidationError", f"Stack:{stack['StackId']} is in {status} state and can not be updated.")


def unknown_parameters(params: Any, stack: dict[str, Any] | None) -> Any:
    """The error for parameters that the template does not have, in AWS's words."""
    try:
        body = _p(params, "TemplateBody")
        template = engine._parse_template(body) if body else (stack or {}).get("_template", {})
    except Exception:  # ministack refuses an invalid template
        return None
    given = [each["Key"] for each in _extract_members(params, "Parameters")]
    unknown = [name for name in given if name not in (template.get("Parameters") or {})]
    if unknown:
        return _error("ValidationError", f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    return None


def keep_stack(before: dict[str, Any], change_set: dict[str, Any]) -> None:
    """A second change set for a stack in review belongs to the same stack (user guide, "Create a change set")."""
    stack = _stacks[change_set["StackName"]]
    _stack_events.pop(stack["StackId"], None)
    stack.update(StackId=before["StackId"], CreationTime=before["CreationTime"])
    change_set["StackId"] = before["StackId"]


def count_outputs(change_set: dict[str, Any], before: dict[str, Any]) -> None:
    """A change set that only changes outputs lists no change and can be executed."""
    old, new = before.get("_template", {}).get("Outputs", {}), change_set["_template"].get("Outputs", {})
    was, will_be = before.get("_resolved_params", {}), change_set["_resolved_params"]
    changed = {name for name, each in will_be.items() if was.get(name, {}).get("Value") != each["Value"]}
    references = {name for name, _ in engine._intrinsic_references(new)}
    nothing = change_set["StatusReason"].startswith("The submitted information didn't contain changes.")
    if nothing and before and (old != new or changed & references):
        change_set.update(Status="CREATE_COMPLETE", ExecutionStatus="AVAILABLE", StatusReason="")


def warn_without_export(change_set: dict[str, Any]) -> None:
    """A change set that imports an export which does not exist is created and can be executed; with property values
    its StatusReason names the export. The execution fails and rolls back, unless the export exists by then (LocalStack,
    `test_change_set_exports_imports`, validated on AWS)."""
    stack = {**_stacks[change_set["StackName"]], "_resolved_params": change_set["_resolved_params"]}
    for logical_id, resource in change_set["_template"].get("Resources", {}).items():
        stack["_template"] = {**change_set["_template"], "Resources": {logical_id: resource}, "Outputs": {}}
        missing = handlers._imported_export_names(stack, change_set["StackName"]) - set(_exports)
        if missing and change_set["Status"] == "CREATE_COMPLETE":
            change_set["_warning"] = (
                "[WARN] --include-property-values option can return incomplete ChangeSet data because: ChangeSet "
                f"creation failed for resource [{logical_id}] because: No export named {min(missing)} found."
            )
            return


def fail_by_fault(change_set: dict[str, Any]) -> None:
    try:
        faults.inject("change-set", "create")
    except ValueError as error:
        change_set.update(Status="FAILED", ExecutionStatus="UNAVAILABLE", StatusReason=str(error), Changes=[])
