"""Reads templates as CloudFormation does, independently of the code that generates them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NOTHING = object()
PSEUDO_PARAMETERS = {
    f"AWS::{name}" for name in ("AccountId", "NoValue", "Partition", "Region", "StackId", "StackName", "URLSuffix")
}


@dataclass(frozen=True)
class Reference:
    """`kind` is Ref, GetAtt, Condition, Mapping or Import; `name` what it refers to; `where` the path to it."""

    kind: str
    name: str
    where: str


def references(node: Any, where: str = "") -> Iterator[Reference]:
    """Every reference below `node`."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from references(item, f"{where}[{index}]")
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        yield from references(value, f"{where}.{key}")
        match key, value:
            case "Ref", str():
                yield Reference("Ref", value, where)
            case "Fn::GetAtt", [resource, _]:
                yield Reference("GetAtt", resource, where)
            case "Fn::Sub", _:
                yield from _substituted(value, where)
            case "Fn::If", [condition, _, _]:
                yield Reference("Condition", condition, where)
            case "Condition", str():
                yield Reference("Condition", value, where)
            case "Fn::FindInMap", [mapping, _, column]:
                yield Reference("Mapping", f"{mapping}.{column}", where)
            case "DependsOn", str():
                yield Reference("GetAtt", value, where)
            case "DependsOn", list():
                yield from (Reference("GetAtt", resource, where) for resource in value)
            case "Fn::ImportValue", {"Fn::Sub": str() as name}:
                yield Reference("Import", name, where)


def _substituted(value: Any, where: str) -> Iterator[Reference]:
    text, given = (value, {}) if isinstance(value, str) else value
    for name in re.findall(r"\$\{([^!}]+)\}", text):
        if name not in given:
            resource, _, attribute = name.partition(".")
            yield Reference("GetAtt" if attribute else "Ref", resource, where)


def unresolved(template: Mapping[str, Any], exports: set[str]) -> list[Reference]:
    """The references of a template that lead nowhere; `exports` are the names it may import."""
    known = {
        "Ref": set(template.get("Parameters", {})) | set(template["Resources"]) | PSEUDO_PARAMETERS,
        "GetAtt": set(template["Resources"]),
        "Condition": set(template.get("Conditions", {})),
        "Mapping": {
            f"{mapping}.{column}"
            for mapping, rows in template.get("Mappings", {}).items()
            for columns in rows.values()
            for column in columns
        },
        "Import": exports,
    }
    return [reference for reference in references(template) if reference.name not in known[reference.kind]]


def chosen(template: Mapping[str, Any], **parameters: str) -> dict[str, Any]:
    """The template for these parameters, without conditions: Fn::If chosen, what is not made left out.

    Parameters that are not given have their defaults.
    """
    values = {name: parameter.get("Default", "") for name, parameter in template["Parameters"].items()} | parameters
    holds = {name: _holds(expression, values) for name, expression in template["Conditions"].items()}

    def resolve(node: Any) -> Any:
        match node:
            case {"Fn::If": [condition, yes, no]}:
                return resolve(yes if holds[condition] else no)
            case {"Ref": "AWS::NoValue"}:
                return NOTHING
            case dict():
                found = {key: resolve(value) for key, value in node.items()}
                return {key: value for key, value in found.items() if value is not NOTHING}
            case list():
                return [value for value in map(resolve, node) if value is not NOTHING]
        return node

    sections = {
        section: {
            name: resolve({key: value for key, value in body.items() if key != "Condition"})
            for name, body in template[section].items()
            if holds.get(body.get("Condition"), True)
        }
        for section in ("Resources", "Outputs")
    }
    return {**template, **sections, "Conditions": {}}


def _holds(expression: Any, values: dict[str, Any]) -> bool:
    match expression:
        case {"Fn::Equals": [one, other]}:
            return bool(_value(one, values) == _value(other, values))
        case {"Fn::Not": [inner]}:
            return not _holds(inner, values)
        case {"Fn::Or": [*inner]}:
            return any(_holds(one, values) for one in inner)
    raise AssertionError(expression)


def _value(node: Any, values: dict[str, Any]) -> Any:
    return values[node["Ref"]] if isinstance(node, dict) else node


def resources(template: Mapping[str, Any], resource_type: str) -> dict[str, dict[str, Any]]:
    """The properties of all resources of a type, by their logical IDs."""
    return {
        logical_id: resource.get("Properties", {})
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == resource_type
    }


def statements(node: Any) -> list[Any]:
    """Those of all policies below `node`."""
    if isinstance(node, list):
        return [found for item in node for found in statements(item)]
    if not isinstance(node, dict):
        return []
    own = node["Statement"] if isinstance(node.get("Statement"), list) else []
    return own + [found for item in node.values() for found in statements(item)]


def imported(output: str) -> dict[str, Any]:
    """How a compute layer refers to an output of the data layer."""
    return {"Fn::ImportValue": {"Fn::Sub": f"${{DataStackName}}-{output}"}}
