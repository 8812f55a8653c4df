"""What goes with a stack, what stays, what stands in the way. Clients are given; nothing here deletes a stack."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import botocore.exceptions

from generator.compute.compute import Compute
from generator.contract import FINAL_SNAPSHOT_LABEL
from generator.stacks.errors import explained

REPOSITORY = "AWS::ECR::Repository"
CLUSTER = "AWS::MemoryDB::Cluster"

# What CloudFormation says of a group or subnet that an interface of a deleted connector still holds on to.
LINGERS = re.compile(r"dependent object|has dependencies|DependencyViolation|in use", re.IGNORECASE)


@dataclass(frozen=True)
class Resource:
    """A resource of a stack, and whether it stays when the stack goes."""

    logical_id: str
    physical_id: str
    resource_type: str
    stays: bool


@dataclass(frozen=True)
class Inventory:
    """All that a stack holds. final_snapshot: the name under which a cluster's data stays, if there is a cluster."""

    stack_name: str
    stack_arn: str
    resources: tuple[Resource, ...]
    final_snapshot: str

    def of_type(self, resource_type: str) -> tuple[Resource, ...]:
        """The resources of one type."""
        return tuple(resource for resource in self.resources if resource.resource_type == resource_type)

    def stays(self, compute: Compute | None = None) -> Iterator[str]:
        """What stays behind, a sentence each; `compute` is what ran a service of the stack."""
        for resource in self.resources:
            if resource.stays:
                yield f"{resource.logical_id} ({resource.physical_id})"
        if self.final_snapshot:
            yield f"snapshot {self.final_snapshot}, from which a new data stack can be restored (SnapshotName)"
        if compute:
            for service in self.of_type(compute.resource_type):
                yield from compute.leaves(service.physical_id)


def inventory(cloudformation: Any, stack_name: str, stack_arn: str) -> Inventory:
    """What a stack holds, by its own template."""
    with explained(stack_name):
        template = cloudformation.get_template(StackName=stack_arn, TemplateStage="Processed")["TemplateBody"]
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_arn)
        held = [resource for page in pages for resource in page["StackResourceSummaries"]]
    policies = _policies(template)
    resources = tuple(
        Resource(
            logical_id=resource["LogicalResourceId"],
            physical_id=resource.get("PhysicalResourceId", ""),
            resource_type=resource["ResourceType"],
            stays=policies.get(resource["LogicalResourceId"], "").startswith("Retain"),
        )
        for resource in held
        if resource["ResourceStatus"] != "DELETE_COMPLETE"
    )
    cluster = any(resource.resource_type == CLUSTER for resource in resources)
    return Inventory(stack_name, stack_arn, resources, final_snapshot(stack_arn) if cluster else "")


def final_snapshot(stack_arn: str) -> str:
    """The name of the snapshot that the stack's cluster leaves, as the template derives it from the stack's ID."""
    return f"{FINAL_SNAPSHOT_LABEL}-{stack_arn.rpartition('/')[2].replace('-', '')}"


def importers(cloudformation: Any, stack_name: str, stack_arn: str) -> Mapping[str, tuple[str, ...]]:
    """Each of the stack's exports that other stacks import, with their names."""
    found = {}
    with explained(stack_name):
        pages = cloudformation.get_paginator("list_exports").paginate()
        exports = [export for page in pages for export in page["Exports"] if export["ExportingStackId"] == stack_arn]
        for export in exports:
            names = _importers(cloudformation, export["Name"])
            if names:
                found[export["Name"]] = names
    return found


def images(ecr: Any, repository: str) -> list[dict[str, str]]:
    """The images of a repository."""
    with explained(repository):
        pages = ecr.get_paginator("list_images").paginate(repositoryName=repository)
        return [image for page in pages for image in page["imageIds"]]


def purge(ecr: Any, repository: str, found: Sequence[Mapping[str, str]]) -> None:
    """Deletes images, a hundred at a time, which is what ECR takes (BatchDeleteImage)."""
    with explained(repository):
        for start in range(0, len(found), 100):
            ecr.batch_delete_image(repositoryName=repository, imageIds=list(found[start : start + 100]))


def snapshot_exists(memorydb: Any, name: str) -> bool:
    """Whether there is a snapshot of that name."""
    with explained(name):
        try:
            return bool(memorydb.describe_snapshots(SnapshotName=name)["Snapshots"])
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"].startswith("SnapshotNotFound"):
                return False
            raise


def _policies(template: Any) -> dict[str, str]:
    resources = template.get("Resources", {}) if isinstance(template, dict) else {}
    return {logical_id: str(resource.get("DeletionPolicy", "Delete")) for logical_id, resource in resources.items()}


def _importers(cloudformation: Any, export: str) -> tuple[str, ...]:
    try:
        pages = cloudformation.get_paginator("list_imports").paginate(ExportName=export)
        return tuple(name for page in pages for name in page["Imports"])
    except botocore.exceptions.ClientError as error:
        if "is not imported" in error.response["Error"].get("Message", ""):
            return ()
        raise
