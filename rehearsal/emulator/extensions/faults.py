"""Injected faults (rehearsal.emulator.process.Fault), read from a file at each action."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ministack.services.cloudformation import stacks

FILE = Path(os.environ["REHEARSAL_FAULTS"])
happened: Counter[str] = Counter()
# The reasons of hooks that refused something, by the hook.
hooks: dict[str, str] = {}


def install() -> None:
    # Every action in its own thread, so that the emulator answers during a slow one.
    stacks._runs_on_worker_thread = lambda resource_type: True
    provision, update, delete = stacks._provision_resource, stacks._update_resource, stacks._delete_resource

    def provisioned(resource_type: str, logical_id: str, *rest: Any) -> Any:
        inject(logical_id, "create")
        return provision(resource_type, logical_id, *rest)

    def updated(
        resource_type: str, physical_id: str, old: Any, new: Any, stack: str, logical_id: str, *rest: Any
    ) -> Any:
        if old != new:
            inject(logical_id, "update")
        return update(resource_type, physical_id, old, new, stack, logical_id, *rest)

    def deleted(resource_type: str, physical_id: str, props: Any, stack: str, logical_id: str) -> Any:
        inject(logical_id, "delete")
        return delete(resource_type, physical_id, props, stack, logical_id)

    stacks._provision_resource, stacks._update_resource, stacks._delete_resource = provisioned, updated, deleted


def inject(logical_id: str, action: str) -> None:
    for fault in due(logical_id, action):
        if not fault["unnoticed"]:
            happened[fault["id"]] += 1
            hold(fault)
            if hook := fault["hook"]:
                hooks[hook] = fault["reason"]
                raise ValueError(f"The following hook(s) failed: [{hook}]")
            if fault["reason"]:
                raise ValueError(fault["reason"])


def hold(fault: dict[str, Any]) -> None:
    while fault["held"] and fault in injected():
        time.sleep(0.02)


def reverts_unnoticed(logical_id: str | None) -> bool:
    for fault in due(logical_id, "update"):
        if fault["unnoticed"]:
            happened[fault["id"]] += 1
            return True
    return False


def injected() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def due(logical_id: str | None, action: str) -> list[dict[str, Any]]:
    return [
        fault
        for fault in injected()
        if (fault["logical_id"], fault["action"]) == (logical_id, action)
        and not 0 < fault["times"] <= happened[fault["id"]]
    ]
