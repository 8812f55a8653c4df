"""`deploy`: shows each layer's plan, asks, executes just the change set that was shown, and follows it to its end."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
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
    verb,
)
from generator.contract import DATA_LAYER
from generator.errors import DeployError, UsageError

if TYPE_CHECKING:
    from generator.deploy import Conversation, Prepared, Request, Stack
    from generator.events import Event

# How often somebody who waits is told that there is nothing new.
SILENT_SECONDS = 60


def add_to(verbs: Subparsers, prog: str) -> None:
    """Adds the verb to the command."""
    parser = verb(
        verbs,
        "deploy",
        run,
        help="deploy the data layer, then the compute layer",
        description="For each layer: makes a change set, shows it, asks, executes just that one, and follows the "
        "stack's events to the end. Exit codes: 0 done, or nothing to change; 1 failed or declined; 3 data would be "
        "lost.",
        example=f"{prog} deploy --name users --image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/users:1",
    )
    add_stack_options(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--change-set", metavar="ARN", help="execute this change set, which `preview --keep` made")
    parser.add_argument("--recreate", action="store_true", help="first delete a stack whose creation failed")
    parser.add_argument("--disable-rollback", action="store_true", help="keep what was made when something fails")
    parser.add_argument("--no-wait", action="store_true", help="do not follow what CloudFormation does")


def run(layers: Layers, arguments: argparse.Namespace) -> int:
    """Deploys what is wanted, layer by layer; returns the exit code."""
    from generator.cli.stacks import conversation, requests

    if not arguments.yes and not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask on: pass --yes to deploy without being asked.")
    every = layers()
    talk = conversation(arguments)
    if arguments.change_set:
        return deploy_reviewed(talk, arguments)
    for layer, request in list(requests(every, chosen(every, arguments.layer), arguments)):
        code = deploy_layer(talk, layer.name, request, arguments)
        # The next layer imports what this one exports: it waits, even where nobody else does.
        if code != DONE:
            return code or DONE
    return DONE


def deploy_layer(talk: Conversation, layer: str, request: Request, arguments: argparse.Namespace) -> int | None:
    """Deploys one layer's stack; the exit code, None while CloudFormation is at work and nobody waits for it.

    Raises DeployError where it fails.
    """
    if not _settled(talk, request.stack_name, arguments):
        return None
    print(f"Making a change set for {request.stack_name} ...", file=sys.stderr)
    with talk.prepared(request) as prepared:
        code = _agreed(talk, layer, prepared, arguments)
        if code is not None:
            return code
        since = talk.last_event(prepared.change_set.stack_id)
        talk.execute(prepared.change_set, disable_rollback=arguments.disable_rollback)
        prepared.keep()
    return _followed(talk, layer, request.stack_name, prepared.change_set.stack_id, since, arguments)


def deploy_reviewed(talk: Conversation, arguments: argparse.Namespace) -> int:
    """Executes the change set that --change-set names, if it still can be; the exit code."""
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
    return _followed(talk, layer, made.stack_name, made.stack_id, since, arguments) or DONE


def _agreed(talk: Conversation, layer: str, prepared: Prepared, arguments: argparse.Namespace) -> int | None:
    """Shows the plan; the exit code where it ends here, None where it goes on."""
    from generator.cli.stacks import plan, show

    told = plan(talk, layer, prepared, arguments.allow_replacement)
    show([told], "text")
    if prepared.change_set.empty:
        return DONE
    if told.refusals:
        return DATA_WOULD_BE_LOST
    if arguments.yes or _says_yes(f"Deploy this to {prepared.change_set.stack_name}? [y/N] "):
        return None
    print("Nothing was changed.", file=sys.stderr)
    return FAILED


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
    talk: Conversation, layer: str, stack_name: str, stack_arn: str, since: str, arguments: argparse.Namespace
) -> int | None:
    from generator.events import SUCCEEDED, first_failure, left_behind

    if arguments.no_wait:
        _left_at_work(stack_name)
        return None
    try:
        stack, events = watch(talk, stack_arn, since)
    except KeyboardInterrupt:
        print(
            f"\nCloudFormation goes on with {stack_name}. To follow it again, run the same command again.",
            file=sys.stderr,
        )
        return INTERRUPTED
    if stack.status not in SUCCEEDED:
        failure = first_failure(events)
        why = f"{failure.logical_id} ({failure.resource_type}): {failure.reason}" if failure else stack.reason
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


def watch(talk: Conversation, stack_arn: str, since: str) -> tuple[Stack, list[Event]]:
    """Follows a stack, telling every event on standard error, and now and then what is still running."""
    from generator.events import still_running

    started = told = time.monotonic()
    seen: list[Event] = []

    def tell(fresh: Sequence[Event]) -> None:
        nonlocal told
        seen.extend(fresh)
        for event in fresh:
            # CloudFormation says twice that a resource has begun.
            if event.reason == "Resource creation Initiated":
                continue
            reason = f"  {event.reason}" if event.reason else ""
            print(f"{event.moment:%H:%M:%S} {event.status:28} {event.logical_id}{reason}", file=sys.stderr)
        now = time.monotonic()
        if fresh:
            told = now
        elif now - told > SILENT_SECONDS:
            told = now
            running = ", ".join(map(_at_work, still_running(seen)))
            print(f"{(now - started) / 60:.0f} min; still at work: {running or 'the stack'}", file=sys.stderr)

    return talk.follow(stack_arn, since, tell)


def _at_work(event: Event) -> str:
    from generator.events import NORMAL_MINUTES

    minutes = NORMAL_MINUTES.get(event.resource_type)
    return f"{event.logical_id} (usually {minutes} min)" if minutes else event.logical_id


def _left_at_work(stack_name: str) -> None:
    print(f"CloudFormation is at work on {stack_name}; when it is done, run the same command again.", file=sys.stderr)


def _says_yes(question: str) -> bool:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
