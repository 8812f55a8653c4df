"""ARN patterns of the templates' resources, by service, from the names that CloudFormation will generate.

Most generated names begin with the stack's name (CloudFormation user guide, "Name type"). Those of App Runner's
resources, secrets and dashboards begin with the logical ID (seen in deployments; cloudformation-cli-java-plugin issue
239).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from generator.compute.apprunner import app_runner_name
from generator.iam.handlers import TARGETS
from generator.iam.statements import TemplateResource

ArnsOf: TypeAlias = Callable[[Sequence[TemplateResource]], list[str]]
"""The ARN patterns of those of the resources that are of one service or one type."""


def _always(*arns: str) -> ArnsOf:
    """The same patterns for all templates."""
    return lambda resources: list(arns)


def _after_stack(kind: str, start: str) -> ArnsOf:
    """Of resources named after their stack. Listing the stacks excludes the roles <name>-deploy and
    <name>-cloudformation, which must not be able to change themselves."""
    return lambda resources: sorted({f"{start}{one.stack}-*" for one in resources if one.resource_type == kind})


def _after_both(kind: str, start: str) -> ArnsOf:
    """Of resources named after their logical ID or their stack: sources disagree."""

    def arns(resources: Sequence[TemplateResource]) -> list[str]:
        logical_ids = {f"{start}{one.logical_id}-*" for one in resources if one.resource_type == kind}
        return sorted({*logical_ids, *_after_stack(kind, start)(resources)})

    return arns


keys = _always("arn:aws:kms:*:*:key/*")
roles = _after_stack("AWS::IAM::Role", "arn:aws:iam::*:role/")
secrets = _after_both("AWS::SecretsManager::Secret", "arn:aws:secretsmanager:*:*:secret:")
_alarms = _after_stack("AWS::CloudWatch::Alarm", "arn:aws:cloudwatch:*:*:alarm:")
_dashboards = _after_both("AWS::CloudWatch::Dashboard", "arn:aws:cloudwatch::*:dashboard/")
_images = _after_stack("AWS::ECR::Repository", "arn:aws:ecr:*:*:repository/")
# Of Express services: ECS names them ecs-express-gateway-alb-... .
_balancers = _always("arn:aws:elasticloadbalancing:*:*:loadbalancer/app/ecs-express-gateway-*")
# An unnamed service is named after its image's repository, which is a parameter, and so is its task definition; the
# form is not documented.
_express = _always(
    "arn:aws:ecs:*:*:cluster/default",
    "arn:aws:ecs:*:*:task-definition/*:*",
    "arn:aws:ecs:*:*:service/default/*",
    "arn:aws:ecs:*:*:service-deployment/default/*",
    "arn:aws:ecs:*:*:service-revision/default/*",
)


def boundary_policy(name: str) -> str:
    """The ARN of a deployment's permissions boundary."""
    return f"arn:aws:iam::*:policy/{name}-boundary"


def repositories(resources: Sequence[TemplateResource]) -> list[str]:
    """ARNs of ECR repositories, in the lower case that ECR demands."""
    return [arn.lower() for arn in _images(resources)]


def users(resources: Sequence[TemplateResource]) -> list[str]:
    """ARNs of MemoryDB users, by the names in the templates."""
    return [arn for arn in _memorydb(resources) if ":user/" in arn]


def _memorydb(resources: Sequence[TemplateResource]) -> list[str]:
    """By the names in the templates, and every snapshot, because a new cluster can be restored from any."""
    found = {"snapshot/*", "parametergroup/default.*"}
    for resource in resources:
        kind = resource.resource_type.removeprefix("AWS::MemoryDB::")
        if kind != resource.resource_type and f"{kind}Name" in resource.properties:
            found.add(f"{kind.lower()}/{pattern(resource.properties[f'{kind}Name'])}")
    return [f"arn:aws:memorydb:*:*:{name}" for name in sorted(found)]


def _app_runner(resources: Sequence[TemplateResource]) -> list[str]:
    """Every auto scaling configuration: how CloudFormation names one is not documented."""
    found = set(_web_acls(resources))
    for resource in resources:
        if resource.resource_type.startswith("AWS::AppRunner::"):
            kind = resource.resource_type.split("::")[2].lower()
            name = "*" if kind == "autoscalingconfiguration" else f"{app_runner_name(resource.logical_id)}/*"
            found.add(f"arn:aws:apprunner:*:*:{kind}/{name}")
    return sorted(found)


def _web_acls(resources: Sequence[TemplateResource]) -> list[str]:
    associated = any(resource.resource_type == "AWS::WAFv2::WebACLAssociation" for resource in resources)
    return ["arn:aws:wafv2:*:*:regional/webacl/*/*"] if associated else []


def _firewall(resources: Sequence[TemplateResource]) -> list[str]:
    """Web ACLs, their rule groups, and what they are associated with."""
    services = [arn for arn in _app_runner(resources) if ":service/" in arn]
    if any(resource.resource_type == TARGETS["elasticloadbalancing:"] for resource in resources):
        services += _balancers(resources)
    return [*_web_acls(resources), "arn:aws:wafv2:*:*:*/rulegroup/*/*", *services]


def pattern(value: Any) -> str:
    """A pattern for a name: the text of an Fn::Sub with * in place of each variable."""
    match value:
        case str():
            return value
        case {"Fn::Sub": [str() as text, *_] | str(text)}:
            return re.sub(r"\$\{[^}]*\}", "*", text)
    return "*"


_OF_SERVICES: dict[str, ArnsOf] = {
    "apprunner": _app_runner,
    "cloudwatch": lambda resources: [*_alarms(resources), *_dashboards(resources)],
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


def limits(service: str, resources: Sequence[TemplateResource]) -> list[str]:
    """What the actions of a service are limited to: every resource, where the templates have none with a known name."""
    arns_of = _OF_SERVICES.get(service)
    return (arns_of(resources) if arns_of else []) or ["*"]
