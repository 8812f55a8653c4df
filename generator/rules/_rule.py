"""What the rules have in common: a rule is asked about each resource of its types and yields findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

from cfnlint.rules import CloudFormationLintRule, RuleMatch

from ._values import Node, template_of, whole_number

TEMPLATE_REFERENCE = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference"


class Finding(NamedTuple):
    """What is wrong, and where."""

    path: tuple[Any, ...]
    message: str


class Rule(CloudFormationLintRule):
    """A rule about the resources of some types. cfn-lint skips a class without an ID, as this one."""

    types: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.tags = sorted({name.split("::")[1].lower() for name in cls.types})

    def match(self, cfn: Any) -> list[RuleMatch]:
        findings = (finding for node in template_of(cfn).resources(*self.types) for finding in self.findings(node))
        # A value that several branches share is found once.
        return [RuleMatch(list(path), message) for path, message in dict.fromkeys(findings)]

    def findings(self, node: Node) -> Iterator[Finding]:
        """The findings in one resource: `node` is its properties."""
        raise NotImplementedError


def finding(node: Node, message: str, *names: str) -> Finding:
    """A finding about a property of an object, or about the object."""
    return Finding((*node.path, *names), node.template.readable(message))


class ReplacingTagsRule(Rule):
    """Resources whose tags are create-only have none. replaced: what a change replaces."""

    replaced: ClassVar = "resource"

    def findings(self, node: Node) -> Iterator[Finding]:
        if any(isinstance(tag.value, dict) for tag in node.items("Tags")):
            yield finding(node, f"Changing a tag replaces this {self.replaced}", "Tags")


class LiteralNameRule(Rule):
    """Names come from a parameter or the stack. names: the properties that are names, by the resource's type."""

    names: ClassVar[Mapping[str, tuple[str, ...]]]
    message: ClassVar = "The literal name {value!r} prevents a replacement and a second copy"

    def findings(self, node: Node) -> Iterator[Finding]:
        for name in self.names[node.type]:
            for value in node.literals(name):
                yield finding(node, self.message.format(value=value), name)


class MinOverMaxRule(Rule):
    """A minimum does not exceed a maximum. place: the object of both; least, most: their names and defaults."""

    place: ClassVar[tuple[str, ...]] = ()
    least: ClassVar[tuple[str, int]]
    most: ClassVar[tuple[str, int | str]]

    def findings(self, node: Node) -> Iterator[Finding]:
        (least, fewest), (most, greatest) = self.least, self.most
        for low, where in node.usual(*self.place, least, default=fewest):
            for high, _ in where.usual(*self.place, most, default=greatest):
                low_number, high_number = whole_number(low), whole_number(high)
                if low_number is not None and high_number is not None and low_number > high_number:
                    yield finding(node, f"{least} {low_number} exceeds {most} {high_number}", *self.place, least)
