"""`rotate`: a new password for the service's user, without a failed request."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from generator import contract
from generator.cli.verbs import DONE, FAILED, Layers, Subparsers, add_account_options, verb
from generator.errors import DeployError, UsageError

if TYPE_CHECKING:
    from generator.cli.service import Service
    from generator.deploy import Conversation, Stack


def add_to(verbs: Subparsers, prog: str) -> None:
    """Adds the verb to the command."""
    parser = verb(
        verbs,
        "rotate",
        run,
        help="a new password for the service's user, without a failed request",
        description="Lets the MemoryDB user have a new password beside the current one, puts it into the secret, "
        "deploys every service anew, whatever its compute, proves that it runs, and takes the old password away. "
        "Interrupted, it goes on where it was when it is called again.",
        example=f"{prog} rotate --name users",
    )
    add_account_options(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(no_verify=False)


def run(layers: Layers, arguments: argparse.Namespace) -> int:
    """Rotates the password; returns the exit code."""
    from generator.cli.service import service
    from generator.cli.stacks import clients, conversation, data_stack, stack_name
    from generator.rotation import Rotation

    if not arguments.yes and not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask on: pass --yes to rotate without being asked.")
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
    print(f"{data.name}: {'an unfinished rotation is gone on with' if begun else 'the password is changed'}, and then:")
    print(*(f"  {name} is deployed anew" for name in running), sep="\n")
    if not arguments.yes:
        print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print("Nothing was changed.", file=sys.stderr)
            return FAILED
    started = time.monotonic()
    rotation.both_valid()
    _say("Both passwords are valid.")
    rotation.new_is_current()
    _say("The secret holds the new one.")
    for name, stack in running.items():
        _say(f"Deploying {name} anew ...")
        services[name].redeploy(stack)
    rotation.old_is_gone()
    _say(f"The old password is no longer valid. That took {time.monotonic() - started:.0f} s.")
    return DONE


def _running(talk: Conversation, data: Stack, services: dict[str, Service]) -> dict[str, Stack]:
    """The stacks that read this password, by name. Raises DeployError for one that no layer is about."""
    from generator.removal import importers

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


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
