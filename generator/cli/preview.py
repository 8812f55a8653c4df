"""`preview`: what the change sets would do, in a terminal, a pull request, or a program."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from generator import contract
from generator.changeset import Effect, additions, refusals
from generator.cli.verbs import CHANGES, DATA_WOULD_BE_LOST, DONE, Layers, Subparsers, chosen, verb
from generator.errors import DeployError, MissingPackageError, UsageError
from generator.layers import Layer
from generator.report import Line, Plan, as_json, markdown, text

if TYPE_CHECKING:
    from generator.deploy import Conversation, Request

STYLES = {
    Effect.LOSES_DATA: "bold red",
    Effect.REPLACES: "red",
    Effect.REMOVES: "red",
    Effect.UNKNOWN: "magenta",
    Effect.MODIFIES: "yellow",
    Effect.ADDS: "green",
    Effect.IMPORTS: "cyan",
}


def add_to(verbs: Subparsers, prog: str) -> None:
    """Adds the verb to the command."""
    parser = verb(
        verbs,
        "preview",
        run,
        help="show what a deployment would change",
        description="Makes a change set for each layer's stack, shows what it would do with values before and after, "
        "and deletes it. Exit codes: 0 shown; 2 there are changes, with --detailed-exitcode; 3 data would be lost.",
        example=f"{prog} preview --name users --format markdown > comment.md",
    )
    add_stack_options(parser)
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text", help="default: text")
    parser.add_argument("--keep", action="store_true", help="keep the change sets, and say where they are")
    parser.add_argument("--detailed-exitcode", action="store_true", help="exit with 2 if there are changes")


def add_stack_options(parser: Any) -> None:
    """The options of every verb that talks to CloudFormation; --region and --profile are the AWS CLI's."""
    parser.add_argument("--name", default="users", help="stacks are called NAME-LAYER (default: users)")
    parser.add_argument("--data-stack", metavar="STACK", help="the data layer's stack (default: NAME-data)")
    parser.add_argument("--image", metavar="URI", help="the image to run: the parameter ImageUri")
    parser.add_argument(
        "--parameters", metavar="FILE", type=Path, help=("parameters as the AWS CLI or CodePipeline has them")
    )
    parser.add_argument(
        "--parameter", metavar="KEY=VALUE", action="append", default=[], help="one parameter; may be repeated"
    )
    parser.add_argument(
        "--tag", metavar="KEY=VALUE", action="append", default=[], help=("a tag for the stacks; repeatable")
    )
    parser.add_argument("--role-arn", metavar="ARN", default="", help="the role that CloudFormation acts with")
    parser.add_argument(
        "--allow-replacement", metavar="LOGICAL_ID", action="append", default=[], help="let this change to data through"
    )
    parser.add_argument("--region", help="as in the AWS CLI")
    parser.add_argument("--profile", help="as in the AWS CLI")


def run(layers: Layers, arguments: argparse.Namespace) -> int:
    """Shows the plans and returns the exit code."""
    every = layers()
    requests = list(_requests(every, chosen(every, arguments.layer), arguments))
    talk = conversation(arguments)
    plans = [_plan(talk, layer, request, arguments) for layer, request in requests]
    show(plans, arguments.format)
    if any(plan.refusals for plan in plans):
        return DATA_WOULD_BE_LOST
    return CHANGES if arguments.detailed_exitcode and any(plan.changes for plan in plans) else DONE


def conversation(arguments: argparse.Namespace) -> Conversation:
    """CloudFormation in the account and Region that the arguments and the environment name."""
    try:
        import boto3
        import botocore.exceptions
        from botocore.config import Config
    except ModuleNotFoundError as error:
        raise MissingPackageError(package=str(error.name), extra="deploy") from error
    from generator.deploy import Conversation

    try:
        # boto3 knows AWS_DEFAULT_REGION only; the AWS CLI prefers AWS_REGION.
        region = arguments.region or os.environ.get("AWS_REGION")
        session = boto3.Session(profile_name=arguments.profile, region_name=region)
        # With growing pauses, because a long deployment meets throttling.
        attempts = int(os.environ.get("AWS_MAX_ATTEMPTS", "10"))
        retries = {"mode": "standard", "total_max_attempts": attempts}
        client = session.client("cloudformation", config=Config(retries=retries))
    except botocore.exceptions.NoRegionError:
        raise UsageError("There is no AWS Region: pass --region, or set AWS_REGION.") from None
    except botocore.exceptions.ProfileNotFound as error:
        raise UsageError(f"{error}.") from None
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise DeployError(
            stack=arguments.name, what="AWS cannot be reached", why=str(error).rstrip("."), then="Mend this and repeat."
        ) from error
    return Conversation(client)


def data_stack(arguments: argparse.Namespace) -> str:
    """The name of the data layer's stack."""
    return str(arguments.data_stack or f"{arguments.name}-{contract.DATA_LAYER}")


def show(plans: Sequence[Plan], format: str) -> None:
    """Prints the plans to standard output, in colour on a terminal that takes it."""
    if format == "json":
        print(as_json(plans), end="")
    elif format == "markdown":
        print(markdown(plans), end="")
    elif sys.stdout.isatty():
        _print_coloured(text(plans))
    else:
        print(*(line.text for line in text(plans)), sep="\n")


def _print_coloured(lines: Iterator[Line]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text(line.text, style=STYLES[line.effect] if line.effect is not None else ""))


def _plan(talk: Conversation, layer: Layer, request: Request, arguments: argparse.Namespace) -> Plan:
    template = json.loads(request.template)
    if contract.DATA_STACK_NAME in template.get("Parameters", {}):
        needed = request.parameters[contract.DATA_STACK_NAME]
        data = talk.stack(needed)
        if data is None or not data.exists:
            note = f"cannot be previewed before the stack {needed} exists."
            return Plan(layer.name, request.stack_name, additions(template), new=True, seen=False, note=note)
    with ExitStack() as stack:
        print(f"Making a change set for {request.stack_name} ...", file=sys.stderr)
        made = stack.enter_context(talk.preview(request, keep=arguments.keep))
        kept = arguments.keep and not made.empty
        return Plan(
            layer=layer.name,
            stack_name=request.stack_name,
            changes=made.changes,
            refusals=refusals(made.changes, arguments.allow_replacement),
            new=bool(made.changes) and all(change.action in ("Add", "Import") for change in made.changes),
            kept=made.arn if kept else "",
            console=_console(talk.region, made.stack_id, made.arn) if kept else "",
            note="" if made.changes or made.empty else "only outputs, metadata or tags of the stack change.",
        )


def _console(region: str, stack_id: str, arn: str) -> str:
    return (
        f"https://{region}.console.aws.amazon.com/cloudformation/home?region={region}#/stacks/changesets/changes"
        f"?stackId={quote(stack_id, safe='')}&changeSetId={quote(arn, safe='')}"
    )


def _requests(
    every: Sequence[Layer], wanted: Sequence[Layer], arguments: argparse.Namespace
) -> Iterator[tuple[Layer, Request]]:
    """What each wanted layer's stack should become. A parameter goes to every layer that declares it."""
    from generator.deploy import Request, unknown_parameter

    given, tags = _given(arguments)
    templates = {layer.name: layer.text() for layer in every}
    declared = {name: set(json.loads(template).get("Parameters", {})) for name, template in templates.items()}
    known = sorted(set().union(*declared.values()))
    for name in given:
        if name not in known:
            raise unknown_parameter(name, known)
    given = {contract.DATA_STACK_NAME: data_stack(arguments), **given}
    for layer in wanted:
        is_data = layer.name == contract.DATA_LAYER
        yield (
            layer,
            Request(
                stack_name=data_stack(arguments) if is_data else f"{arguments.name}-{layer.name}",
                template=templates[layer.name],
                parameters={name: value for name, value in given.items() if name in declared[layer.name]},
                tags=tags,
                role_arn=arguments.role_arn,
            ),
        )


def _given(arguments: argparse.Namespace) -> tuple[dict[str, str], dict[str, str]]:
    """Parameters and tags of the file, then of the options, then --image."""
    values: dict[str, str] = {}
    tags: dict[str, str] = {}
    if arguments.parameters:
        values, tags = _read(arguments.parameters)
    values |= _pairs("--parameter", arguments.parameter)
    tags |= _pairs("--tag", arguments.tag)
    if arguments.image:
        values[contract.IMAGE_URI] = arguments.image
    return values, tags


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise UsageError(f"{option} {pair} is not KEY=VALUE.")
        pairs[key] = value
    return pairs


def _read(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """A parameter file: the AWS CLI's list of ParameterKey and ParameterValue, or an object of Parameters and Tags."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}.") from error
    match document:
        case list() if all(
            isinstance(item, dict) and {"ParameterKey", "ParameterValue"} <= item.keys() for item in document
        ):
            return {item["ParameterKey"]: str(item["ParameterValue"]) for item in document}, {}
        case {"Parameters": dict() as values}:
            tags: Mapping[str, object] = document.get("Tags", {})
            return {key: str(value) for key, value in values.items()}, {key: str(value) for key, value in tags.items()}
    raise UsageError(
        f"{path} is no parameter file: it must be a list of ParameterKey and ParameterValue, or an object with "
        "Parameters."
    )
