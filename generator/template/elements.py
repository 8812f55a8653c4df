"""What a part is made of, besides Troposphere's own resources and outputs: parameters, conditions, mappings, rules."""

from __future__ import annotations

from collections import abc
from collections.abc import Sequence
from dataclasses import dataclass
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
)


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
class Mapping:
    """A mapping: rows of strings by two keys."""

    name: str
    rows: abc.Mapping[str, abc.Mapping[str, str]]

    def find(self, row: object, column: str) -> AWSHelperFn:
        """The value at `row` and `column`; CloudFormation fails where there is none."""
        return FindInMap(self.name, row, column)


@dataclass(frozen=True)
class Rule:
    """An assertion about parameter values, checked before anything is created, with the message of its failure."""

    name: str
    assertion: AWSHelperFn
    message: str
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


Element: TypeAlias = AWSObject | Output | Parameter | Input | Condition | Mapping | Rule


class DataclassPart(Protocol):
    """A frozen dataclass whose fields are elements, parts, tuples of these, or None."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


Part: TypeAlias = Element | DataclassPart | Sequence["Part"] | None
"""What a layer consists of: an element alone, a sequence of parts, or a dataclass of them."""


def export(name: str, description: str, value: AWSHelperFn, *, when: Condition | None = None) -> Output:
    """An output that other stacks import as `<stack name>-<name>`, there only `when` the condition holds."""
    conditional = {} if when is None else {"Condition": when.name}
    export = Export(Sub(f"${{AWS::StackName}}-{name}"))
    return Output(name, Description=description, Value=value, Export=export, **conditional)


def why(reason: str) -> dict[str, object]:
    """The Metadata that tells a reader of the template why a resource is there, and why it is as it is.

    The shape is CloudFormation's Context (template reference, Metadata attribute), which cfn-lint checks.
    """
    return {"com.aws.cloudformation.Context": {"why": reason}}


def contains(values: list[str], value: AWSHelperFn) -> AWSHelperFn:
    """Fn::Contains, which only the assertion of a Rule may use: whether `value` is one of `values`."""
    return GenericHelperFn({"Fn::Contains": [values, value]})
