"""What the policies are made from, the resources of templates, and what they are made of, statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from awacs import aws

from generator.layers import Layer
from generator.parts.permissions import allow
from generator.template.resources import resources_in


@dataclass(frozen=True)
class TemplateResource:
    """A resource of a layer's template, with the name of the layer's stack."""

    stack: str
    logical_id: str
    resource_type: str
    properties: dict[str, Any]


def resources_of(layers: Sequence[Layer], name: str) -> list[TemplateResource]:
    """The resources of the layers' templates; `name` is the deployment's, the prefix of its stacks."""
    return [
        TemplateResource(f"{name}-{layer.name}", logical_id, resource["Type"], resource.get("Properties", {}))
        for layer in layers
        for logical_id, resource in resources_in(layer.template)
    ]


def statement(
    sid: str,
    actions: Iterable[aws.Action | str],
    resources: Iterable[str],
    condition: aws.ConditionElement | None = None,
) -> aws.Statement:
    """A statement that allows `actions` on `resources`, both sorted."""
    names = sorted(action if isinstance(action, str) else action.JSONrepr() for action in actions)
    conditions = {} if condition is None else {"Condition": aws.Condition(condition)}
    return allow([aws.Action(*name.split(":", 1)) for name in names], *sorted(resources), Sid=sid, **conditions)
