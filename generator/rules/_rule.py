"""What the rules have in common: a rule is asked about each resource of its types and yields findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from cfnlint.rules import CloudFormationLintRule, RuleMatch

from ._values import Node, template_of

TEMPLATE_REFERENCE = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference"


class Finding(NamedTuple):
    """What is wrong, and where."""

    path: tuple[Any, ...]
    message: str


class Rule(CloudFormationLintRule):
    """A rule about the resources of some types. cfn-lint skips this class because it has no ID."""

    types: ClassVar[tuple[str, ...]] = ()

    def match(self, cfn: Any) -> list[RuleMatch]:
        findings = (finding for node in template_of(cfn).resources(*self.types) for finding in self.findings(node))
        # A value that several branches share is found once.
        return [RuleMatch(list(path), message) for path, message in dict.fromkeys(findings)]

    def findings(self, node: Node) -> Iterator[Finding]:
        """The findings in one resource: `node` is its properties."""
        raise NotImplementedError


def finding(node: Node, message: str, *names: str) -> Finding:
    """A finding about a property of an object, or about the object."""
    return Finding((*node.path, *names), message)
