"""What a part is made of, besides Troposphere's own resources and outputs: parameters, conditions, mappings, rules."""

from __future__ import annotations

from collections import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

from troposphere import AWSHelperFn, AWSObject, Export, FindInMap, GenericHelperFn, If, NoValue, Output, Parameter, Sub
from troposphere.validators.cloudformation import AWSCustomObject

from generator.errors import check_type
from generator.template.stateful import HOLDS_DATA


@dataclass(frozen=True)
class Input:
    """A parameter and its place in the console: the group it stands in and the label beside it.

    >>> from troposphere import Parameter
    >>> Input(Parameter("LogLevel", Type="String", Default="INFO"), "Service", "Log level").ref().to_dict()
    {'Ref': 'LogLevel'}
    """

    parameter: Parameter
    group: str
    label: str

    def __post_init__(self) -> None:
        check_type("Input.parameter", self.parameter, (Parameter,), 'Parameter("LogLevel", Type="String")')

    @property
    def name(self) -> str:
        """The parameter's logical ID."""
        return str(self.parameter.title)

    def ref(self) -> AWSHelperFn:
        """The parameter's value."""
        return self.parameter.ref()


@dataclass(frozen=True)
class Condition:
    """A named condition of the template.

    >>> from troposphere import Equals, Ref
    >>> Condition("IsLarge", Equals(Ref("Size"), "large")).choose("db.r7g.large", "db.t4g.small").to_dict()
    {'Fn::If': ['IsLarge', 'db.r7g.large', 'db.t4g.small']}
    """

    name: str
    expression: AWSHelperFn

    def choose(self, value: object, otherwise: object = NoValue) -> AWSHelperFn:
        """`value` where the condition holds, else `otherwise`, which by default leaves the property out."""
        return If(self.name, value, otherwise)


@dataclass(frozen=True)
class Mapping:
    """A mapping: rows of strings by two keys.

    >>> Mapping("Sizes", {"large": {"NodeType": "db.r7g.large"}}).find("large", "NodeType").to_dict()
    {'Fn::FindInMap': ['Sizes', 'large', 'NodeType']}
    """

    name: str
    rows: abc.Mapping[str, abc.Mapping[str, str]]

    def find(self, row: object, column: str) -> AWSHelperFn:
        """The value at `row` and `column`; CloudFormation fails where there is none."""
        return FindInMap(self.name, row, column)


@dataclass(frozen=True)
class Rule:
    """An assertion about parameter values, checked before anything is created, with the message of its failure.

    >>> from troposphere import Equals, Ref
    >>> Rule("IsProduction", Equals(Ref("Stage"), "production"), "Only production has this.").message
    'Only production has this.'
    """

    name: str
    assertion: AWSHelperFn
    message: str
    when: AWSHelperFn | None = None


@dataclass(frozen=True)
class Transform:
    """A macro that the whole template goes through, such as AWS::LanguageExtensions.

    `parameters`, if any, are the macro's: values that can be written as JSON.

    >>> data_layer(Settings(), Transform("Company::Macro")).template["Transform"]
    ['Company::Macro']
    """

    name: str
    parameters: abc.Mapping[str, object] | None = None


@dataclass(frozen=True)
class ForEach:
    """Fn::ForEach in a section of the template: `fragment` once for each of `values`, which `variable` stands for.

    Adds the transform AWS::LanguageExtensions. `fragment` maps logical IDs that contain ${variable} to bodies, which
    may be troposphere objects. Source: CloudFormation template reference, "Fn::ForEach".

    >>> topics = ForEach("Topics", "Name", ["Orders", "Bills"], {"${Name}Topic": {"Type": "AWS::SNS::Topic"}})
    >>> data_layer(Settings(), topics).template["Resources"]["Fn::ForEach::Topics"]
    ['Name', ['Orders', 'Bills'], {'${Name}Topic': {'Type': 'AWS::SNS::Topic'}}]
    """

    name: str
    variable: str
    values: Sequence[str] | AWSHelperFn
    fragment: abc.Mapping[str, object]
    section: Literal["Conditions", "Outputs", "Resources"] = "Resources"


@dataclass(frozen=True)
class TemplateMetadata:
    """A value of the template's own Metadata, which can be written as JSON.

    >>> data_layer(Settings(), TemplateMetadata("Owner", "shop")).template["Metadata"]["Owner"]
    'shop'
    """

    key: str
    value: object


Value: TypeAlias = str | AWSHelperFn
"""Text, or an intrinsic function that gives text."""

Element: TypeAlias = (
    AWSObject
    | AWSCustomObject
    | Output
    | Parameter
    | Input
    | Condition
    | Mapping
    | Rule
    | Transform
    | ForEach
    | TemplateMetadata
)


class DataclassPart(Protocol):
    """A frozen dataclass whose fields are elements, parts, tuples of these, or None."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


Part: TypeAlias = Element | DataclassPart | tuple["Part", ...] | None
"""What a layer consists of: an element alone, a tuple of parts, or a dataclass of them."""


def export(name: str, description: str, value: Value, *, when: Condition | None = None) -> Output:
    """An output that other stacks import as `<stack name>-<name>`, there only `when` the condition holds.

    >>> export("AttachmentsName", "The bucket.", "shop-attachments").to_dict()["Export"]
    {'Name': {'Fn::Sub': '${AWS::StackName}-AttachmentsName'}}
    """
    expected = 'text or a function, such as bucket.ref() or GetAtt(bucket, "Arn")'
    check_type(f"The value of export({name!r}, …)", value, (str, AWSHelperFn), expected)
    conditional = {} if when is None else {"Condition": when.name}
    export = Export(Sub(f"${{AWS::StackName}}-{name}"))
    return Output(name, Description=description, Value=value, Export=export, **conditional)


def why(reason: str, *, holds_data: bool | None = None) -> dict[str, object]:
    """The Metadata that says, for readers of the template, why a resource is there and why it is as it is.

    The shape is CloudFormation's Context (template reference, Metadata attribute), which cfn-lint checks. `holds_data`
    marks a resource whose type does not show whether it holds data: what holds data is guarded.

    >>> why("Filled again at any time", holds_data=False)
    {'com.aws.cloudformation.Context': {'why': 'Filled again at any time'}, 'HoldsData': False}
    """
    marks = {} if holds_data is None else {HOLDS_DATA: holds_data}
    return {"com.aws.cloudformation.Context": {"why": reason}, **marks}


def given(**properties: Any) -> dict[str, Any]:
    """`properties` without those that say nothing, which troposphere refuses or writes out."""
    return {name: value for name, value in properties.items() if value is not None and value is not NoValue}


def contains(values: list[str], value: AWSHelperFn) -> AWSHelperFn:
    """Fn::Contains, which only the assertion of a Rule may use: whether `value` is one of `values`."""
    return GenericHelperFn({"Fn::Contains": [values, value]})
