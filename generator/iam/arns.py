"""ARN patterns of the templates' resources, by service, from the names that CloudFormation will generate.

Most generated names begin with the stack's name (CloudFormation user guide, "Name type"). Those of App Runner's
resources, secrets and dashboards begin with the logical ID (seen in deployments; cloudformation-cli-java-plugin issue
239).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from generator.compute.apprunner import app_runner_name
from generator.iam.handlers import TARGETS, TemplateResource

ELB = "elasticloadbalancing:"


def anything(resources: Sequence[TemplateResource]) -> list[str]:
    return ["*"]


def keys(resources: Sequence[TemplateResource]) -> list[str]:
    return ["arn:aws:kms:*:*:key/*"]


def _after_stack(kind: str, start: str) -> Callable[[Sequence[TemplateResource]], list[str]]:
    """ARNs of resources named after their stack. Listing the stacks excludes the roles <name>-deploy and
    <name>-cloudformation, which must not be able to change themselves."""

    def arns(resources: Sequence[TemplateResource]) -> list[str]:
        return [
            f"{start}{stack}-*"
            for stack in sorted({resource.stack for resource in resources if resource.resource_type == kind})
        ]

    return arns


roles = _after_stack("AWS::IAM::Role", "arn:aws:iam::*:role/")


def boundary_policy(name: str) -> str:
    """The ARN of a deployment's permissions boundary."""
    return f"arn:aws:iam::*:policy/{name}-boundary"


def users(resources: Sequence[TemplateResource]) -> list[str]:
    """ARNs of MemoryDB users, by the names in the templates."""
    return [f"arn:aws:memorydb:*:*:{name}" for name in sorted(_memorydb_names(resources)) if name.startswith("user/")]


def _after_both(kind: str, start: str) -> Callable[[Sequence[TemplateResource]], list[str]]:
    """ARNs of resources named after their logical ID or their stack: sources disagree."""

    def arns(resources: Sequence[TemplateResource]) -> list[str]:
        logical_ids = {f"{start}{resource.logical_id}-*" for resource in resources if resource.resource_type == kind}
        return sorted({*logical_ids, *_after_stack(kind, start)(resources)})

    return arns


secrets = _after_both("AWS::SecretsManager::Secret", "arn:aws:secretsmanager:*:*:secret:")


def repositories(resources: Sequence[TemplateResource]) -> list[str]:
    """ARNs of ECR repositories, in the lower case that ECR demands."""
    return [arn.lower() for arn in _after_stack("AWS::ECR::Repository", "arn:aws:ecr:*:*:repository/")(resources)]


def _app_runner(resources: Sequence[TemplateResource]) -> list[str]:
    """Every auto scaling configuration: how CloudFormation names one is not documented."""
    found = set(_web_acls(resources))
    for resource in resources:
        if resource.resource_type.startswith("AWS::AppRunner::"):
            kind = resource.resource_type.split("::")[2].lower()
            name = "*" if kind == "autoscalingconfiguration" else f"{app_runner_name(resource.logical_id)}/*"
            found.add(f"arn:aws:apprunner:*:*:{kind}/{name}")
    return sorted(found)


def _express(resources: Sequence[TemplateResource]) -> list[str]:
    """An unnamed service is named after its image's repository, which is a parameter, and so is its task definition;
    the form is not documented."""
    kinds = ("service", "service-deployment", "service-revision")
    return ["arn:aws:ecs:*:*:cluster/default", "arn:aws:ecs:*:*:task-definition/*:*"] + [
        f"arn:aws:ecs:*:*:{kind}/default/*" for kind in kinds
    ]


def _balancers(resources: Sequence[TemplateResource]) -> list[str]:
    """Load balancers of Express services: ECS names them ecs-express-gateway-alb-... ."""
    return ["arn:aws:elasticloadbalancing:*:*:loadbalancer/app/ecs-express-gateway-*"]


def _web_acls(resources: Sequence[TemplateResource]) -> list[str]:
    associated = any(resource.resource_type == "AWS::WAFv2::WebACLAssociation" for resource in resources)
    return ["arn:aws:wafv2:*:*:regional/webacl/*/*"] if associated else []


def _firewall(resources: Sequence[TemplateResource]) -> list[str]:
    services = [arn for arn in _app_runner(resources) if ":service/" in arn]
    services += _balancers(resources) if any(resource.resource_type == TARGETS[ELB] for resource in resources) else []
    return [*_web_acls(resources), "arn:aws:wafv2:*:*:*/rulegroup/*/*", *services]


def _cloudwatch(resources: Sequence[TemplateResource]) -> list[str]:
    alarms = _after_stack("AWS::CloudWatch::Alarm", "arn:aws:cloudwatch:*:*:alarm:")
    dashboards = _after_both("AWS::CloudWatch::Dashboard", "arn:aws:cloudwatch::*:dashboard/")
    return [*alarms(resources), *dashboards(resources)]


def _memorydb(resources: Sequence[TemplateResource]) -> list[str]:
    """The names in the templates, and every snapshot, because a new cluster can be restored from any."""
    found = {"snapshot/*", "parametergroup/default.*", *_memorydb_names(resources)}
    return [f"arn:aws:memorydb:*:*:{name}" for name in sorted(found)]


def _memorydb_names(resources: Sequence[TemplateResource]) -> set[str]:
    found = set()
    for resource in resources:
        kind = resource.resource_type.removeprefix("AWS::MemoryDB::")
        if kind != resource.resource_type and f"{kind}Name" in resource.properties:
            found.add(f"{kind.lower()}/{pattern(resource.properties[f'{kind}Name'])}")
    return found


def pattern(value: Any) -> str:
    """A pattern for a name: the text of an Fn::Sub with * in place of each variable."""
    match value:
        case str():
            return value
        case {"Fn::Sub": [str() as text, *_] | str(text)}:
            return re.sub(r"\$\{[^}]*\}", "*", text)
    return "*"


LIMITS: dict[str, Callable[[Sequence[TemplateResource]], list[str]]] = {
    "apprunner": _app_runner,
    "cloudwatch": _cloudwatch,
    "ecr": repositories,
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
