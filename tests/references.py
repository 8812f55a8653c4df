"""What a template refers to, read from its text: an interpreter of its own, independent of how it was made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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


def unresolved(template: dict[str, Any], exports: set[str]) -> list[Reference]:
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
