"""DeleteStack while a stack is created, updated or deleted.

Facts: a stack that is being updated is not deleted, with this message (amplify-backend pull request 2366, issue 317 of
aws-toolkit-azure-devops). A stack that is being created is; "Resource creation cancelled" is the reason of resources
that are given up, as users quote it. Assumptions: the deletion waits for the resource that is just being created and
then deletes it too, and a second DeleteStack changes nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ministack.services.cloudformation import _stacks, changesets, handlers, stacks
from ministack.services.cloudformation.helpers import _error, _p, _xml

# By stack ID: set when the operation has ended.
deploying: dict[str, asyncio.Event] = {}


def install() -> None:
    request = handlers._ACTION_HANDLERS["DeleteStack"]
    deploy, delete, roll_back = stacks._deploy_stack_async, stacks._delete_stack_async, stacks._roll_back_operation
    provision, resolve = stacks._provision_resource, stacks._resolve_stack_outputs

    def requested(params: Any) -> Any:
        stack = handlers._resolve_stack(_p(params, "StackName")) or {"StackStatus": ""}
        status = stack["StackStatus"]
        if status.startswith("UPDATE_") and status.endswith("_IN_PROGRESS"):
            reason = f"Stack [{stack['StackId']}] cannot be deleted while in status {status}"
            return _error("ValidationError", reason)
        return _xml(200, "DeleteStackResponse", "") if status == "DELETE_IN_PROGRESS" else request(params)

    async def deployed(stack_name: str, stack_id: str, *rest: Any, **options: Any) -> None:
        deploying[stack_id] = ended = asyncio.Event()
        try:
            await deploy(stack_name, stack_id, *rest, **options)
        finally:
            ended.set()
            del deploying[stack_id]

    async def deleted(stack_name: str, stack_id: str, *rest: Any, **options: Any) -> None:
        _stacks[stack_name]["StackStatus"] = "DELETE_IN_PROGRESS"
        if stack_id in deploying:
            await deploying[stack_id].wait()
        await delete(stack_name, stack_id, *rest, **options)

    def provisioned(resource_type: str, logical_id: str, props: Any, stack_name: str) -> Any:
        cancel_if_deleted(stack_name)
        return provision(resource_type, logical_id, props, stack_name)

    def resolved(*arguments: Any) -> Any:
        *_, stack_name, _ = arguments
        cancel_if_deleted(stack_name)
        return resolve(*arguments)

    async def rolled_back(stack_name: str, *rest: Any) -> None:
        if _stacks[stack_name]["StackStatus"] != "DELETE_IN_PROGRESS":
            await roll_back(stack_name, *rest)

    handlers._ACTION_HANDLERS["DeleteStack"] = requested
    handlers._deploy_stack_async = changesets._deploy_stack_async = deployed
    handlers._delete_stack_async = deleted
    stacks._provision_resource, stacks._resolve_stack_outputs = provisioned, resolved
    stacks._roll_back_operation = rolled_back


def cancel_if_deleted(stack_name: str) -> None:
    if _stacks[stack_name]["StackStatus"] == "DELETE_IN_PROGRESS":
        raise ValueError("Resource creation cancelled")
