"""Stack events as CloudFormation writes them. ministack reports every resource of an updated stack as updated.

Facts: user guide, "Understand CloudFormation stack creation events" (a second CREATE_IN_PROGRESS with the reason
"Resource creation Initiated") and "View CloudFormation stack events" (UPDATE_COMPLETE_CLEANUP_IN_PROGRESS, in which
replaced and removed resources are deleted; a failure there leaves UPDATE_COMPLETE with a DELETE_FAILED event). A
resource that an update does not change has no events; one that it adds has CREATE events.
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import _stack_events, _stacks, stacks

from rehearsal.emulator.extensions.registration import Failed

STACK = "AWS::CloudFormation::Stack"

# Resources, by stack ID and logical ID, of which it is not yet known whether the update changes them ...
untouched: set[tuple[str, str]] = set()
# ... that the update adds ...
added: set[tuple[str, str]] = set()
# ... and, by stack ID, why the outputs failed: the reason of the rollback.
why_outputs_failed: dict[str, str] = {}

add_event = stacks._add_event


def install() -> None:
    provision, update, delete = stacks._provision_resource, stacks._update_resource, stacks._delete_resource

    def provisioned(resource_type: str, logical_id: str, props: Any, stack_name: str) -> Any:
        stack_id = _stacks[stack_name]["StackId"]
        if (stack_id, logical_id) in untouched:
            untouched.remove((stack_id, logical_id))
            added.add((stack_id, logical_id))
            add_event(stack_id, stack_name, logical_id, resource_type, "CREATE_IN_PROGRESS")
        about = (stack_id, stack_name, logical_id, resource_type, "CREATE_IN_PROGRESS", "Resource creation Initiated")
        try:
            created = provision(resource_type, logical_id, props, stack_name)
        except Failed as failure:
            add_event(*about, failure.physical_id)
            raise
        add_event(*about, created[0])
        return created

    def updated(
        resource_type: str, physical_id: str, old: Any, new: Any, stack_name: str, logical_id: str, *rest: Any
    ) -> Any:
        stack_id = _stacks[stack_name]["StackId"]
        if old != new and (stack_id, logical_id) in untouched:
            untouched.remove((stack_id, logical_id))
            add_event(stack_id, stack_name, logical_id, resource_type, "UPDATE_IN_PROGRESS", "", physical_id)
        return update(resource_type, physical_id, old, new, stack_name, logical_id, *rest)

    def deleted(resource_type: str, physical_id: str, props: Any, stack_name: str, logical_id: str) -> Any:
        stack = _stacks[stack_name]
        about = (stack["StackId"], stack_name, logical_id, resource_type)
        if stack["StackStatus"] == "UPDATE_IN_PROGRESS":
            stack["StackStatus"] = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
            clean_up(stack["StackId"], stack_name)
        cleaning = stack["StackStatus"] == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
        if cleaning:
            add_event(*about, "DELETE_IN_PROGRESS", "", physical_id)
        delete(resource_type, physical_id, props, stack_name, logical_id)
        if cleaning:
            add_event(*about, "DELETE_COMPLETE", "", physical_id)

    stacks._provision_resource, stacks._update_resource, stacks._delete_resource = provisioned, updated, deleted
    stacks._add_event = event


def clean_up(stack_id: str, stack_name: str) -> None:
    add_event(stack_id, stack_name, stack_name, STACK, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "", stack_id)


def event(
    stack_id: str,
    stack_name: str,
    logical_id: str,
    resource_type: str,
    status: str,
    reason: str = "",
    physical_id: str = "",
    detailed_status: str = "",
) -> None:
    key = (stack_id, logical_id)
    if resource_type == STACK and logical_id == stack_name:
        running = _stacks[stack_name]["StackStatus"].endswith("IN_PROGRESS")
        if status in ("CREATE_FAILED", "UPDATE_FAILED") and running and not detailed_status:
            why_outputs_failed[stack_id] = reason
            return
        if status.endswith("ROLLBACK_IN_PROGRESS"):
            reason = why_outputs_failed.pop(stack_id, reason)
        if status == "UPDATE_COMPLETE" and not cleaned_up(stack_id):
            clean_up(stack_id, stack_name)
    elif status == "UPDATE_IN_PROGRESS" and not physical_id:
        untouched.add(key)
        return
    elif key in untouched:
        untouched.remove(key)
        if status == "UPDATE_COMPLETE":
            return
    elif key in added and status in ("UPDATE_COMPLETE", "UPDATE_FAILED"):
        added.remove(key)
        status = status.replace("UPDATE", "CREATE")
    add_event(stack_id, stack_name, logical_id, resource_type, status, reason, physical_id, detailed_status)


def cleaned_up(stack_id: str) -> bool:
    """Whether the clean-up of the current update has begun."""
    statuses = [each["ResourceStatus"] for each in _stack_events[stack_id] if each["ResourceType"] == STACK]
    return bool(statuses) and statuses[-1] == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
