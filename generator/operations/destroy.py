"""`destroy`: the stacks are deleted in reverse order. A final snapshot is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from generator.aws.errors import translate_errors
from generator.compute import Compute
from generator.database.snapshots import snapshot_exists
from generator.errors import DeclinedError, DeployError, UsageError
from generator.images.repository import delete_images, images
from generator.layers import Deployment
from generator.operations.cause import last_operation
from generator.operations.instead import another_deployed
from generator.operations.options import DestroyOptions
from generator.operations.session import Session
from generator.operations.watch import watch
from generator.report.results import Removal, counted
from generator.stacks.cloudformation import Stack, busy, place
from generator.stacks.events import NEVER_CREATED, first_failure, updating
from generator.stacks.inventory import STILL_USED, Inventory, final_snapshot, importers, inventory

REPOSITORY = "AWS::ECR::Repository"
# The network interfaces of a connector are released some time after it was deleted.
RETRY_SECONDS, RETRY_MINUTES = 60, 45
DRAIN_MINUTES = 15


@dataclass(frozen=True)
class Destroyed:
    """The names of the stacks that were deleted, and of those that did not exist."""

    stacks: tuple[str, ...]
    absent: tuple[str, ...] = ()


def destroy(deployment: Deployment, session: Session, options: DestroyOptions = DestroyOptions()) -> Destroyed:
    """Deletes the stacks that exist, last layer first, after showing what is deleted and what is kept.

    Raises UsageError where another deployment is there instead, DeclinedError where the UI does not confirm, and
    DeployError where a stack is being updated, another stack imports from one of them, a repository has images that are
    not to be purged, a final snapshot's name is taken, or AWS fails.
    """
    if instead := another_deployed(session.cloudformation, deployment, options, "delete {}"):
        raise UsageError(instead)
    computes = {
        options.stack_name(deployment, layer): layer.compute for layer in deployment.chosen(options.layer)[::-1]
    }
    found = {name: session.cloudformation.stack(name) for name in computes}
    stacks = [stack for stack in found.values() if stack]
    absent = tuple(name for name, stack in found.items() if not stack)
    if not stacks:
        return Destroyed((), absent)
    for stack in stacks:
        if updating(stack.status):
            raise busy(stack.name, "Destroy")
    inventories = tuple(inventory(session.cloudformation, stack) for stack in stacks)
    _check_imports(session, stacks)
    repositories = {name: found for one in inventories for name, found in _images(session, one, options).items()}
    for one in inventories:
        _check_snapshot_name(session, one)
    kept = {one.stack.name: tuple(_kept(one, computes)) for one in inventories}
    session.ui.show(Removal(inventories, kept, {name: len(digests) for name, digests in repositories.items()}))
    if not session.ui.confirm_name(options.name, f"Type {options.name} to delete all this ({place(stacks[0].arn)}):"):
        raise DeclinedError("Nothing was deleted.")
    for name, digests in repositories.items():
        delete_images(session.client("ecr"), name, digests)
    for one in inventories:
        _delete(session, one, options.role_arn)
        if compute := computes[one.stack.name]:
            for service in one.of_type(compute.resource_type):
                with translate_errors(one.stack.name):
                    wait_until_drained(session, compute, service.physical_id)
        elif one.stack.status in NEVER_CREATED and one.declares_cluster and not one.final_snapshot:
            report_left_snapshot(session, one.stack)
    return Destroyed(tuple(stack.name for stack in stacks), absent)


def report_left_snapshot(session: Session, stack: Stack) -> None:
    """Names the snapshot that a deleted cluster has left, although its stack was never created: CloudFormation passes
    FinalSnapshotName when it rolls a creation back too (`DeleteHandler` of AWS::MemoryDB::Cluster)."""
    name = final_snapshot(stack.arn)
    if snapshot_exists(session.client("memorydb"), name):
        session.ui.progress(
            f"The failed creation of {stack.name} has left the snapshot {name}, which is billed: aws memorydb "
            f"delete-snapshot --snapshot-name {name}"
        )


def wait_until_drained(session: Session, compute: Compute, service_arn: str) -> None:
    """Until then the service keeps its name and may still use the load balancer and the subnets."""
    client = session.client(compute.client_name)
    drains = session.clock.poll(
        lambda: compute.draining(client, service_arn),
        lambda found: not found,
        seconds=60 * DRAIN_MINUTES,
        pause=1,
        longest=15,
    )
    if drains:
        session.ui.progress(
            f"{service_arn} still drains after {DRAIN_MINUTES} minutes. Until it is gone, its load balancer, target "
            "groups and security groups may stay: look at them in the console."
        )


def _check_imports(session: Session, stacks: Sequence[Stack]) -> None:
    deleted = {stack.name for stack in stacks}
    for stack in stacks:
        names = importers(session.cloudformation.client, stack).values()
        others = sorted({name for group in names for name in group} - deleted)
        if others:
            raise DeployError(
                stack=stack.name,
                what="Other stacks import from it",
                why=f"{', '.join(others)} would lose their data",
                then="Delete them first, or move them to another data stack.",
            )


def _images(session: Session, one: Inventory, options: DestroyOptions) -> Mapping[str, list[str]]:
    """The digests of the images to delete, by repository. Raises DeployError for images that are not to be deleted."""
    found = {}
    for repository in one.of_type(REPOSITORY):
        digests = images(session.client("ecr"), repository.physical_id)
        if digests and not options.purge_images:
            raise DeployError(
                stack=one.stack.name,
                what=f"The repository {repository.physical_id} holds {counted(len(digests), 'image')}",
                why="CloudFormation deletes empty repositories only",
                then="Pass --purge-images to delete them too.",
            )
        found[repository.physical_id] = digests
    return found


def _check_snapshot_name(session: Session, one: Inventory) -> None:
    if one.final_snapshot and snapshot_exists(session.client("memorydb"), one.final_snapshot):
        raise DeployError(
            stack=one.stack.name,
            what=f"There is a snapshot {one.final_snapshot} already",
            why="the cluster's final snapshot needs this name",
            then="Copy it under another name and delete it: aws memorydb copy-snapshot, then delete-snapshot.",
        )


def _kept(one: Inventory, computes: Mapping[str, Compute | None]) -> Iterator[str]:
    for resource in one.resources:
        if resource.retained:
            yield f"{resource.logical_id} ({resource.physical_id})"
    if one.final_snapshot:
        yield f"snapshot {one.final_snapshot}, from which a new data stack can be restored (SnapshotName)"
    if compute := computes[one.stack.name]:
        for service in one.of_type(compute.resource_type):
            yield from compute.leaves(service.physical_id)


def _delete(session: Session, one: Inventory, role_arn: str) -> None:
    """Deletes one stack, again while network interfaces are in use, and checks that its snapshot exists."""
    stack = one.stack
    if stack.protected:
        session.cloudformation.set_termination_protection(stack.name, on=False)
    try:
        left, _ = session.clock.poll(
            lambda: _attempt(session, stack, role_arn),
            lambda attempted: not attempted[1],
            seconds=60 * RETRY_MINUTES,
            pause=RETRY_SECONDS,
        )
    except KeyboardInterrupt:
        session.ui.progress(f"\nCloudFormation is still deleting {stack.name}. Run the command again to keep watching.")
        raise
    if left.status != "DELETE_COMPLETE":
        operation = last_operation(session, left, None)
        raise DeployError(
            stack=stack.name,
            what=f"The deletion failed, the stack is {left.status}",
            why=operation.cause if operation else left.reason,
        )
    session.ui.progress(f"{stack.name} is deleted.")
    if one.final_snapshot and not snapshot_exists(session.client("memorydb"), one.final_snapshot):
        raise DeployError(
            stack=stack.name,
            what=f"The final snapshot {one.final_snapshot} is missing",
            why="the cluster is deleted, and MemoryDB has no snapshot of that name",
            then="Look for it in the console, under Snapshots, in this Region.",
        )


def _attempt(session: Session, stack: Stack, role_arn: str) -> tuple[Stack, bool]:
    """The stack after an attempt to delete it, and whether that failed because something in it is still in use."""
    since = session.cloudformation.last_event(stack.arn)
    session.cloudformation.delete(stack, role_arn=role_arn)
    left, events = watch(session, stack.arn, since)
    failure = first_failure(events)
    if left.status == "DELETE_COMPLETE" or not STILL_USED.search(failure.reason if failure else left.reason):
        return left, False
    session.ui.progress(f"{failure.logical_id if failure else stack.name} is still in use. Trying again ...")
    return left, True
