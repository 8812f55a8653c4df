"""Writes a line for every call to the emulator: operation, caller, and the actions that IAM allowed for it.

ministack's CloudFormation creates resources without calls, so those are not recorded.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import parse_qs

import ministack.app

from rehearsal.emulator.extensions import iam

FILE = os.environ["REHEARSAL_CALLS"]


def install() -> None:
    for service, handler in list(ministack.app.SERVICE_HANDLERS.items()):
        ministack.app.SERVICE_HANDLERS[service] = recorded(service, handler)


def recorded(service: str, handler: Any) -> Any:
    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        # JSON protocols name the operation in a header, the query protocol in the body (Smithy, "AWS protocols").
        target = headers.get("x-amz-target", "").rpartition(".")[2]
        named = target or (parse_qs(body.decode(errors="replace")).get("Action") or query.get("Action") or [path])[0]
        record(service, named, iam.caller.get(), iam.checks.get())
        return await handler(method, path, headers, body, query)

    return handle


def record(service: str, operation: str, key: str, checks: tuple[dict[str, Any], ...]) -> None:
    """`key` is the caller's access key."""
    line = {
        "service": service,
        "operation": operation,
        "principal": getattr(iam.principal(key), "arn", ""),
        "checks": checks,
    }
    with open(FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
