"""Resources and attributes that ministack does not have: names and values that are made up, with nothing behind them.

ministack has about 190 of CloudFormation's types, and would refuse a template with another as AWS refuses a type that
does not exist. Facts, from the resource schemas (CloudFormation CLI user guide, "Resource type schema"): a type's
primaryIdentifier is what Ref returns, and its readOnlyProperties are attributes of Fn::GetAtt.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from ministack.services.cloudformation import provisioners, stacks

from rehearsal.emulator.extensions.registration import Created, Props, add_resource_type, arn

SCHEMAS = json.loads(Path(os.environ["REHEARSAL_SCHEMAS"]).read_text(encoding="utf-8"))
# What ministack does itself, without handlers.
OWN = "AWS::CloudFormation::"


def install() -> None:
    absent = [name for name in SCHEMAS if name not in provisioners._RESOURCE_HANDLERS and not name.startswith(OWN)]
    for name in absent:
        add_resource_type(name, creator(name), changed, lambda physical_id, props: None, taggable=False)
    Path(os.environ["REHEARSAL_STAND_INS"]).write_text("\n".join(absent), encoding="utf-8")
    provision, update = stacks._provision_resource, stacks._update_resource

    def provisioned(resource_type: str, logical_id: str, *rest: Any) -> Created:
        return completed(resource_type, logical_id, provision(resource_type, logical_id, *rest))

    def updated(
        resource_type: str, physical_id: str, old: Props, new: Props, stack: str, logical_id: str, *rest: Any
    ) -> Created:
        return completed(
            resource_type, logical_id, update(resource_type, physical_id, old, new, stack, logical_id, *rest)
        )

    stacks._provision_resource, stacks._update_resource = provisioned, updated


def creator(resource_type: str) -> Any:
    def create(logical_id: str, props: Props, stack: str) -> Created:
        (identifier, *_) = SCHEMAS[resource_type]["identifier"] or [""]
        given = props.get(identifier)
        name = given if isinstance(given, str) else provisioners._physical_name(stack, logical_id)
        return value(resource_type, identifier, name), {}

    return create


def changed(physical_id: str, old: Props, new: Props, stack: str) -> Created:
    return physical_id, {}


class AnyAttribute(dict[str, str]):
    """The attributes of a custom resource whose function is a rehearsal's."""

    def __init__(self, logical_id: str) -> None:
        self.logical_id = logical_id

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> str:
        return f"{self.logical_id}-{name}"


def completed(resource_type: str, logical_id: str, created: Created) -> Created:
    """With each attribute that the type has on AWS."""
    physical_id, attributes = created
    # rehearsal/services/custom_resource.py
    if "MadeUp" in attributes:
        return physical_id, AnyAttribute(logical_id)
    names = SCHEMAS.get(resource_type, {}).get("attributes", [])
    return physical_id, {**{name: value(resource_type, name, f"{logical_id}-{name}") for name in names}, **attributes}


def value(resource_type: str, attribute: str, name: str) -> str:
    """Made up, and an ARN where the attribute's name says so."""
    service, kind = resource_type.lower().split("::")[1:3]
    return arn(service, f"{kind}/{re.sub(r'[^A-Za-z0-9-]', '-', name)}") if attribute.endswith("Arn") else name
