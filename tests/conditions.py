"""A template as CloudFormation sees it for given parameters: conditions evaluated, Fn::If chosen, the rest left out.

An interpreter of its own, independent of how the template was made.
"""

from __future__ import annotations

from typing import Any

NOTHING = object()


def chosen(template: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """The template without conditions; parameters that are not given have their defaults."""
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
    raise AssertionError(expression)


def _value(node: Any, values: dict[str, Any]) -> Any:
    return values[node["Ref"]] if isinstance(node, dict) else node
