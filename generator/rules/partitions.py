"""A rule for the ARNs in MemoryDB, App Runner and ECS Express resources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from cfnlint.rules import CloudFormationLintRule, RuleMatch

LITERAL = re.compile(r"arn:aws(-[a-z]+)*:")


class LiteralPartition(CloudFormationLintRule):
    id = "W9661"
    shortdesc = "ARNs of MemoryDB, App Runner and ECS Express name no partition"
    description = "An ARN with a literal partition works in one partition only: write ${AWS::Partition} with Fn::Sub."
    source_url = (
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/pseudo-parameter-reference.html"
    )
    tags: ClassVar = ["memorydb", "apprunner", "ecs"]

    def match(self, cfn: Any) -> list[RuleMatch]:
        return [
            RuleMatch(path, "A literal partition in an ARN: write ${AWS::Partition}")
            for logical_id, resource in cfn.get_resources().items()
            if str(resource.get("Type")).startswith(
                ("AWS::MemoryDB::", "AWS::AppRunner::", "AWS::ECS::ExpressGatewayService")
            )
            for path in _literal(resource.get("Properties"), ["Resources", logical_id, "Properties"])
        ]


def _literal(node: Any, path: list[Any]) -> Iterator[list[Any]]:
    if isinstance(node, str) and LITERAL.search(node):
        yield path
    elif isinstance(node, (dict, list)):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _literal(value, [*path, key])
