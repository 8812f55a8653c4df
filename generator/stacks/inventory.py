"""What a stack holds, what its deletion keeps, and which other stacks import from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import botocore.exceptions

from generator.aws.calls import pages
from generator.aws.errors import code_of, translate_errors
from generator.aws.faults import DENIED
from generator.contract import FINAL_SNAPSHOT_LABEL
from generator.errors import DeployError
from generator.stacks.cloudformation import CloudFormation, Stack

CLUSTER = "AWS::MemoryDB::Cluster"

# CloudFormation's reasons for a group or subnet that an interface of a deleted connector still uses, and App Runner's
# for a connector whose service is already gone (apprunner-roadmap 161).
STILL_USED = re.compile(
    r"dependent object|has dependencies|DependencyViolation|in use|being used by other services", re.IGNORECASE
)


@dataclass(frozen=True)
class StackResource:
    """A resource of a stack; `retained`: it stays when the stack is deleted."""

    logical_id: str
    physical_id: str
    resource_type: str
    retained: bool


@dataclass(frozen=True)
class Inventory:
    """All that a stack holds. final_snapshot: the name of the snapshot that its cluster leaves; empty without one.
    declares_cluster: its template has a cluster, whether that was created or not."""

    stack: Stack
    resources: tuple[StackResource, ...]
    final_snapshot: str
    declares_cluster: bool

    def of_type(self, resource_type: str) -> tuple[StackResource, ...]:
        """The resources of one type."""
        return tuple(resource for resource in self.resources if resource.resource_type == resource_type)


def inventory(cloudformation: CloudFormation, stack: Stack) -> Inventory:
    """What a stack holds, by its deployed template. A resource without a physical ID was never created."""
    # Until its first change set is executed, a stack has no template (awscdk-v1-stack-finder issue 273).
    if not stack.exists:
        return Inventory(stack, (), "", declares_cluster=False)
    declared = cloudformation.template(StackName=stack.arn).get("Resources", {})
    resources = tuple(
        StackResource(
            logical_id=resource["LogicalResourceId"],
            physical_id=resource["PhysicalResourceId"],
            resource_type=resource["ResourceType"],
            retained=_retained(declared.get(resource["LogicalResourceId"], {})),
        )
        for resource in cloudformation.resources(stack.arn)
        if resource.get("PhysicalResourceId")
    )
    cluster = any(resource.resource_type == CLUSTER for resource in resources)
    declares = any(resource.get("Type") == CLUSTER for resource in declared.values())
    return Inventory(stack, resources, final_snapshot(stack.arn) if cluster else "", declares)


def logical_ids(cloudformation: CloudFormation, stack_arn: str) -> frozenset[str] | None:
    """The logical IDs of a stack's resources; None where the caller may not list them."""
    try:
        return frozenset(resource["LogicalResourceId"] for resource in cloudformation.resources(stack_arn))
    except DeployError as error:
        if code_of(error) in DENIED:
            return None
        raise


def final_snapshot(stack_arn: str) -> str:
    """The name of the snapshot that the stack's cluster leaves, as the template derives it from the stack's ID."""
    return f"{FINAL_SNAPSHOT_LABEL}-{stack_arn.rpartition('/')[2].replace('-', '')}"


def importers(client: Any, stack: Stack) -> Mapping[str, tuple[str, ...]]:
    """The names of the stacks that import from a stack, by the name of the export."""
    found = {}
    with translate_errors(stack.name):
        exports = [export for page in pages(client.list_exports) for export in page["Exports"]]
        for export in exports:
            if export["ExportingStackId"] == stack.arn and (names := _importers(client, export["Name"])):
                found[export["Name"]] = names
    return found


def _retained(declared: Mapping[str, Any]) -> bool:
    return str(declared.get("DeletionPolicy")).startswith("Retain")


def _importers(client: Any, export: str) -> tuple[str, ...]:
    try:
        return tuple(name for page in pages(client.list_imports, ExportName=export) for name in page["Imports"])
    except botocore.exceptions.ClientError as error:
        if "is not imported" in error.response["Error"].get("Message", ""):
            return ()
        raise
