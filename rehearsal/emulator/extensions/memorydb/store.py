"""The state of MemoryDB, by name."""

from __future__ import annotations

from typing import Any

from ministack.core.responses import AccountRegionScopedDict

from rehearsal.emulator.extensions.registration import Refused

users = AccountRegionScopedDict()
acls = AccountRegionScopedDict()
subnet_groups = AccountRegionScopedDict()
clusters = AccountRegionScopedDict()
snapshots = AccountRegionScopedDict()


def named(store: Any, name: str | None, kind: str) -> list[Any]:
    """API reference, Describe*: all of them, or one, or <kind>NotFoundFault."""
    if not name:
        return list(store.values())
    if name not in store:
        raise Refused(f"{kind}NotFoundFault", f"{kind} {name} not found.")
    return [store[name]]


def new(store: Any, name: str, kind: str) -> None:
    """Names are unique in an account and Region (API reference: CreateCluster, CreateUser, CreateACL,
    CreateSubnetGroup, each with a fault named AlreadyExists), so a named resource cannot be replaced under its name.
    The message is CloudFormation's for the handler error AlreadyExists (CLI user guide, resource-type-test-contract
    -errors)."""
    if name in store:
        raise ValueError(f"Resource of type 'AWS::MemoryDB::{kind}' with identifier '{name}' already exists.")
