"""The resources in a template's JSON, and what they refer to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from generator.contract import DATA_STACK_NAME

PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[A-Za-z0-9.]+)?\}")
DATA_STACK = f"${{{DATA_STACK_NAME}}}-"


def resources_in(template: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The logical ID and the body of each resource, in order; those of Fn::ForEach once, as they are written.

    >>> list(resources_in({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}))
    [('Topic', {'Type': 'AWS::SNS::Topic'})]
    """
    yield from _bodies(template.get("Resources", {}))


def _bodies(section: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, body in section.items():
        match body:
            case {"Type": str()}:
                yield name, body
            case [_, _, dict() as fragment]:
                yield from _bodies(fragment)


def references(node: Any) -> Iterator[str]:
    """Every name that `node` refers to, in order."""
    match node:
        case {"Ref": str() as name}:
            yield name
        case {"Fn::GetAtt": [str() as name, *_]}:
            yield name
        case {"Fn::Sub": [str() as text, dict() as values]}:
            yield from (name for name in PLACEHOLDER.findall(text) if name not in values)
            yield from references(values)
        case {"Fn::Sub": str() as text}:
            yield from PLACEHOLDER.findall(text)
        case dict():
            for value in node.values():
                yield from references(value)
        case list():
            for value in node:
                yield from references(value)


def imported_outputs(node: Any) -> Iterator[str]:
    """The outputs that `node` imports from the stack of the parameter DataStackName."""
    match node:
        case {"Fn::ImportValue": {"Fn::Sub": str() as name}} if name.startswith(DATA_STACK):
            yield name.removeprefix(DATA_STACK)
        case dict():
            for value in node.values():
                yield from imported_outputs(value)
        case list() as values:
            for value in values:
                yield from imported_outputs(value)
