"""Parts in, template out.

A part is a frozen dataclass whose fields are its elements. `assemble` files each element in its section of
a troposphere Template, and `render` is the only place that turns a Template into text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

from troposphere import (
    AWSHelperFn,
    AWSObject,
    Equals,
    Export,
    FindInMap,
    GenericHelperFn,
    If,
    Not,
    NoValue,
    Output,
    Parameter,
    Sub,
    Template,
)

from generator.errors import DuplicateLogicalIdError, TemplateError

LINE_WIDTH = 100


@dataclass(frozen=True)
class Input:
    """A parameter and its place in the console: the group it stands in and the label beside it."""

    parameter: Parameter
    group: str
    label: str

    @property
    def name(self) -> str:
        """The parameter's logical ID."""
        return str(self.parameter.title)

    def ref(self) -> AWSHelperFn:
        """The parameter's value."""
        return self.parameter.ref()

    def given(self, condition: str) -> Condition:
        """A condition of that name: the parameter is not empty."""
        return Condition(condition, Not(Equals(self.ref(), "")))


@dataclass(frozen=True)
class Condition:
    """A named condition of the template."""

    name: str
    expression: AWSHelperFn

    def choose(self, value: object, otherwise: object = NoValue) -> AWSHelperFn:
        """`value` where the condition holds, else `otherwise`, which by default leaves the property out."""
        return If(self.name, value, otherwise)


@dataclass(frozen=True)
class Table:
    """A mapping: rows of strings by two keys."""

    name: str
    rows: Mapping[str, Mapping[str, str]]

    def find(self, row: object, column: str) -> AWSHelperFn:
        """The value at `row` and `column`; CloudFormation fails where there is none."""
        return FindInMap(self.name, row, column)


@dataclass(frozen=True)
class Rule:
    """An assertion about parameter values, checked before anything is created, with the sentence it fails with."""

    name: str
    assertion: AWSHelperFn
    sentence: str
    when: AWSHelperFn | None = None


def whole_number(name: str, *, default: int, least: int, most: int, description: str, group: str, label: str) -> Input:
    """A parameter that takes a whole number from `least` to `most`."""
    return Input(
        Parameter(
            name,
            Type="Number",
            Default=default,
            MinValue=least,
            MaxValue=most,
            ConstraintDescription=f"A whole number from {least} to {most}.",
            Description=description,
        ),
        group,
        label,
    )


Element: TypeAlias = AWSObject | Output | Parameter | Input | Condition | Table | Rule


class Part(Protocol):
    """Any frozen dataclass whose fields are elements, parts, tuples of these, or None."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def export(name: str, description: str, value: AWSHelperFn, *, when: Condition | None = None) -> Output:
    """An output that other stacks import as `<stack name>-<name>`, there only `when` the condition holds."""
    conditional = {} if when is None else {"Condition": when.name}
    export = Export(Sub(f"${{AWS::StackName}}-{name}"))
    return Output(name, Description=description, Value=value, Export=export, **conditional)


def why(reason: str) -> dict[str, object]:
    """The Metadata of a resource that says, to whoever reads the template, why it is there and as it is.

    The shape is CloudFormation's Context (template reference, Metadata attribute), which cfn-lint checks.
    """
    return {"com.aws.cloudformation.Context": {"why": reason}}


def contains(values: list[str], value: AWSHelperFn) -> AWSHelperFn:
    """Fn::Contains, which only the assertion of a Rule may use: whether `value` is one of `values`."""
    return GenericHelperFn({"Fn::Contains": [values, value]})


def elements(part: object, path: str = "") -> Iterator[tuple[str, Element]]:
    """Every element of a part, depth first in field order, with the place it stands in (`MemoryDB.cluster`).

    Raises TemplateError for anything that is neither an element, a part, a tuple or list of these, nor None.
    """
    path = path or type(part).__name__
    if part is None:
        return
    if isinstance(part, Element):
        yield path, part
    elif isinstance(part, (tuple, list)):
        for index, item in enumerate(part):
            yield from elements(item, f"{path}[{index}]")
    elif is_dataclass(part) and not isinstance(part, type):
        for field in fields(part):
            yield from elements(getattr(part, field.name), f"{path}.{field.name}")
    else:
        raise TemplateError(
            f"{path} is {_a(part)}, which is no element of a template. A part's fields hold troposphere resources "
            "and outputs, Input, Condition, Table, Rule, other parts, tuples of these, or None."
        )


def assemble(description: str, *parts: Part) -> Template:
    """A new Template that holds every element of `parts`, each once.

    The same object twice counts once, as do equal inputs, conditions, tables and rules.

    Raises DuplicateLogicalIdError when two different elements claim one logical ID, and TemplateError for a field
    that is no element or a section beyond CloudFormation's limit.
    """
    template = Template(Description=description)
    template.set_version()
    taken: dict[tuple[str, str], tuple[str, Element]] = {}
    for number, part in enumerate(parts, start=1):
        for place, element in elements(part):
            path = f"{place} of part {number}"
            claim = _claim(element)
            if claim not in taken:
                taken[claim] = (path, element)
                _file(template, path, element)
            elif not _same(taken[claim][1], element):
                raise DuplicateLogicalIdError(logical_id=claim[1], first=taken[claim][0], second=path)
    return template


def render(template: Template) -> str:
    """The exact text of a template: ASCII JSON, keys sorted, two spaces of indentation, a final newline.

    An object or list that fits on its line stays on it, which is a third shorter than a line for each bracket:
    CloudFormation takes 51,200 bytes.

    Raises TemplateError for a property that is missing or cannot be written as JSON.
    """
    try:
        return _json(template.to_dict(), indent=0, used=0) + "\n"
    except (TypeError, ValueError) as error:
        raise TemplateError(f"The template cannot be written: {error}.") from error


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


def _a(value: object) -> str:
    return f"{value!r} ({type(value).__name__})"


def _claim(element: Element) -> tuple[str, str]:
    """The namespace and the name an element claims; parameters and resources share one, since Ref reads both."""
    if isinstance(element, (Condition, Table, Rule)):
        return type(element).__name__, element.name
    if isinstance(element, Output):
        return "Output", str(element.title)
    if isinstance(element, Input):
        return "Ref", element.name
    return "Ref", str(element.title)


def _same(first: Element, second: Element) -> bool:
    if isinstance(first, (Input, Condition, Table, Rule)):
        return first == second
    return first is second


def _file(template: Template, path: str, element: Element) -> None:
    try:
        if isinstance(element, Input):
            template.add_parameter(element.parameter)
            template.add_parameter_to_group(element.parameter, element.group)
            template.set_parameter_label(element.parameter, element.label)
        elif isinstance(element, Parameter):
            template.add_parameter(element)
        elif isinstance(element, Output):
            template.add_output(element)
        elif isinstance(element, Condition):
            template.add_condition(element.name, element.expression)
        elif isinstance(element, Table):
            template.add_mapping(element.name, {row: dict(columns) for row, columns in element.rows.items()})
        elif isinstance(element, Rule):
            template.add_rule(element.name, _rule(element))
        else:
            template.add_resource(element)
    except ValueError as error:
        raise TemplateError(f"{path}: {error}.") from error


def _rule(rule: Rule) -> dict[str, object]:
    body: dict[str, object] = {"Assertions": [{"Assert": rule.assertion, "AssertDescription": rule.sentence}]}
    if rule.when is not None:
        body["RuleCondition"] = rule.when
    return body
