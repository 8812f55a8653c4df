"""ARN patterns of the templates' resources, by service, from the names that they have or CloudFormation will generate.

Most generated names begin with the stack's name (CloudFormation user guide, "Name type"). Those of App Runner's
resources, secrets and dashboards begin with the logical ID (seen in deployments; cloudformation-cli-java-plugin issue
239).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from generator.compute.apprunner import app_runner_name
from generator.iam.handlers import EXPRESS
from generator.iam.statements import TemplateResource

ArnsOf: TypeAlias = Callable[[Sequence[TemplateResource]], list[str]]
"""The ARN patterns of those of the resources that are of one service or one type."""


@dataclass(frozen=True)
class _Names:
    """How the ARNs of a type's resources begin, and the property that gives a resource a name of the template's own.

    ends: what may follow a name of the template's own. by_logical_id: some sources say that generated names begin with
    the logical ID, others with the stack's name.
    """

    start: str
    own: str
    ends: tuple[str, ...] = ("",)
    by_logical_id: bool = False

    def arns(self, resource: TemplateResource) -> set[str]:
        """Names that only a parameter gives are unknown: any, but of roles and IAM policies those of the stack."""
        start = self.start + (pattern(resource.properties.get("Path", "/")) if self.start.startswith(IAM) else "")
        found = set()
        for given in branches(resource.properties.get(self.own, NO_VALUE)):
            own = "" if given == NO_VALUE else pattern(given, resource.stack)
            if own and not (own.startswith("*") and self.start.startswith(IAM)):
                found |= {f"{start}{own}{end}" for end in self.ends}
                continue
            # Listing the stacks excludes the roles <name>-deploy and <name>-cloudformation, which must not be able to
            # change themselves.
            found |= {f"{start}{name}-*" for name in (resource.stack, *[resource.logical_id] * self.by_logical_id)}
        return found


NO_VALUE = {"Ref": "AWS::NoValue"}
IAM = "arn:aws:iam::"
_NAMES = {
    "AWS::CloudWatch::Alarm": _Names("arn:aws:cloudwatch:*:*:alarm:", "AlarmName"),
    "AWS::CloudWatch::CompositeAlarm": _Names("arn:aws:cloudwatch:*:*:alarm:", "AlarmName"),
    "AWS::CloudWatch::Dashboard": _Names("arn:aws:cloudwatch::*:dashboard/", "DashboardName", by_logical_id=True),
    "AWS::ECR::Repository": _Names("arn:aws:ecr:*:*:repository/", "RepositoryName"),
    "AWS::IAM::InstanceProfile": _Names(f"{IAM}*:instance-profile", "InstanceProfileName"),
    "AWS::IAM::ManagedPolicy": _Names(f"{IAM}*:policy", "ManagedPolicyName"),
    "AWS::IAM::Role": _Names(f"{IAM}*:role", "RoleName"),
    "AWS::Logs::LogGroup": _Names("arn:aws:logs:*:*:log-group:", "LogGroupName", ("", ":*")),
    # Secrets Manager adds a hyphen and six characters (API reference, CreateSecret, Name).
    "AWS::SecretsManager::Secret": _Names("arn:aws:secretsmanager:*:*:secret:", "Name", ("-*",), by_logical_id=True),
    "AWS::SNS::Topic": _Names("arn:aws:sns:*:*:", "TopicName", ("", ":*")),
}
# Types without a name of their own, which act on resources of the types above.
_NAMELESS = (
    "AWS::SNS::TopicInlinePolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::IAM::",
)


def _of_type(kind: str) -> ArnsOf:
    """Of the resources of one type."""
    return lambda resources: sorted({arn for one in resources if one.resource_type == kind for arn in named(one)})


def _always(*arns: str) -> ArnsOf:
    """The same patterns for all templates."""
    return lambda resources: list(arns)


keys = _always("arn:aws:kms:*:*:key/*")
roles = _of_type("AWS::IAM::Role")
secrets = _of_type("AWS::SecretsManager::Secret")
_images = _of_type("AWS::ECR::Repository")
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


def _secrets(resources: Sequence[TemplateResource]) -> list[str]:
    """The templates' own, and those that RDS makes.

    RDS user guide, "Password management with Amazon RDS and AWS Secrets Manager".
    """
    managed = any("ManageMasterUserPassword" in one.properties for one in resources)
    return [*secrets(resources), *["arn:aws:secretsmanager:*:*:secret:rds!*"] * managed]


def _app_runner(resources: Sequence[TemplateResource]) -> list[str]:
    """Every auto scaling configuration: how CloudFormation names one is not documented."""
    found = set(_web_acls(resources))
    for resource in resources:
        if resource.resource_type.startswith("AWS::AppRunner::"):
            kind = resource.resource_type.split("::")[2]
            given = resource.properties.get(f"{kind}Name")
            name = pattern(given, resource.stack) if given else app_runner_name(resource.logical_id)
            any_name = kind == "AutoScalingConfiguration" or name.startswith("*")
            found.add(f"arn:aws:apprunner:*:*:{kind.lower()}/{'*' if any_name else f'{name}/*'}")
    return sorted(found)


def _web_acls(resources: Sequence[TemplateResource]) -> list[str]:
    associated = any(resource.resource_type == "AWS::WAFv2::WebACLAssociation" for resource in resources)
    return ["arn:aws:wafv2:*:*:regional/webacl/*/*"] if associated else []


def _firewall(resources: Sequence[TemplateResource]) -> list[str]:
    """Web ACLs, their rule groups, and what they are associated with."""
    services = [arn for arn in _app_runner(resources) if ":service/" in arn]
    if any(resource.resource_type == EXPRESS for resource in resources):
        services += _balancers(resources)
    return [*_web_acls(resources), "arn:aws:wafv2:*:*:*/rulegroup/*/*", *services]


def branches(value: Any) -> Iterator[Any]:
    """What a value can be: each branch of an Fn::If."""
    match value:
        case {"Fn::If": [_, first, second]}:
            yield from branches(first)
            yield from branches(second)
        case _:
            yield value


def pattern(value: Any, stack: str = "*") -> str:
    """A pattern for a name or ARN: `stack` for the stack's name, aws for the partition, * for each other unknown."""
    match value:
        case str():
            return value
        case {"Fn::Sub": [str() as text, *_] | str(text)}:
            known = text.replace("${AWS::StackName}", stack).replace("${AWS::Partition}", "aws")
            return re.sub(r"\$\{[^}]*\}", "*", known)
        case {"Ref": "AWS::StackName"}:
            return stack
        case {"Ref": "AWS::Partition"}:
            return "aws"
        case {"Fn::Join": [str() as delimiter, [*parts]]}:
            return delimiter.join(pattern(part, stack) for part in parts)
    return "*"


def named(resource: TemplateResource) -> list[str]:
    """The ARN patterns of one resource; empty for a type whose names are not known here."""
    names = _NAMES.get(resource.resource_type)
    return sorted(names.arns(resource)) if names else []


@dataclass(frozen=True)
class _Service:
    """How a service's types begin, those of them whose names are known, and the ARN patterns for all its actions."""

    types: str
    known: tuple[str, ...]
    arns: ArnsOf

    def limits(self, resources: Sequence[TemplateResource]) -> list[str]:
        own = [one.resource_type for one in resources if one.resource_type.startswith(self.types)]
        return self.arns(resources) if all(kind.startswith(self.known) for kind in own) else []


def _of_types(types: str) -> _Service:
    """A service whose types are in _NAMES, or act on those that are."""
    known = tuple(kind for kind in (*_NAMES, *_NAMELESS) if kind.startswith(types))

    def arns(resources: Sequence[TemplateResource]) -> list[str]:
        return sorted({arn for one in resources if one.resource_type.startswith(types) for arn in named(one)})

    return _Service(types, known, arns)


_SERVICES = {
    "apprunner": _Service("AWS::AppRunner::", ("AWS::AppRunner::",), _app_runner),
    "cloudwatch": _of_types("AWS::CloudWatch::"),
    "ecr": _Service("AWS::ECR::", ("AWS::ECR::Repository",), repositories),
    "ecs": _Service("AWS::ECS::", (EXPRESS,), _express),
    "elasticloadbalancing": _Service("AWS::ElasticLoadBalancing", (), _balancers),
    "iam": _of_types("AWS::IAM::"),
    "kms": _Service("AWS::KMS::", ("AWS::KMS::",), keys),
    "logs": _of_types("AWS::Logs::"),
    "memorydb": _Service("AWS::MemoryDB::", ("AWS::MemoryDB::",), _memorydb),
    "secretsmanager": _Service("AWS::SecretsManager::", ("AWS::SecretsManager::",), _secrets),
    "sns": _of_types("AWS::SNS::"),
    "wafv2": _Service("AWS::WAFv2::", ("AWS::WAFv2::WebACLAssociation",), _firewall),
}


def limits(service: str, resources: Sequence[TemplateResource]) -> list[str]:
    """What the actions of a service are limited to.

    That is every resource where the templates have none of the service, or one whose name is not known here; except of
    IAM, whose actions on every role, user or group would give all rights.
    """
    found = _SERVICES.get(service)
    return (found.limits(resources) if found else []) or ([] if service == "iam" else ["*"])
