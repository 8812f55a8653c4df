"""A rule for the roles that App Runner and ECS assume."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from ._apprunner import SERVICE as APP_RUNNER
from ._ecs_express import SERVICE as ECS_EXPRESS
from ._rule import Finding, Rule, finding
from ._values import ABSENT, RESOURCE, UNKNOWN, Node

# Where a service names a role, and which part of AWS assumes it.
ROLES: dict[str, dict[tuple[str, ...], str]] = {
    APP_RUNNER: {
        ("SourceConfiguration", "AuthenticationConfiguration", "AccessRoleArn"): "build.apprunner",
        ("InstanceConfiguration", "InstanceRoleArn"): "tasks.apprunner",
    },
    ECS_EXPRESS: {
        ("InfrastructureRoleArn",): "ecs",
        ("ExecutionRoleArn",): "ecs-tasks",
        ("TaskRoleArn",): "ecs-tasks",
    },
}


class Trust(Rule):
    id = "E9662"
    shortdesc = "App Runner and ECS Express roles trust the service that assumes them"
    description = (
        "App Runner pulls images as build.apprunner.amazonaws.com and runs instances as tasks.apprunner.amazonaws.com; "
        "ECS builds the infrastructure as ecs.amazonaws.com and runs tasks as ecs-tasks.amazonaws.com."
    )
    source_url = "https://docs.aws.amazon.com/apprunner/latest/dg/security_iam_service-with-iam.html"
    types = tuple(ROLES)
    tags: ClassVar = ["apprunner", "ecs"]

    def findings(self, node: Node) -> Iterator[Finding]:
        for names, service in ROLES[node.type].items():
            for value, where in node.values(*names):
                reference = node.template.reference(value)
                if reference and reference.kind == RESOURCE and reference.attribute == "Arn":
                    for role in where.beside("AWS::IAM::Role"):
                        if role.logical_id == reference.name and not _trusts(role, service):
                            message = f"{role.logical_id} does not trust {service}.amazonaws.com, which assumes it"
                            yield finding(node, message, *names)


def _trusts(role: Node, service: str) -> bool:
    """Whether a role's policy lets a service assume it, or is not known well enough to say that it does not."""
    principals = list(_services(role))
    return not principals or any(
        UNKNOWN.search(principal) or principal == "*" or principal.startswith(f"{service}.amazonaws.")
        for principal in principals
    )


def _services(role: Node) -> Iterator[str]:
    """The principals that a role trusts."""
    for statements, node in role.values("AssumeRolePolicyDocument", "Statement"):
        for statement in statements if isinstance(statements, list) else [statements]:
            for value, where in node.resolve(statement):
                principal = where.of(value, node.path)
                for found, inner in principal.values("Principal"):
                    yield from _texts(inner, found)


def _texts(node: Node, value: Any) -> Iterator[str]:
    for resolved, where in node.resolve(value):
        if isinstance(resolved, str):
            if resolved != ABSENT:
                yield resolved
        elif isinstance(resolved, (dict, list)):
            for inner in resolved.values() if isinstance(resolved, dict) else resolved:
                yield from _texts(where, inner)
