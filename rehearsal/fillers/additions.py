"""How a filler adds to ministack: a service that speaks JSON to its router, a resource type to its CloudFormation."""

from __future__ import annotations

import asyncio
import contextvars
import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

import ministack.app
from ministack.core import router
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services.cloudformation import provisioners

# A resource's properties; its Ref and its attributes.
Props = dict[str, Any]
Made = tuple[str, dict[str, Any]]
Operation = Callable[[dict[str, Any]], dict[str, Any]]


class Refused(Exception):
    """An error that the service answers with. CloudFormation's handlers pass its text on."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class Failed(ValueError):
    """A resource that got an identity and then failed: its events name it."""

    def __init__(self, physical_id: str, message: str) -> None:
        self.physical_id = physical_id
        super().__init__(message)


def add_service(name: str, target: str, operations: Mapping[str, Operation]) -> None:
    """`target` is what stands before the operation in the header X-Amz-Target."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation not in operations:
            return error_response_json("UnknownOperationException", f"The emulator has no {name}:{operation}.")
        try:
            # In a thread: an operation may wait for what asks the emulator in its turn.
            return json_response(await asyncio.to_thread(operations[operation], json.loads(body or b"{}")))
        except Refused as refused:
            return error_response_json(refused.code, str(refused))

    router.SERVICE_PATTERNS[name] = {"target_prefixes": [f"{target}."], "host_patterns": [re.escape(name)]}
    ministack.app.SERVICE_HANDLERS[name] = handle


def add_resource_type(name: str, *, taggable: bool = True, **handlers: Any) -> None:
    """`handlers` are create, update and delete, as ministack calls them; `taggable`: the stack's tags reach it."""
    provisioners._RESOURCE_HANDLERS[name] = handlers
    if taggable:
        provisioners._STACK_TAG_PROPERTY[name] = ("Tags", "list")


def in_background(work: Callable[[], None]) -> None:
    """An operation that goes on after its answer: in a thread, for the same account and Region."""
    threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True).start()


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{get_region()}:{get_account_id()}:{resource}"
