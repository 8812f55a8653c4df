"""The resources in a template's JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


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
