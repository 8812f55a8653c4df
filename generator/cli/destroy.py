"""`destroy`: both stacks in reverse, a snapshot kept. Says what goes and what stays, and asks for the name."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from generator.cli.stacks import clients, conversation, place, stack_name
from generator.cli.terminal import add_yes_option, check_can_ask, say, types
from generator.cli.verbs import (
    DONE,
    FAILED,
    INTERRUPTED,
    Layers,
    Subparsers,
    add_account_options,
    chosen,
    of_compute,
    verb,
)
from generator.cli.watch import watch
from generator.errors import DeployError
from generator.stacks.events import first_failure

if TYPE_CHECKING:
    from generator.compute.compute import Compute
    from generator.compute.removal import Inventory
    from generator.stacks.cloudformation import Conversation, Stack

# A connector's interfaces are released some time after the connector is gone.
LINGER_SECONDS = 60
LINGER_ATTEMPTS = 30


def add_to(verbs: Subparsers, prog: str) -> None:
    """Adds the verb to the command."""
    parser = verb(
        verbs,
        "destroy",
        run,
        help="delete the stacks in reverse order; keep a final snapshot",
        description="Deletes the compute stack, then the data stack. Lists what is deleted and what is kept, "
        "and asks for the deployment's name. Refuses while another stack imports from the data stack, while the "
        "repository holds images, and while the final snapshot's name is taken.",
        example=f"{prog} destroy --name users",
    )
    add_account_options(parser)
    add_yes_option(parser)
    parser.add_argument("--purge-images", action="store_true", help="delete the images in the repository too")


def run(layers: Layers, arguments: argparse.Namespace) -> int:
    """Destroys what is there; returns the exit code."""
    check_can_ask(arguments, "delete")
    talk = conversation(arguments)
    group = chosen(of_compute(layers(), arguments), arguments.layer)
    computes = {stack_name(layer.name, arguments): layer.compute for layer in reversed(group)}
    stacks = [stack for name in computes if (stack := talk.stack(name))]
    if not stacks:
        print(f"There is nothing to destroy: no stack {' or '.join(computes)}.")
        return DONE
    return destroy(talk, stacks, arguments, *clients(arguments, "ecr", "memorydb"), computes=computes)


def destroy(
    talk: Conversation,
    stacks: list[Stack],
    arguments: argparse.Namespace,
    ecr: object,
    memorydb: object,
    *,
    computes: Mapping[str, Compute | None],
) -> int:
    """Deletes `stacks` in their order, after all that stands in the way is out of it. `computes` by stack name."""
    from generator.compute.removal import REPOSITORY, images, inventory, purge, snapshot_exists

    held = [inventory(talk.client, stack.name, stack.arn) for stack in stacks]
    _refuse_imports(talk, stacks)
    full = {}
    for one in held:
        for repository in one.of_type(REPOSITORY):
            found = images(ecr, repository.physical_id)
            if found and not arguments.purge_images:
                raise DeployError(
                    stack=one.stack_name,
                    what=f"The repository {repository.physical_id} holds {_images(len(found))}",
                    why="CloudFormation does not delete it then",
                    then="Pass --purge-images to delete them too.",
                )
            full[repository.physical_id] = found
        if one.final_snapshot and snapshot_exists(memorydb, one.final_snapshot):
            raise DeployError(
                stack=one.stack_name,
                what=f"There is a snapshot {one.final_snapshot} already",
                why="the cluster's final snapshot has to have this name",
                then="Copy it under another name and delete it: aws memorydb copy-snapshot, then delete-snapshot.",
            )
    _tell(held, {name: len(found) for name, found in full.items()}, computes)
    question = f"Type {arguments.name} to delete all this ({place(stacks[0].arn)}):"
    if not arguments.yes and not types(arguments.name, question):
        say("Nothing was deleted.")
        return FAILED
    for repository_name, found in full.items():
        purge(ecr, repository_name, found)
    for stack, one in zip(stacks, held, strict=True):
        try:
            _delete(talk, stack, arguments.role_arn)
        except KeyboardInterrupt:
            say(f"\nCloudFormation goes on deleting {stack.name}. Run the same command again.")
            return INTERRUPTED
        print(f"{stack.name} is deleted.")
        if one.final_snapshot and not snapshot_exists(memorydb, one.final_snapshot):
            raise DeployError(
                stack=stack.name,
                what=f"The final snapshot {one.final_snapshot} is missing",
                why="the cluster is gone and MemoryDB does not know the snapshot",
                then="Look for it in the console, under Snapshots, in this Region.",
            )
    return DONE


def _refuse_imports(talk: Conversation, stacks: list[Stack]) -> None:
    from generator.compute.removal import importers

    going = {stack.name for stack in stacks}
    for stack in stacks:
        users = {name for names in importers(talk.client, stack.name, stack.arn).values() for name in names}
        if users - going:
            raise DeployError(
                stack=stack.name,
                what="Other stacks use its values",
                why=f"{', '.join(sorted(users - going))} would be left without their data",
                then="Delete those first, or move them to another data stack.",
            )


def _tell(held: list[Inventory], full: dict[str, int], computes: Mapping[str, Compute | None]) -> None:
    for one in held:
        print(f"{one.stack_name} will be deleted, with:")
        for resource in one.resources:
            if not resource.stays:
                count = f", with {_images(full[resource.physical_id])}" if full.get(resource.physical_id) else ""
                print(f"  - {resource.logical_id}  {resource.resource_type}  {resource.physical_id}{count}")
        for sentence in one.stays(computes.get(one.stack_name)):
            print(f"  kept: {sentence}")


def _images(number: int) -> str:
    return "1 image" if number == 1 else f"{number} images"


def _delete(talk: Conversation, stack: Stack, role_arn: str) -> None:
    """Deletes one stack, again while interfaces linger."""
    from generator.compute.removal import LINGERS

    if stack.protected:
        talk.protect(stack.name, on=False)
    for attempt in range(LINGER_ATTEMPTS):
        since = talk.last_event(stack.arn)
        talk.delete(stack, role_arn=role_arn)
        left, events = watch(talk, stack.arn, since)
        if left.status == "DELETE_COMPLETE":
            return
        failure = first_failure(events)
        reason = failure.reason if failure else left.reason
        if not LINGERS.search(reason) or attempt + 1 == LINGER_ATTEMPTS:
            raise DeployError(
                stack=stack.name,
                what=f"The deletion failed, the stack is {left.status}",
                why=f"{failure.logical_id}: {reason}" if failure else reason,
                then="Fix this, then run the same command again.",
            )
        what = failure.logical_id if failure else stack.name
        say(f"Something still holds on to {what}; trying again.")
        talk.pause(LINGER_SECONDS)
