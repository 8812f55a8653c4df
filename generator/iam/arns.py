"""The ARNs of what templates hold, by service, as far as its names are known before it is there.

Names: CloudFormation user guide, "Name type", for what is called after the stack; App Runner's resources, secrets and
dashboards are called after their logical ID alone (seen in deployments; cloudformation-cli-java-plugin issue 239).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from generator.iam.handlers import TARGETS, Held

ELB = "elasticloadbalancing:"


def anything(resources: Sequence[Held]) -> list[str]:
    return ["*"]


def keys(resources: Sequence[Held]) -> list[str]:
    return ["arn:aws:kms:*:*:key/*"]


def _after_stack(kind: str, start: str) -> Callable[[Sequence[Held]], list[str]]:
    """ARNs of what CloudFormation names after the stack. Enumerating the stacks leaves out the roles <name>-deploy and
    <name>-cloudformation, which must not change themselves."""

    def arns(resources: Sequence[Held]) -> list[str]:
        return [f"{start}{stack}-*" for stack in sorted({one.stack for one in resources if one.resource_type == kind})]

    return arns


roles = _after_stack("AWS::IAM::Role", "arn:aws:iam::*:role/")


def users(resources: Sequence[Held]) -> list[str]:
    """ARNs of MemoryDB users, by the names that the templates give."""
    return [f"arn:aws:memorydb:*:*:{name}" for name in sorted(_memorydb_names(resources)) if name.startswith("user/")]


def _after_both(kind: str, start: str) -> Callable[[Sequence[Held]], list[str]]:
    """ARNs of what is named after its logical ID, or after the stack: sources differ."""

    def arns(resources: Sequence[Held]) -> list[str]:
        logical_ids = {f"{start}{one.logical_id}-*" for one in resources if one.resource_type == kind}
        return sorted({*logical_ids, *_after_stack(kind, start)(resources)})

    return arns


secrets = _after_both("AWS::SecretsManager::Secret", "arn:aws:secretsmanager:*:*:secret:")


def _repositories(resources: Sequence[Held]) -> list[str]:
    return [arn.lower() for arn in _after_stack("AWS::ECR::Repository", "arn:aws:ecr:*:*:repository/")(resources)]


def _app_runner(resources: Sequence[Held]) -> list[str]:
    found = {
        f"arn:aws:apprunner:*:*:{one.resource_type.split('::')[2].lower()}/{one.logical_id}-*/*"
        for one in resources
        if one.resource_type.startswith("AWS::AppRunner::")
    }
    return sorted(found | set(_web_acls(resources)))


def _express(resources: Sequence[Held]) -> list[str]:
    """How a service without a name is called is not documented, and its task definition is called after it."""
    kinds = ("service", "service-deployment", "service-revision")
    return ["arn:aws:ecs:*:*:cluster/default", "arn:aws:ecs:*:*:task-definition/*:*"] + [
        f"arn:aws:ecs:*:*:{kind}/default/*" for kind in kinds
    ]


def _balancers(resources: Sequence[Held]) -> list[str]:
    """Those of Express services: ECS calls them ecs-express-gateway-alb-... ."""
    return ["arn:aws:elasticloadbalancing:*:*:loadbalancer/app/ecs-express-gateway-*"]


def _web_acls(resources: Sequence[Held]) -> list[str]:
    associated = any(one.resource_type == "AWS::WAFv2::WebACLAssociation" for one in resources)
    return ["arn:aws:wafv2:*:*:regional/webacl/*/*"] if associated else []


def _firewall(resources: Sequence[Held]) -> list[str]:
    services = [arn for arn in _app_runner(resources) if ":service/" in arn]
    services += _balancers(resources) if any(one.resource_type == TARGETS[ELB] for one in resources) else []
    return [*_web_acls(resources), "arn:aws:wafv2:*:*:*/rulegroup/*/*", *services]


def _cloudwatch(resources: Sequence[Held]) -> list[str]:
    alarms = _after_stack("AWS::CloudWatch::Alarm", "arn:aws:cloudwatch:*:*:alarm:")
    dashboards = _after_both("AWS::CloudWatch::Dashboard", "arn:aws:cloudwatch::*:dashboard/")
    return [*alarms(resources), *dashboards(resources)]


def _memorydb(resources: Sequence[Held]) -> list[str]:
    """By the names that the templates give, and any snapshot, since a new cluster may be restored from any."""
    found = {"snapshot/*", "parametergroup/default.*", *_memorydb_names(resources)}
    return [f"arn:aws:memorydb:*:*:{name}" for name in sorted(found)]


def _memorydb_names(resources: Sequence[Held]) -> set[str]:
    found = set()
    for one in resources:
        kind = one.resource_type.removeprefix("AWS::MemoryDB::")
        if kind != one.resource_type and f"{kind}Name" in one.properties:
            found.add(f"{kind.lower()}/{_pattern(one.properties[f'{kind}Name'])}")
    return found


def _pattern(value: Any) -> str:
    """What is known of a name: the text of an Fn::Sub around its variables."""
    match value:
        case str():
            return value
        case {"Fn::Sub": [str() as text, *_] | str(text)}:
            return re.sub(r"\$\{[^}]*\}", "*", text)
    return "*"


LIMITS: dict[str, Callable[[Sequence[Held]], list[str]]] = {
    "apprunner": _app_runner,
    "cloudwatch": _cloudwatch,
    "ecr": _repositories,
    "ecs": _express,
    "elasticloadbalancing": _balancers,
    "iam": roles,
    "kms": keys,
    "logs": _after_stack("AWS::Logs::LogGroup", "arn:aws:logs:*:*:log-group:"),
    "memorydb": _memorydb,
    "secretsmanager": secrets,
    "sns": _after_stack("AWS::SNS::Topic", "arn:aws:sns:*:*:"),
    "wafv2": _firewall,
}
