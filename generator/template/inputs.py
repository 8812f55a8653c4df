"""Parameters by what they take, text, one of some values, or a whole number, in the groups of the console."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from troposphere import AWSHelperFn, Equals, Not, NoValue, Parameter

from generator.template.elements import Condition, Input


@dataclass(frozen=True)
class OptionalInput:
    """A parameter that may be empty, and the condition that it is not."""

    input: Input
    given: Condition

    def ref(self) -> AWSHelperFn:
        """The parameter's value, which may be empty."""
        return self.input.ref()

    def choose(self, value: object, otherwise: object = NoValue) -> AWSHelperFn:
        """`value` where the parameter is given, else `otherwise`, which by default leaves the property out."""
        return self.given.choose(value, otherwise)

    def value(self) -> AWSHelperFn:
        """The parameter's value; the property is left out where it is empty."""
        return self.choose(self.ref())


@dataclass(frozen=True)
class Group:
    """A group of parameters in the console. `more` are a parameter's other properties, such as Default."""

    name: str

    def text(self, name: str, pattern: str, *, label: str, description: str, **more: object) -> Input:
        """A parameter that matches `pattern`."""
        parameter = Parameter(name, Type="String", AllowedPattern=pattern, Description=description, **more)
        return Input(parameter, self.name, label)

    def optional_text(
        self, name: str, pattern: str, *, form: str, label: str, description: str, **more: object
    ) -> OptionalInput:
        """A parameter that is empty by default, or matches `pattern`; `form` says how such a value looks."""
        constraint = f"Empty, or {form}."
        optional = {"Default": "", "ConstraintDescription": constraint, **more}
        parameter = self.text(name, f"^$|^{pattern}$", label=label, description=description, **optional)
        given = Condition(f"Has{name.removesuffix('Arn')}", Not(Equals(parameter.ref(), "")))
        return OptionalInput(parameter, given)

    def choice(
        self, name: str, values: Iterable[str | int], *, default: str | int, label: str, description: str
    ) -> Input:
        """A parameter that takes one of `values`, which are all numbers if the default is one."""
        kind = "String" if isinstance(default, str) else "Number"
        parameter = Parameter(name, Type=kind, Default=default, AllowedValues=list(values), Description=description)
        return Input(parameter, self.name, label)

    def whole_number(self, name: str, *, default: int, least: int, most: int, label: str, description: str) -> Input:
        """A parameter that takes a whole number from `least` to `most`."""
        parameter = Parameter(
            name,
            Type="Number",
            Default=default,
            MinValue=least,
            MaxValue=most,
            ConstraintDescription=f"A whole number from {least} to {most}.",
            Description=description,
        )
        return Input(parameter, self.name, label)


ACCESS, CONNECTION = Group("Access"), Group("Connection")
