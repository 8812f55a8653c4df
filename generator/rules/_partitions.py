"""A rule for the ARNs in MemoryDB, App Runner and ECS Express resources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from ._rule import Finding, Rule
from ._values import Node

LITERAL = re.compile(r"arn:aws(-[a-z]+)*:")
TYPES = (
    *(f"AWS::MemoryDB::{name}" for name in ("ACL", "Cluster", "MultiRegionCluster", "ParameterGroup", "SubnetGroup")),
    "AWS::MemoryDB::User",
    *(f"AWS::AppRunner::{name}" for name in ("AutoScalingConfiguration", "ObservabilityConfiguration", "Service")),
    *(f"AWS::AppRunner::{name}" for name in ("VpcConnector", "VpcIngressConnection")),
    "AWS::ECS::ExpressGatewayService",
)


class LiteralPartition(Rule):
    id = "W9661"
    shortdesc = "ARNs of MemoryDB, App Runner and ECS Express name no partition"
    description = "An ARN with a literal partition works in one partition only: write ${AWS::Partition} with Fn::Sub."
    source_url = (
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/pseudo-parameter-reference.html"
    )
    types = TYPES
    tags: ClassVar = ["memorydb", "apprunner", "ecs"]

    def findings(self, node: Node) -> Iterator[Finding]:
        for path, text, where in _texts(node, node.value, node.path):
            # What a parameter is set to is the deployment's choice.
            if LITERAL.search(text) and where.parameters == node.parameters:
                yield Finding(path, "A literal partition in an ARN: write ${AWS::Partition}")


def _texts(node: Node, expression: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str, Node]]:
    """Every text in an object, resolved, and where it stands."""
    for value, where in node.resolve(expression):
        if isinstance(value, str):
            yield path, value, where
        elif isinstance(value, (dict, list)):
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                yield from _texts(where, inner, (*path, key))
