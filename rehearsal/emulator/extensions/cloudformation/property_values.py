"""Property values in change sets, before and after; parameters with NoEcho are hidden.

Facts: API reference, DescribeChangeSet: IncludePropertyValues; ResourceChange: BeforeContext and AfterContext, "an
encoded JSON string"; ResourceTargetDefinition: Path, BeforeValue, AfterValue, AttributeChangeType. The values' form is
that of the change sets recorded in aws-cdk, packages/@aws-cdk/cloudformation-diff/test/util.ts: scalars as strings,
a path down to what differs, {{changeSet:KNOWN_AFTER_APPLY}} for values not yet known. Dynamic references are not
resolved. API reference, Parameter: a parameter with NoEcho is shown as ****.
"""

from __future__ import annotations

import copy
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

from ministack.services.cloudformation import engine
from ministack.services.cloudformation.helpers import CFN_NS

UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
HIDDEN = "****"
NOTHING = object()
ATTRIBUTES = ("Metadata", "UpdateReplacePolicy", "DeletionPolicy")


class Unknown(dict[str, str]):
    """The attributes of a resource that does not exist yet."""

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> str:
        return UNKNOWN

    def get(self, name: str, default: object = None) -> str:
        return UNKNOWN


def add_values(change_set: dict[str, Any], before: dict[str, Any]) -> None:
    """Adds _context to every change, and the values to every detail."""
    changes = {
        change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"] for change in change_set["Changes"]
    }
    resources = dict(before.get("_resources", {}))
    for logical_id, change in changes.items():
        if change["Action"] == "Add" or change.get("Replacement", "False") != "False":
            resources[logical_id] = {"PhysicalResourceId": UNKNOWN, "Attributes": Unknown()}
        elif change["Action"] == "Modify":
            resources[logical_id] = {**resources[logical_id], "Attributes": Unknown()}
    new = {"_template": change_set["_template"], "_resolved_params": change_set["_resolved_params"]}
    about = {"StackName": change_set["StackName"], "StackId": change_set["StackId"]}
    for logical_id, change in changes.items():
        old_context = context({**before, **about}, logical_id)
        new_context = context({**new, **about, "_resources": resources}, logical_id)
        change["_context"] = {"BeforeContext": old_context, "AfterContext": new_context}
        change["Details"] = [
            each for detail in change.get("Details", ()) for each in detailed(detail, old_context, new_context)
        ]


def context(stack: dict[str, Any], logical_id: str) -> dict[str, Any] | None:
    """A resource for its template and parameters, as far as values are known, without secrets."""
    template = stack.get("_template") or {}
    definition = template.get("Resources", {}).get(logical_id)
    if definition is None:
        return None
    parameters = stack["_resolved_params"]
    conditions = engine._evaluate_conditions(template, parameters)
    visible = {
        name: {**each, "Value": HIDDEN if each["NoEcho"] else each["Value"]} for name, each in parameters.items()
    }
    if (condition := definition.get("Condition")) and not conditions.get(condition, True):
        return None

    def value(raw: Any) -> Any:
        try:
            return engine._resolve_refs(
                copy.deepcopy(raw),
                stack.get("_resources", {}),
                visible,
                conditions,
                template.get("Mappings", {}),
                stack["StackName"],
                stack["StackId"],
            )
        except (ValueError, LookupError, TypeError, AttributeError):
            return UNKNOWN

    properties = {name: value(raw) for name, raw in (definition.get("Properties") or {}).items()}
    found = {"Properties": {name: each for name, each in properties.items() if each is not engine._NO_VALUE}}
    found |= {name: value(definition[name]) for name in ATTRIBUTES if name in definition}
    return {name: text(each) for name, each in found.items()}


def text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: text(each) for name, each in value.items()}
    if isinstance(value, list):
        return [text(each) for each in value]
    if isinstance(value, bool):
        return str(value).lower()
    return UNKNOWN if UNKNOWN in str(value) else str(value)


def detailed(detail: dict[str, Any], before: Any, after: Any) -> Iterator[dict[str, Any]]:
    """A detail for every difference below its property or attribute."""
    target = detail["Target"]
    steps = [target["Attribute"], *([target["Name"]] if "Name" in target else [])]
    old, new = before, after
    for step in steps:
        old = old.get(step, NOTHING) if isinstance(old, dict) else NOTHING
        new = new.get(step, NOTHING) if isinstance(new, dict) else NOTHING
    found = list(differing(old, new, "/" + "/".join(steps))) or [("/" + "/".join(steps), old, new)]
    for path, was, will_be in found:
        values = {"Path": path}
        if was is not NOTHING:
            values["BeforeValue"] = encoded(was)
        if will_be is not NOTHING:
            values["AfterValue"] = encoded(will_be)
        if len(values) > 1:
            kind = "Add" if was is NOTHING else "Remove" if will_be is NOTHING else "Modify"
            values["AttributeChangeType"] = kind
        yield {**detail, "Target": {**target, **values}}


def differing(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from differing(old.get(name, NOTHING), new.get(name, NOTHING), f"{path}/{name}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (was, will_be) in enumerate(zip(old, new, strict=True)):
            yield from differing(was, will_be, f"{path}/{index}")
    elif old != new:
        yield path, old, new


def encoded(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def shown(body: bytes, change_set: dict[str, Any], with_values: bool) -> bytes:
    ElementTree.register_namespace("", CFN_NS)
    name = f"{{{CFN_NS}}}"
    root = ElementTree.fromstring(body)
    for parameter in root.iterfind(f".//{name}Parameters/{name}member"):
        key, value = parameter.find(f"{name}ParameterKey"), parameter.find(f"{name}ParameterValue")
        assert key is not None
        assert value is not None
        if change_set["_resolved_params"][key.text]["NoEcho"]:
            value.text = HIDDEN

    def put(parent: ElementTree.Element, values: dict[str, Any]) -> None:
        for key, value in values.items():
            if key == "Drift":
                put(ElementTree.SubElement(parent, f"{name}{key}"), value)
            elif value is not None:
                ElementTree.SubElement(parent, f"{name}{key}").text = encoded(value)

    if "_drift" in change_set:
        (result,) = root.findall(f"{name}DescribeChangeSetResult")
        put(result, {"StackDriftStatus": change_set["_drift"]})
    if with_values:
        elements = root.findall(f".//{name}ResourceChange")
        for element, change in zip(elements, change_set["Changes"], strict=True):
            put(element, change["ResourceChange"].get("_context", {}))
            targets = element.findall(f".//{name}Target")
            for target, detail in zip(targets, change["ResourceChange"].get("Details", ()), strict=True):
                shown_already = ("Attribute", "Name", "RequiresRecreation")
                put(target, {key: each for key, each in detail["Target"].items() if key not in shown_already})
    return bytes(ElementTree.tostring(root, xml_declaration=True, encoding="UTF-8"))
