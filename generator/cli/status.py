"""`status`: the stacks as they are, their outputs, and whether somebody changed them by hand."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator.cli.service import service
from generator.cli.stacks import conversation, stack_name
from generator.cli.terminal import say
from generator.cli.verbs import DONE, Layers, Subparsers, add_account_options, chosen, of_compute, verb
from generator.contract import READY_PATH
from generator.errors import OutputError
from generator.layers import Layer

if TYPE_CHECKING:
    from generator.stacks.cloudformation import Conversation


def add_to(verbs: Subparsers, prog: str) -> None:
    """Adds the verb to the command."""
    parser = verb(
        verbs,
        "status",
        run,
        help="show stacks, outputs, drift and what is running",
        description=(
            "Shows each layer's stack: its status, its outputs, what is running, and with --drift what was changed by "
            "hand. Changes nothing."
        ),
        example=f"{prog} status --name users --format json",
    )
    add_account_options(parser)
    parser.add_argument("--drift", action="store_true", help="detect drift, which takes a minute or more")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument("--outputs-file", metavar="FILE", type=Path, help="write the outputs as JSON")


def run(layers: Layers, arguments: argparse.Namespace) -> int:
    """Shows the status and returns the exit code."""
    talk = conversation(arguments)
    told = [_status(talk, layer, arguments) for layer in chosen(of_compute(layers(), arguments), arguments.layer)]
    if arguments.format == "json":
        print(json.dumps({"version": 1, "stacks": told}, indent=2))
    else:
        for stack in told:
            _show(stack)
    if arguments.outputs_file:
        outputs = {stack["stackName"]: stack["outputs"] for stack in told}
        try:
            arguments.outputs_file.write_text(json.dumps(outputs, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                action="write", path=arguments.outputs_file, reason=error.strerror or str(error)
            ) from error
    return DONE


def _status(talk: Conversation, layer: Layer, arguments: argparse.Namespace) -> dict[str, Any]:
    name = stack_name(layer.name, arguments)
    stack = talk.stack(name)
    if stack is None:
        return {"stackName": name, "status": None, "outputs": {}}
    told: dict[str, Any] = {
        "stackName": name,
        "stackId": stack.arn,
        "status": stack.status,
        "reason": stack.reason or None,
        "terminationProtection": stack.protected,
        "outputs": dict(sorted(stack.outputs.items())),
    }
    held = service(talk, layer, arguments)
    seen = held.seen(stack) if held else None
    if seen:
        told["service"] = seen
    if arguments.drift and stack.exists:
        from generator.stacks.drift import drift

        say(f"Detecting drift of {name} ...")
        told["drift"] = drift(talk.client, name, sleep=talk.pause)
    return told


def _show(stack: dict[str, Any]) -> None:
    reason = f" ({stack['reason']})" if stack.get("reason") else ""
    print(f"{stack['stackName']}: {stack['status'] or 'does not exist'}{reason}")
    for key, value in stack["outputs"].items():
        print(f"  {key}: {value}")
    if running := stack.get("service"):
        print(f"  runs: {running['status']}, after {running['operation']}")
        print(f"  image: {running['image']}{'' if running['asDeployed'] else ', which is not what was deployed'}")
        if running["ready"]:
            print(f"  GET {READY_PATH}: {running['ready']}, build {running['build'] or 'unknown'}")
        elif not running["public"]:
            print("  not asked: it answers inside its VPC only")
    for resource in stack.get("drift", ()):
        print(f"  drift: {resource['logicalId']} is {resource['status']}")
        for difference in resource["properties"]:
            print(f"    {difference['path']}: {difference['expected']} is {difference['actual']}")
    if stack.get("drift") == []:
        print("  no drift")
