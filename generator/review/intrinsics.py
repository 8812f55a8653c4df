"""Templates with conditions decided and parameters filled in, as far as both are known.

Facts: CloudFormation user guide, "Intrinsic function reference", "Condition functions".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

MOST_CONDITIONS = 6
_NO_VALUE = {"Ref": "AWS::NoValue"}


def is_intrinsic(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) == 1 and all(key == "Ref" or key[:4] == "Fn::" for key in value)


def resources(template: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The resources that a template makes with these parameters, the others at their defaults.

    References to what is no parameter stay as they are.
    """
    made = _entries("Resources", template, parameters)
    return {logical_id: {**resource, "Properties": resource.get("Properties", {})} for logical_id, resource in made}


def outputs(template: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The values of its outputs, likewise."""
    return {name: output.get("Value") for name, output in _entries("Outputs", template, parameters)}


def _entries(section: str, template: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The resources or outputs whose conditions hold, with parameters filled in."""
    values = _Values(template, parameters)
    decisions = {name: values.holds(name) for name in template.get("Conditions", {})}
    for name, entry in template.get(section, {}).items():
        # Fn::ForEach is a list, and a macro has no type; CloudFormation processes both.
        made = isinstance(entry, Mapping) and entry.keys() & {"Type", "Value"}
        if made and decisions.get(entry.get("Condition"), True):
            yield name, values.filled(decide(entry, decisions))


class _Values:
    """What a template's parameters, mappings and conditions come to."""

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        declared = template.get("Parameters", {})
        self.parameters = {name: one["Default"] for name, one in declared.items() if "Default" in one} | {**parameters}
        self.mappings = template.get("Mappings", {})
        self.conditions = template.get("Conditions", {})

    def filled(self, node: Any) -> Any:
        match node:
            case {"Ref": str() as name} if name in self.parameters:
                return self.parameters[name]
            case {"Fn::FindInMap": [str() as name, *keys]}:
                row, column, *_ = map(self.filled, keys)
                known = isinstance(row, str) and isinstance(column, str)
                return self.mappings.get(name, {}).get(row, {}).get(column, node) if known else node
            case {"Fn::Join": [str() as separator, {"Ref": str() as name}]} if name in self.parameters:
                # The value of a list parameter is text with commas.
                return str(self.parameters[name]).replace(",", separator)
            case {"Fn::Sub": str() as text}:
                return {"Fn::Sub": _substituted(text, self.parameters)}
            case {"Fn::Sub": [str() as text, Mapping() as given]}:
                others = {name: value for name, value in self.parameters.items() if name not in given}
                return {"Fn::Sub": [_substituted(text, others), _mapped(self.filled, given)]}
        return _mapped(self.filled, node)

    def holds(self, name: str) -> bool:
        return bool(self._decided(self.conditions[name]))

    def _decided(self, node: Any) -> Any:
        match node:
            case {"Fn::Equals": [one, other]}:
                return str(self.filled(one)) == str(self.filled(other))
            case {"Fn::Not": [one]}:
                return not self._decided(one)
            case {"Fn::And": list() as several}:
                return all(map(self._decided, several))
            case {"Fn::Or": list() as several}:
                return any(map(self._decided, several))
            case {"Condition": str() as name}:
                return self.holds(name)
        return False


def _substituted(text: str, values: Mapping[str, Any]) -> str:
    """A text of Fn::Sub with these values in it. Its literals, `${!Literal}`, stay as they are."""

    def value(found: re.Match[str]) -> str:
        return str(values[found[1]]).replace("${", "${!") if found[1] in values else found[0]

    return re.sub(r"\$\{([^!}]+)\}", value, text)


def outcomes(*nodes: Any) -> Sequence[Mapping[str, bool]]:
    """Every outcome of the conditions that Fn::If names in the nodes; none is decided where there are too many."""
    names = sorted(set(_conditions(nodes)))
    if len(names) > MOST_CONDITIONS:
        return [{}]
    return [dict(zip(names, holds, strict=True)) for holds in product((True, False), repeat=len(names))]


def decide(node: Any, holds: Mapping[str, bool]) -> Any:
    """The node with Fn::If replaced by one of its values, and without what then has none."""
    match node:
        case {"Fn::If": [str() as name, yes, no]} if name in holds:
            return decide(yes if holds[name] else no, holds)
    return _mapped(lambda value: decide(value, holds), node)


def _mapped(change: Any, node: Any) -> Any:
    match node:
        case Mapping():
            changed = {key: change(value) for key, value in node.items()}
            return {key: value for key, value in changed.items() if value != _NO_VALUE}
        case list():
            return [value for value in map(change, node) if value != _NO_VALUE]
    return node


def _conditions(node: Any) -> Iterator[str]:
    match node:
        case {"Fn::If": [str() as name, *_]}:
            yield name
    if isinstance(node, Mapping | list | tuple):
        for value in node.values() if isinstance(node, Mapping) else node:
            yield from _conditions(value)
