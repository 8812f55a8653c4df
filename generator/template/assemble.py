"""Parts in, one Troposphere template out: each element in its section, each logical ID once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from troposphere import Output, Parameter, Template

from generator.errors import DuplicateLogicalIdError, TemplateError
from generator.template.elements import Condition, Element, Input, Part, Rule, Table


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
