"""`deploy`: shows each layer's plan, asks, executes just the change set that was shown, and follows it to its end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from generator.cli.verbs import (
    DATA_WOULD_BE_LOST,
    DONE,
    FAILED,
    INTERRUPTED,
    Layers,
    Subparsers,
    add_stack_options,
    chosen,
    of_compute,
    verb,
)
from generator.cli.watch import watch
from generator.contract import DATA_LAYER
from generator.errors import DeployError, UsageError

if TYPE_CHECKING:
    from generator.changeset import ChangeSet
    from generator.cli.service import Service
    from generator.deploy import Conversation, Prepared, Request


def add_to(verbs: Subparsers, prog: str) -> None:
    """Adds the verb to the command."""
    parser = verb(
        verbs,
        "deploy",
        run,
        help="deploy the data layer, the image and the compute layer, and prove that it runs",
        description="For each layer: makes a change set, shows it, asks, executes just that one, and follows the "
        "stack's events to the end. Before a compute layer, builds and pushes the image that --context makes, unless "
        "the repository has it or --image names one; after it, proves that what runs is what was deployed. "
        "Exit codes: 0 done, or nothing to change; 1 failed, declined or not proven; 3 data would be lost.",
        example=f"{prog} deploy --name users",
    )
    add_stack_options(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--change-set", metavar="ARN", help="execute this change set, which `preview --keep` made")
    parser.add_argument("--recreate", action="store_true", help="first delete a stack whose creation failed")
    parser.add_argument("--disable-rollback", action="store_true", help="keep what was made when something fails")
    parser.add_argument("--no-wait", action="store_true", help="do not follow what CloudFormation does")
    parser.add_argument("--no-verify", action="store_true", help="do not prove that the service runs")
    parser.add_argument("--container-tool", metavar="TOOL", help="docker, finch, podman or buildah, by name or path")


def run(layers: Layers, arguments: argparse.Namespace) -> int:
    """Deploys what is wanted, layer by layer; returns the exit code."""
    from generator.cli.service import check_source, service
    from generator.cli.stacks import conversation, requests, stack_name

    if not arguments.yes and not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask on: pass --yes to deploy without being asked.")
    talk = conversation(arguments)
    if arguments.change_set:
        # It says itself which stack it is for, of whatever compute.
        held = {stack_name(layer.name, arguments): service(talk, layer, arguments) for layer in layers()}
        return deploy_reviewed(talk, arguments, held)
    every = of_compute(layers(), arguments)
    wanted = chosen(every, arguments.layer)
    check_source(wanted, arguments)
    asked = list(requests(every, wanted, arguments))
    for layer, request in asked:
        if one := service(talk, layer, arguments):
            one.can_be_made(request)
    for layer, request in asked:
        code = deploy_layer(talk, layer.name, request, arguments, service(talk, layer, arguments))
        # The next layer imports what this one exports: it waits, even where nobody else does.
        if code != DONE:
            return code or DONE
    return DONE


def deploy_layer(
    talk: Conversation, layer: str, request: Request, arguments: argparse.Namespace, service: Service | None = None
) -> int | None:
    """Deploys one layer's stack, with the image of the service that it holds and the proof that this runs.

    The exit code, None while CloudFormation is at work and nobody waits for it. Raises DeployError where it fails.
    """
    if not _settled(talk, request.stack_name, arguments):
        return None
    if service:
        request = service.published(request)
    code = _changed(talk, layer, request, arguments, service)
    if code == DONE:
        _prove(talk, request.stack_name, arguments, service)
    return code


def _changed(
    talk: Conversation, layer: str, request: Request, arguments: argparse.Namespace, service: Service | None
) -> int | None:
    print(f"Making a change set for {request.stack_name} ...", file=sys.stderr)
    with talk.prepared(request) as prepared:
        code = _agreed(talk, layer, prepared, arguments)
        if code is not None:
            return code
        since = talk.last_event(prepared.change_set.stack_id)
        talk.execute(prepared.change_set, disable_rollback=arguments.disable_rollback)
        prepared.keep()
    return _followed(talk, layer, prepared.change_set.stack_id, since, arguments, service)


def _prove(talk: Conversation, stack_name: str, arguments: argparse.Namespace, service: Service | None) -> None:
    stack = talk.stack(stack_name) if service and not arguments.no_verify else None
    if service and stack:
        service.prove(stack)


def deploy_reviewed(
    talk: Conversation, arguments: argparse.Namespace, services: Mapping[str, Service | None] = MappingProxyType({})
) -> int:
    """Executes the change set that --change-set names, if it still can be; the exit code. `services` by stack name."""
    from generator.deploy import Prepared

    made = talk.described(arguments.change_set)
    if made.execution_status != "AVAILABLE":
        raise DeployError(
            stack=made.stack_name,
            what="The change set cannot be executed any more",
            why=f"it is {made.execution_status or made.status}"
            + (", because another one was executed since" if made.execution_status == "OBSOLETE" else ""),
            then="Make and review a new one: preview --keep.",
        )
    layer = DATA_LAYER if made.stack_name.endswith(f"-{DATA_LAYER}") else ""
    code = _agreed(talk, layer, Prepared(made), arguments)
    if code is not None:
        return code
    since = talk.last_event(made.stack_id)
    talk.execute(made, disable_rollback=arguments.disable_rollback)
    service = services.get(made.stack_name)
    code = _followed(talk, layer, made.stack_id, since, arguments, service)
    if code == DONE:
        _prove(talk, made.stack_name, arguments, service)
    return code or DONE


def _agreed(talk: Conversation, layer: str, prepared: Prepared, arguments: argparse.Namespace) -> int | None:
    """Shows the plan; the exit code where it ends here, None where it goes on."""
    from generator.cli.stacks import plan, show

    told = plan(talk, layer, prepared, arguments.allow_replacement)
    show([told], "text")
    if prepared.change_set.empty:
        return DONE
    if told.refusals:
        return DATA_WOULD_BE_LOST
    _refuse_during_rotation(prepared.change_set, arguments)
    if arguments.yes or _says_yes(f"Deploy this to {prepared.change_set.stack_name}? [y/N] "):
        return None
    print("Nothing was changed.", file=sys.stderr)
    return FAILED


def _refuse_during_rotation(made: ChangeSet, arguments: argparse.Namespace) -> None:
    from generator.cli.stacks import clients
    from generator.rotation import USER, refuse_meanwhile

    users = [change.physical_id for change in made.changes if change.resource_type == USER and change.physical_id]
    if users:
        refuse_meanwhile(made.stack_name, users, *clients(arguments, "memorydb"))


def _settled(talk: Conversation, stack_name: str, arguments: argparse.Namespace) -> bool:
    """Waits for what is under way and clears what cannot be updated; False where something is and nobody waits."""
    from generator.events import NEVER_LIVED, advice, in_progress

    stack = talk.stack(stack_name)
    if stack and in_progress(stack.status):
        if arguments.no_wait:
            _left_at_work(stack_name)
            return False
        print(f"{stack_name} is {stack.status}: following that first.", file=sys.stderr)
        watch(talk, stack.arn, talk.last_event(stack.arn))
        stack = talk.stack(stack_name)
    if stack and stack.status in NEVER_LIVED and arguments.recreate:
        print(f"Deleting {stack_name}, which is {stack.status} ...", file=sys.stderr)
        since = talk.last_event(stack.arn)
        talk.delete(stack)
        watch(talk, stack.arn, since)
        stack = talk.stack(stack_name)
    then = advice(stack.status, stack_name) if stack else ""
    if stack and then:
        why = stack.reason.rstrip(".") or "CloudFormation gives no reason"
        raise DeployError(stack=stack_name, what=f"The stack is {stack.status}", why=why, then=then)
    return True


def _followed(
    talk: Conversation,
    layer: str,
    stack_arn: str,
    since: str,
    arguments: argparse.Namespace,
    service: Service | None,
) -> int | None:
    from generator.events import SUCCEEDED, first_failure, left_behind

    stack_name = stack_arn.split("/")[1]
    if arguments.no_wait:
        _left_at_work(stack_name)
        return None
    try:
        stack, events = watch(talk, stack_arn, since, service.usual_minutes if service else {})
    except KeyboardInterrupt:
        print(
            f"\nCloudFormation goes on with {stack_name}. To follow it again, run the same command again.",
            file=sys.stderr,
        )
        return INTERRUPTED
    if stack.status not in SUCCEEDED:
        failure = first_failure(events)
        why = f"{failure.logical_id} ({failure.resource_type}): {failure.reason}" if failure else stack.reason
        said = service.failed(events) if service else ""
        if said:
            why = f"{why.rstrip('.')}; its log ends with: {said}"
        raise DeployError(
            stack=stack_name,
            what=f"The deployment failed, the stack is {stack.status}",
            why=why.rstrip("."),
            then="Mend this and deploy again"
            + ("; --recreate deletes what is left of the stack first." if stack.status == "ROLLBACK_COMPLETE" else "."),
        )
    for event in left_behind(events):
        print(
            f"{stack_name}: {event.logical_id} ({event.physical_id}) could not be deleted and stays: {event.reason}",
            file=sys.stderr,
        )
    if layer == DATA_LAYER and not stack.protected:
        talk.protect(stack_name)
    print(*(f"{key}: {value}" for key, value in sorted(stack.outputs.items())), sep="\n")
    return DONE


def _left_at_work(stack_name: str) -> None:
    print(f"CloudFormation is at work on {stack_name}; when it is done, run the same command again.", file=sys.stderr)


def _says_yes(question: str) -> bool:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
