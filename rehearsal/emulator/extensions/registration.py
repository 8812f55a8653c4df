"""Adds services to ministack's router, and resource types to its CloudFormation."""

from __future__ import annotations

import asyncio
import contextvars
import json
import re
import threading
from collections.abc import Callable
from typing import Any

import ministack.app
from ministack.core import router
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services.cloudformation import provisioners

Props = dict[str, Any]
# Physical ID (the value of Ref) and attributes of a resource.
Created = tuple[str, dict[str, Any]]
Operation = Callable[[dict[str, Any]], dict[str, Any]]


class Refused(Exception):
    """A service's error. CloudFormation reports its text as the reason."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class Failed(ValueError):
    """A resource that failed after it had a physical ID, which its events contain."""

    def __init__(self, physical_id: str, message: str) -> None:
        self.physical_id = physical_id
        super().__init__(message)


def existing(services: Any, service_arn: str) -> Any:
    """A service of App Runner or ECS."""
    if service_arn not in services:
        raise Refused("ResourceNotFoundException", f"Service {service_arn} was not found.")
    return services[service_arn]


def add_service(name: str, target: str, **operations: Operation) -> None:
    """A service with a JSON protocol. `target` precedes the operation in the header X-Amz-Target."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation not in operations:
            return error_response_json("UnknownOperationException", f"The emulator has no {name}:{operation}.")
        try:
            # In a thread, because an instance that an operation waits for calls the emulator.
            return json_response(await asyncio.to_thread(operations[operation], json.loads(body or b"{}")))
        except Refused as refused:
            return error_response_json(refused.code, str(refused))

    router.SERVICE_PATTERNS[name] = {"target_prefixes": [f"{target}."], "host_patterns": [re.escape(name)]}
    ministack.app.SERVICE_HANDLERS[name] = handle


def add_resource_type(
    name: str, create: Any, update: Any, delete: Any, *, taggable: bool = True, **options: Any
) -> None:
    """Handlers have ministack's arguments; `taggable`: it gets the stack's tags."""
    handlers = {"create": create, "update": update, "delete": delete}
    provisioners._RESOURCE_HANDLERS[name] = {key: each for key, each in handlers.items() if each} | options
    if taggable:
        provisioners._STACK_TAG_PROPERTY[name] = ("Tags", "list")


def removal(store: Any) -> Any:
    """A handler that deletes a resource from its store."""
    return lambda physical_id, props: store.pop(physical_id, None)


def in_background(work: Callable[[], None]) -> None:
    """Runs an asynchronous operation in a thread, for the same account and Region."""
    threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True).start()


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{get_region()}:{get_account_id()}:{resource}"
