"""`deploy`: shows each layer's plan, asks, executes just the change set that was shown, and follows it to its end."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generator.cli.plans import plan, show
from generator.cli.requests import requests
from generator.cli.service import Service, service
from generator.cli.source import check_source
from generator.cli.stacks import clients, conversation, place, stack_name
from generator.cli.terminal import add_yes_option, agrees, check_can_ask, say
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
from generator.layers import Layer
from generator.stacks.events import NEVER_LIVED, SUCCEEDED, advice, first_failure, in_progress, left_behind

if TYPE_CHECKING:
    from generator.stacks.change_set import ChangeSet
    from generator.stacks.cloudformation import Conversation, Prepared, Request


def add_to(verbs: Subparsers, prog: str) -> None:
    """Adds the verb to the command."""
    parser = verb(
        verbs,
        "deploy",
        run,
        help="deploy the data layer, the image and the compute layer; prove that the service runs",
        description="For each layer: creates a change set, shows it, asks, executes exactly that one, and follows the "
        "stack's events to the end. Before the compute layer, builds and pushes the image, unless the repository has "
        "it or --image names another; afterwards proves that what runs is what was deployed. "
        "Exit codes: 0 done, or nothing to change; 1 failed, declined or not proven; 3 data would be lost; 64 wrong "
        "usage.",
        example=f"{prog} deploy --name users",
    )
    add_stack_options(parser)
    add_yes_option(parser)
    parser.add_argument("--change-set", metavar="ARN", help="execute this change set, which `preview --keep` made")
    parser.add_argument("--recreate", action="store_true", help="first delete a stack whose creation failed")
    parser.add_argument("--disable-rollback", action="store_true", help="keep the resources when something fails")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for CloudFormation")
    parser.add_argument("--no-verify", action="store_true", help="do not prove that the service runs")
    parser.add_argument("--container-tool", metavar="TOOL", help="docker, finch, podman or buildah, by name or path")


def run(layers: Layers, arguments: argparse.Namespace) -> int:
    """Deploys what is wanted, layer by layer; returns the exit code."""
    check_can_ask(arguments, "deploy")
    talk = conversation(arguments)
    if arguments.change_set:
        return deploy_reviewed(talk, layers(), arguments)
    every = of_compute(layers(), arguments)
    wanted = chosen(every, arguments.layer)
    check_source(wanted, arguments)
    asked = [
        (Deployment(talk, layer.name, arguments, service(talk, layer, arguments)), request)
        for layer, request in requests(every, wanted, arguments)
    ]
    for deployment, request in asked:
        if deployment.service:
            deployment.service.source.check(request)
    for deployment, request in asked:
        code = deployment.deploy(request)
        # The next layer imports what this one exports: it waits, even where nobody else does.
        if code != DONE:
            return code or DONE
    return DONE


def deploy_reviewed(talk: Conversation, layers: Sequence[Layer], arguments: argparse.Namespace) -> int:
    """Executes the change set that --change-set names, if it still can be; the exit code.

    It says itself which stack it is for, of whatever compute. Raises UsageError for one of another deployment, since
    this one's layers tell what to protect and prove afterwards.
    """
    from generator.stacks.cloudformation import Prepared

    made = talk.described(arguments.change_set)
    stacks = {stack_name(layer.name, arguments): layer for layer in layers}
    layer = stacks.get(made.stack_name)
    if layer is None:
        raise UsageError(
            f"The change set is for the stack {made.stack_name}, which is none of {', '.join(stacks)}: pass the --name "
            "and --data-stack that it was made with."
        )
    if made.execution_status != "AVAILABLE":
        raise DeployError(
            stack=made.stack_name,
            what="The change set cannot be executed any more",
            why=f"it is {made.execution_status or made.status}"
            + (", because another one was executed since" if made.execution_status == "OBSOLETE" else ""),
            then="Make and review a new one: preview --keep.",
        )
    deployment = Deployment(talk, layer.name, arguments, service(talk, layer, arguments))
    return deployment.execute(nullcontext(Prepared(made))) or DONE


@dataclass(frozen=True)
class Deployment:
    """The deployment of one layer's stack, and of the service that the layer holds, if it holds one."""

    talk: Conversation
    layer: str
    arguments: argparse.Namespace
    service: Service | None = None

    def deploy(self, request: Request) -> int | None:
        """Makes the stack what `request` says, with an image that is built first, and proves that the service runs.

        The exit code, None while CloudFormation is at work and nobody waits for it. Raises DeployError where it fails.
        """
        if not self._settled(request.stack_name):
            return None
        if self.service:
            request = self.service.published(request)
        say(f"Creating a change set for {request.stack_name} ...")
        return self.execute(self.talk.prepared(request))

    def execute(self, preparing: AbstractContextManager[Prepared]) -> int | None:
        """Shows what was prepared, asks, executes just that, and follows it to its end; the result as of `deploy`."""
        since = ""
        with preparing as prepared:
            made = prepared.change_set
            code = self._agreed(prepared)
            if code is None:
                since = self.talk.last_event(made.stack_id)
                self.talk.execute(made, disable_rollback=self.arguments.disable_rollback)
                prepared.keep()
        if code is None:
            code = self._followed(made.stack_id, since)
        if code == DONE and self.service and not self.arguments.no_verify:
            stack = self.talk.stack(made.stack_name)
            if stack:
                self.service.prove(stack)
        return code

    def _agreed(self, prepared: Prepared) -> int | None:
        """Shows the plan; the exit code where it ends here, None where it goes on."""
        made = prepared.change_set
        told = plan(self.talk, self.layer, prepared, self.arguments.allow_replacement)
        show([told], "text")
        if made.empty:
            return DONE
        if told.refusals:
            return DATA_WOULD_BE_LOST
        self._refuse_during_rotation(made)
        if self.arguments.yes or agrees(f"Deploy this to {made.stack_name} ({place(made.stack_id)})?"):
            return None
        say("Nothing was changed.")
        return FAILED

    def _refuse_during_rotation(self, made: ChangeSet) -> None:
        from generator.compute.rotation import USER, refuse_meanwhile

        users = [change.physical_id for change in made.changes if change.resource_type == USER and change.physical_id]
        if users:
            refuse_meanwhile(made.stack_name, users, *clients(self.arguments, "memorydb"))

    def _settled(self, stack_name: str) -> bool:
        """Waits for what is under way and clears what cannot be updated; False where something is and nobody waits."""
        stack = self.talk.stack(stack_name)
        if stack and in_progress(stack.status):
            if self.arguments.no_wait:
                _left_at_work(stack_name)
                return False
            say(f"{stack_name} is {stack.status}: following that first.")
            watch(self.talk, stack.arn, self.talk.last_event(stack.arn))
            stack = self.talk.stack(stack_name)
        if stack and stack.status in NEVER_LIVED and self.arguments.recreate:
            say(f"Deleting {stack_name}, which is {stack.status} ...")
            since = self.talk.last_event(stack.arn)
            self.talk.delete(stack)
            watch(self.talk, stack.arn, since)
            stack = self.talk.stack(stack_name)
        then = advice(stack.status, stack_name) if stack else ""
        if stack and then:
            why = stack.reason or "CloudFormation gives no reason"
            raise DeployError(stack=stack_name, what=f"The stack is {stack.status}", why=why, then=then)
        return True

    def _followed(self, stack_arn: str, since: str) -> int | None:
        stack_name = stack_arn.split("/")[1]
        if self.arguments.no_wait:
            _left_at_work(stack_name)
            return None
        try:
            stack, events = watch(self.talk, stack_arn, since, self.service.usual_minutes if self.service else {})
        except KeyboardInterrupt:
            say(f"\nCloudFormation goes on with {stack_name}. To follow it again, run the same command again.")
            return INTERRUPTED
        if stack.status not in SUCCEEDED:
            failure = first_failure(events)
            why = f"{failure.logical_id} ({failure.resource_type}): {failure.reason}" if failure else stack.reason
            said = self.service.failed(events) if self.service else ""
            if said:
                why = f"{why.rstrip('.')}; its log ends with: {said}"
            then = "Fix this and deploy again"
            then += (
                "; --recreate deletes what is left of the stack first." if stack.status == "ROLLBACK_COMPLETE" else "."
            )
            raise DeployError(
                stack=stack_name,
                what=f"The deployment failed, the stack is {stack.status}",
                why=why,
                then=then,
            )
        for left in left_behind(events):
            say(f"{stack_name}: {left.logical_id} ({left.physical_id}) could not be deleted and stays: {left.reason}")
        if self.layer == DATA_LAYER and not stack.protected:
            self.talk.protect(stack_name)
        print(*(f"{key}: {value}" for key, value in sorted(stack.outputs.items())), sep="\n")
        return DONE


def _left_at_work(stack_name: str) -> None:
    say(f"CloudFormation is at work on {stack_name}; when it is done, run the same command again.")
