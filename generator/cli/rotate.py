"""`rotate`: a new password for the service's user, without a failed request."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from generator import contract
from generator.cli.service import Service, service
from generator.cli.stacks import clients, conversation, data_stack, stack_name
from generator.cli.terminal import add_yes_option, agrees, check_can_ask, say
from generator.cli.verbs import DONE, FAILED, Layers, Subparsers, add_account_options, verb
from generator.errors import DeployError

if TYPE_CHECKING:
    from generator.stacks.cloudformation import Conversation, Stack


def add_to(verbs: Subparsers, prog: str) -> None:
    """Adds the verb to the command."""
    parser = verb(
        verbs,
        "rotate",
        run,
        help="change the service's password without a failed request",
        description="Gives the MemoryDB user a second password, puts it into the secret, redeploys every service that "
        "reads it, of any compute, proves that each runs, and removes the old password. If interrupted, run it again: "
        "it continues.",
        example=f"{prog} rotate --name users",
    )
    add_account_options(parser)
    add_yes_option(parser)
    parser.set_defaults(no_verify=False)


def run(layers: Layers, arguments: argparse.Namespace) -> int:
    """Rotates the password; returns the exit code."""
    from generator.compute.rotation import Rotation

    check_can_ask(arguments, "rotate")
    talk = conversation(arguments)
    data = talk.stack(data_stack(arguments))
    if data is None or contract.PASSWORD_SECRET_ARN not in data.outputs:
        raise DeployError(
            stack=data_stack(arguments),
            what="There is no password to rotate",
            why=f"the stack has no output {contract.PASSWORD_SECRET_ARN}" if data else "the stack does not exist",
            then="Name another deployment with --name or --data-stack.",
        )
    services: dict[str, Service] = {}
    # Of every compute: whoever reads the password has to read the new one.
    for layer in layers():
        held = service(talk, layer, arguments)
        if held:
            services[stack_name(layer.name, arguments)] = held
    running = _running(talk, data, services)
    memorydb, secrets = clients(arguments, "memorydb", "secretsmanager")
    rotation = Rotation(
        data.name,
        data.outputs[contract.USER_NAME],
        data.outputs[contract.PASSWORD_SECRET_ARN],
        memorydb,
        secrets,
        sleep=talk.pause,
    )
    begun = rotation.begun()
    what = "an unfinished rotation will be continued" if begun else "the password will be changed"
    print(f"{data.name}: {what}, and then:")
    print(*(f"  {name} will be redeployed" for name in running), sep="\n")
    if not arguments.yes and not agrees("Go on?"):
        say("Nothing was changed.")
        return FAILED
    started = time.monotonic()
    rotation.both_valid()
    say("Both passwords are valid.")
    rotation.new_is_current()
    say("The secret holds the new one.")
    for name, stack in running.items():
        say(f"Redeploying {name} ...")
        services[name].redeploy(stack)
    rotation.old_is_gone()
    say(f"The old password is no longer valid. That took {time.monotonic() - started:.0f} s.")
    return DONE


def _running(talk: Conversation, data: Stack, services: dict[str, Service]) -> dict[str, Stack]:
    """The stacks that read this password, by name. Raises DeployError for one that no layer is about."""
    from generator.compute.removal import importers

    secret = f"{data.name}-{contract.PASSWORD_SECRET_ARN}"
    readers = importers(talk.client, data.name, data.arn).get(secret, ())
    strange = sorted(set(readers) - set(services))
    if strange:
        raise DeployError(
            stack=data.name,
            what="Other stacks read this password",
            why=f"{', '.join(strange)} would be left with the old one",
            then="Name their layers in build.py, or rotate with the steps of docs/operations.md.",
        )
    return {name: stack for name in readers if (stack := talk.stack(name))}
