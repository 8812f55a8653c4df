"""The one place that turns a template into text."""

from __future__ import annotations

import json

from troposphere import Template

from generator.errors import TemplateError

LINE_WIDTH = 100


def render(template: Template) -> str:
    """The exact text of a template: ASCII JSON, keys sorted, two spaces of indentation, a final newline.

    An object or list that fits on its line stays on it, which is a third shorter than a line for each bracket:
    CloudFormation takes 51,200 bytes.

    Raises TemplateError for a property that is missing or cannot be written as JSON.
    """
    try:
        return _json(template.to_dict(), indent=0, used=0) + "\n"
    except (TypeError, ValueError) as error:
        raise TemplateError(f"The template cannot be written: {_origin(template)}{error}.") from error


def _origin(template: Template) -> str:
    """The resource that cannot be written, as the beginning of a message: Troposphere's checks do not all name it."""
    for logical_id, resource in template.resources.items():
        try:
            json.dumps(resource.to_dict(), allow_nan=False)
        except (TypeError, ValueError):
            return f"{logical_id}: "
    return ""


def _json(value: object, *, indent: int, used: int) -> str:
    line = json.dumps(value, sort_keys=True, allow_nan=False)
    if not isinstance(value, (dict, list)) or not value or (indent > 0 and used + len(line) <= LINE_WIDTH):
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        keys = [(f"{json.dumps(key)}: ", value[key]) for key in sorted(value)]
    else:
        keys = [("", item) for item in value]
    items = [f"{inner}{key}{_json(item, indent=indent + 2, used=len(inner) + len(key) + 1)}" for key, item in keys]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n" + ",\n".join(items) + f"\n{' ' * indent}{closing}"
