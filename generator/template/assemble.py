"""Parts in, one Troposphere template out: each element in its section, each logical ID once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import FunctionType

from troposphere import Output, Parameter, Template

from generator.errors import DuplicateLogicalIdError, TemplateError
from generator.template.elements import (
    Condition,
    Element,
    ForEach,
    Input,
    Mapping,
    Part,
    Rule,
    TemplateMetadata,
    Transform,
)

VALUES = (Input, Condition, Mapping, Rule, Transform, ForEach, TemplateMetadata)
LANGUAGE_EXTENSIONS = Transform("AWS::LanguageExtensions")


def elements(part: object, path: str = "") -> Iterator[tuple[str, Element]]:
    """Every element of a part, depth first in field order, each with its place, such as `MemoryDB.cluster`.

    Raises TemplateError for anything that is not an element, a part, a tuple or list of these, or None.
    """
    if part is None:
        return
    if isinstance(part, Element):
        yield path or _name(part), part
    elif isinstance(part, (tuple, list)):
        for index, item in enumerate(part):
            yield from elements(item, f"{path}[{index}]" if path else "")
    elif is_dataclass(part) and not isinstance(part, type):
        path = path or type(part).__name__
        for field in fields(part):
            yield from elements(getattr(part, field.name), f"{path}.{field.name}")
    else:
        raise TemplateError(
            f"{path or 'A part'} is {_a(part)}, which is not an element of a template. Parts are troposphere "
            "resources and outputs, Input, Condition, Mapping, Rule, Transform, ForEach, TemplateMetadata, "
            f"dataclasses and tuples of these, or None.{_call(part)}"
        )


def assemble(description: str, *parts: Part) -> Template:
    """A new Template that holds every element of `parts`, each once.

    The same object twice counts once, as do equal inputs, conditions, mappings and rules.

    Raises DuplicateLogicalIdError when two different elements have one logical ID, and TemplateError for a part that
    is not one, or a section beyond CloudFormation's limit.
    """
    template = Template(Description=description)
    template.set_version()
    taken: dict[tuple[str, str], tuple[str, Element]] = {}
    for number, part in enumerate(parts, start=1):
        for place, element in elements(part):
            path = f"{place} of part {number}"
            key = _key(element)
            if key not in taken:
                taken[key] = (path, element)
                _add(template, path, element)
            elif not _same(taken[key][1], element):
                raise DuplicateLogicalIdError(logical_id=key[1], first=taken[key][0], second=path)
    return template


def _a(value: object) -> str:
    return f"{value!r} ({type(value).__name__})"


def _call(value: object) -> str:
    """What to do about a function or class in place of what it returns."""
    return f" Call it: {value.__name__}(…)." if isinstance(value, FunctionType | type) else ""


def _name(element: Element) -> str:
    return f"the {getattr(type(element), 'resource_type', type(element).__name__)}"


def _key(element: Element) -> tuple[str, str]:
    """The namespace and the name of an element; parameters and resources share a namespace, because Ref reads both."""
    if isinstance(element, (Condition, Mapping, Rule, Transform)):
        return type(element).__name__, element.name
    if isinstance(element, ForEach):
        return f"ForEach in {element.section}", element.name
    if isinstance(element, TemplateMetadata):
        return "Metadata", element.key
    if isinstance(element, Output):
        return "Output", str(element.title)
    if isinstance(element, Input):
        return "Ref", element.name
    return "Ref", str(element.title)


def _same(first: Element, second: Element) -> bool:
    return first == second if isinstance(first, VALUES) else first is second


def _add(template: Template, path: str, element: Element) -> None:
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
        elif isinstance(element, Mapping):
            template.add_mapping(element.name, {row: dict(columns) for row, columns in element.rows.items()})
        elif isinstance(element, Rule):
            template.add_rule(element.name, _rule(element))
        elif isinstance(element, Transform):
            _transform(template, element)
        elif isinstance(element, ForEach):
            _transform(template, LANGUAGE_EXTENSIONS)
            loop = [element.variable, element.values, element.fragment]
            getattr(template, element.section.lower())[f"Fn::ForEach::{element.name}"] = loop
        elif isinstance(element, TemplateMetadata):
            template.metadata[element.key] = element.value
        else:
            template.add_resource(element)
    except ValueError as error:
        raise TemplateError(f"{path}: {error}.") from error


def _transform(template: Template, transform: Transform) -> None:
    """Adds it once. Macros run in the order in which they are listed, so language extensions come first."""
    body = (
        {"Name": transform.name, "Parameters": dict(transform.parameters)} if transform.parameters else transform.name
    )
    listed = template.transform or []
    if body not in listed:
        template.transform = [body, *listed] if transform == LANGUAGE_EXTENSIONS else [*listed, body]


def _rule(rule: Rule) -> dict[str, object]:
    body: dict[str, object] = {"Assertions": [{"Assert": rule.assertion, "AssertDescription": rule.message}]}
    if rule.when is not None:
        body["RuleCondition"] = rule.when
    return body
