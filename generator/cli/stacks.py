"""What the verbs that talk to CloudFormation share: options, parameters, plans and how they are shown."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from generator import contract
from generator.changeset import Effect, additions, refusals
from generator.errors import DeployError, MissingPackageError, UsageError
from generator.layers import Layer
from generator.report import Line, Plan, as_json, markdown, text

if TYPE_CHECKING:
    from generator.deploy import Conversation, Prepared, Request

STYLES = {
    Effect.LOSES_DATA: "bold red",
    Effect.REPLACES: "red",
    Effect.REMOVES: "red",
    Effect.UNKNOWN: "magenta",
    Effect.MODIFIES: "yellow",
    Effect.ADDS: "green",
    Effect.IMPORTS: "cyan",
}


def conversation(arguments: argparse.Namespace) -> Conversation:
    """CloudFormation in the account and Region that the arguments and the environment name."""
    (client,) = clients(arguments, "cloudformation")
    from generator.deploy import Conversation

    return Conversation(client)


def clients(arguments: argparse.Namespace, *services: str) -> list[Any]:
    """A client for each service, in the account and Region that the arguments and the environment name."""
    try:
        import boto3
        import botocore.exceptions
        from botocore.config import Config
    except ModuleNotFoundError as error:
        raise MissingPackageError(package=str(error.name), extra="deploy") from error
    try:
        # boto3 knows AWS_DEFAULT_REGION only; the AWS CLI prefers AWS_REGION.
        region = arguments.region or os.environ.get("AWS_REGION")
        session = boto3.Session(profile_name=arguments.profile, region_name=region)
        # With growing pauses, because a long deployment meets throttling.
        retries = {"mode": "standard", "total_max_attempts": _max_attempts()}
        return [session.client(service, config=Config(retries=retries)) for service in services]
    except botocore.exceptions.NoRegionError:
        raise UsageError("There is no AWS Region: pass --region, or set AWS_REGION.") from None
    except botocore.exceptions.ProfileNotFound as error:
        raise UsageError(f"{error}.") from None
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise DeployError(
            stack=arguments.name, what="AWS cannot be reached", why=str(error).rstrip("."), then="Mend this and repeat."
        ) from error


def _max_attempts() -> int:
    given = os.environ.get("AWS_MAX_ATTEMPTS", "10")
    if given.isascii() and given.isdigit() and int(given):
        return int(given)
    raise UsageError(f"AWS_MAX_ATTEMPTS is {given!r}, but must be a whole number of at least 1.")


def stack_name(layer: str, arguments: argparse.Namespace) -> str:
    """The name of a layer's stack."""
    return data_stack(arguments) if layer == contract.DATA_LAYER else f"{arguments.name}-{layer}"


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


def unseen(talk: Conversation, layer: Layer, request: Request) -> Plan | None:
    """The plan of a layer that imports what no stack exports yet, without asking CloudFormation."""
    template = json.loads(request.template)
    needed = request.parameters.get(contract.DATA_STACK_NAME)
    data = talk.stack(needed) if needed else None
    lacks = "exists" if needed and not (data and data.exists) else ""
    named = contract.IMAGE_URI in request.parameters
    if data and data.exists and layer.compute and not named and layer.compute.repository not in data.outputs:
        lacks = f"has the output {layer.compute.repository}"
    if not lacks:
        return None
    note = f"cannot be previewed before the stack {needed} {lacks}."
    return Plan(layer.name, request.stack_name, additions(template), new=True, seen=False, note=note)


def plan(talk: Conversation, layer: str, prepared: Prepared, allowed: Sequence[str]) -> Plan:
    """The plan that a prepared change set is, with what the guard says of it."""
    made = prepared.change_set
    return Plan(
        layer=layer,
        stack_name=made.stack_name,
        changes=made.changes,
        refusals=refusals(made.changes, allowed),
        new=made.creates,
        kept=made.arn if prepared.kept else "",
        console=_console(talk.region, made.stack_id, made.arn) if prepared.kept else "",
        note="" if made.changes or made.empty else "only outputs, metadata or tags of the stack change.",
    )


def _console(region: str, stack_id: str, arn: str) -> str:
    return (
        f"https://{region}.console.aws.amazon.com/cloudformation/home?region={region}#/stacks/changesets/changes"
        f"?stackId={quote(stack_id, safe='')}&changeSetId={quote(arn, safe='')}"
    )


def requests(
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
        yield (
            layer,
            Request(
                stack_name=stack_name(layer.name, arguments),
                template=templates[layer.name],
                parameters={name: value for name, value in given.items() if name in declared[layer.name]},
                tags=tags,
                role_arn=arguments.role_arn,
                notification_arns=arguments.notification_arn,
                import_existing=arguments.import_existing,
                disable_rollback=getattr(arguments, "disable_rollback", False),
            ),
        )


def _given(arguments: argparse.Namespace) -> tuple[dict[str, str], dict[str, str]]:
    """Parameters and tags of the file, then of the options, then --image."""
    values: dict[str, str] = {}
    tags: dict[str, str] = {}
    if arguments.parameters:
        values, tags = _read(arguments.parameters)
    values |= pairs("--parameter", arguments.parameter)
    tags |= pairs("--tag", arguments.tag)
    if arguments.image:
        values[contract.IMAGE_URI] = arguments.image
    return values, tags


def pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """KEY=VALUE, as often as the option was given; the last one counts. Raises UsageError for another form."""
    found = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise UsageError(f"{option} {pair} is not KEY=VALUE.")
        found[key] = value
    return found


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
