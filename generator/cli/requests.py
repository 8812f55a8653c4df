"""What the stacks should become: the layers' templates, with parameters and tags from options and files."""

from __future__ import annotations

import argparse
import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from generator import contract
from generator.cli.stacks import data_stack, stack_name
from generator.errors import UsageError
from generator.layers import Layer

if TYPE_CHECKING:
    from generator.stacks.cloudformation import Conversation, Request


def requests(
    every: Sequence[Layer], wanted: Sequence[Layer], arguments: argparse.Namespace
) -> Iterator[tuple[Layer, Request]]:
    """What each wanted layer's stack should become. A parameter goes to every layer that declares it."""
    from generator.stacks.cloudformation import Request

    given, tags = _given(arguments)
    templates = {layer.name: layer.text() for layer in every}
    declared = {name: set(json.loads(template).get("Parameters", {})) for name, template in templates.items()}
    known = sorted(set().union(*declared.values()))
    for name in given:
        if name not in known:
            raise _unknown(name, known)
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


def as_its_data(talk: Conversation, request: Request) -> Request:
    """The request with the data stack's way to log in, unless somebody has named one: the two have to agree."""
    data = talk.stack(request.parameters.get(contract.DATA_STACK_NAME, ""))
    way = data.parameters.get(contract.AUTHENTICATION) if data else None
    declared = json.loads(request.template).get("Parameters", {})
    if way is None or contract.AUTHENTICATION not in declared or contract.AUTHENTICATION in request.parameters:
        return request
    return replace(request, parameters={**request.parameters, contract.AUTHENTICATION: way})


def _unknown(name: str, known: Sequence[str]) -> UsageError:
    """The error for a parameter that no layer declares; it names the nearest one."""
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f" Did you mean {near[0]}?" if near else f" There are {', '.join(sorted(known))}."
    return UsageError(f"No layer has a parameter {name!r}.{hint}")


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
        case list() if all(isinstance(item, dict) and isinstance(item.get("ParameterKey"), str) for item in document):
            # What UsePreviousValue asks for happens anyway.
            given = [item for item in document if item.get("UsePreviousValue") is not True]
            return {item["ParameterKey"]: _text(path, item, "ParameterValue") for item in given}, {}
        case {"Parameters": dict() as values}:
            tags = document.get("Tags") or {}
            if isinstance(tags, dict):
                return {key: _text(path, values, key) for key in values}, {key: _text(path, tags, key) for key in tags}
    raise UsageError(
        f"{path} is no parameter file: it must be a list of ParameterKey and ParameterValue, or an object with "
        "Parameters, and Tags if it has any."
    )


def _text(path: Path, values: Mapping[str, object], key: str) -> str:
    """A value as CloudFormation takes it: text, or a number or truth value as JSON writes it."""
    match values.get(key):
        case str() as text:
            return text
        case bool() | int() | float() as value:
            return json.dumps(value)
    name = values.get("ParameterKey", key)
    raise UsageError(f"{path}: the value of {name} must be text, a number, true or false.")
