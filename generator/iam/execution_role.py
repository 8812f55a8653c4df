"""The policy of CloudFormation's role: the permissions of the templates' resource types, on a deployment's names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from awacs import aws

from generator.errors import MissingPackageError
from generator.iam.arns import boundary_policy, keys, limits, roles
from generator.iam.handlers import (
    BOUNDED,
    DYNAMIC_REFERENCE,
    LINKED_ROLES,
    READS_A_SECRET,
    TARGETS,
    WITHOUT_RESOURCE,
    needed,
)
from generator.iam.statements import TemplateResource, resources_of, statement
from generator.layers import Layer
from generator.parts.permissions import document

# Any Region that has all the types of the templates.
SCHEMA_REGION = "us-east-1"
LINKED, PASSED = "iam:CreateServiceLinkedRole", "iam:PassRole"
READS_A_KEY, READS_ALARMS = "kms:DescribeKey", "cloudwatch:DescribeAlarms"
READS = ("Describe", "Get", "List")
# The properties that take a key.
KEY_PROPERTIES = {"EncryptionConfiguration", "KmsKeyId"}


def execution_role(layers: Sequence[Layer], name: str) -> aws.PolicyDocument:
    """For the role that CloudFormation acts with, which --role-arn names.

    It covers neither types without a schema (custom resources) nor roles outside the templates. It gives rights to
    roles with the permissions boundary `<name>-boundary` only, so that no template can give more than that allows.
    Raises MissingPackageError without cfn-lint.
    """
    return document(*resource_statements(layers, name))


def resource_statements(layers: Sequence[Layer], name: str, *, reading: bool = False) -> list[aws.Statement]:
    """What CloudFormation's handlers need, by their Sids; with `reading`, only what describes resources.

    Secrets and their values are not read to describe them, although the schema of a secret lists GetSecretValue.
    """
    resources = resources_of(layers, name)
    actions = _actions(resources)
    if any(DYNAMIC_REFERENCE in layer.text() for layer in layers):
        actions.add(READS_A_SECRET)
    if reading:
        actions = {action for action in actions if action.partition(":")[2].startswith(READS)}
        actions -= {READS_A_SECRET, "secretsmanager:GetRandomPassword"}
    bounded = actions & BOUNDED
    demanded = aws.StringLike({"iam:PermissionsBoundary": boundary_policy(name)})
    statements = [
        *(make(resources) for action, make in SPECIAL.items() if action in actions),
        statement("BoundedRoles", bounded, roles(resources), demanded),
        *_by_service(actions - SPECIAL.keys() - BOUNDED, resources),
    ]
    return sorted((each for each in statements if each.Action and each.Resource), key=lambda each: str(each.Sid))


def _by_service(actions: set[str], resources: Sequence[TemplateResource]) -> Iterator[aws.Statement]:
    """A statement for the actions of each service, and one for those that take no resource."""
    services: dict[str, set[str]] = {}
    for action in actions:
        services.setdefault("" if action in WITHOUT_RESOURCE else action.partition(":")[0], set()).add(action)
    for service, of_service in services.items():
        sid = "".join(word.title() for word in service.split("-")) or "WithoutResource"
        condition = aws.StringLike({"kms:ViaService": _users_of_keys(resources)}) if service == "kms" else None
        yield statement(sid, of_service, limits(service, resources), condition)


@cache
def permissions(resource_type: str) -> frozenset[str]:
    """The permissions that the type's schema lists for its handlers, except the list handler, and for its tags.

    Some schemas list API operations that are not IAM actions, such as s3:DeleteBucketCors: these are left out.
    A handler may list tags whenever it reads, although no resource has any: that of App Runner's auto scaling
    configuration fails the stack with "Failed to list tags" where it may not (aws-cdk 34275, redcap-on-aws 82).
    """
    try:
        from cfnlint.schema import ResourceNotFoundError
        from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER as manager
    except ModuleNotFoundError as error:
        raise MissingPackageError(package="cfn-lint", extra="lint", instead="pass --no-lint to build") from error
    try:
        schema = manager.get_resource_schema(SCHEMA_REGION, resource_type).schema
    except ResourceNotFoundError:
        return frozenset()
    handlers = schema.get("handlers", {})
    listed = {action for verb, handler in handlers.items() if verb != "list" for action in handler["permissions"]}
    listed.update(schema.get("tagging", {}).get("permissions", ()))
    return frozenset(str(action) for action in listed if _exists(action.lower()))


def _exists(permission: str) -> bool:
    """Whether IAM has an action; true where cfn-lint does not know the service."""
    services = _iam_services()
    service, _, action = permission.partition(":")
    return service not in services or "*" in action or action in services[service]["Actions"]


@cache
def _iam_services() -> Mapping[str, Any]:
    """IAM's services with their actions in lower case. Cached, because cfn-lint takes 70 ms to read them."""
    from cfnlint.data import AdditionalSpecs
    from cfnlint.helpers import load_resource

    services: Mapping[str, Any] = load_resource(AdditionalSpecs, "Policies.json")
    return services


def _actions(resources: Sequence[TemplateResource]) -> set[str]:
    properties: dict[str, set[str]] = {}
    for resource in resources:
        properties.setdefault(resource.resource_type, set()).update(resource.properties)
    found = {action for kind, names in properties.items() for action in needed(kind, permissions(kind), names)}
    absent = tuple(service for service, kind in TARGETS.items() if kind not in properties)
    return {action for action in found if not action.startswith(absent)}


def _linked_roles(resources: Sequence[TemplateResource]) -> aws.Statement:
    types = {resource.resource_type for resource in resources}
    services = {service for start, service in LINKED_ROLES.items() if any(kind.startswith(start) for kind in types)}
    arns = [f"arn:aws:iam::*:role/aws-service-role/{service}/*" for service in services]
    return statement("ServiceLinkedRoles", [LINKED], arns, aws.StringEquals({"iam:AWSServiceName": sorted(services)}))


def _passed_roles(resources: Sequence[TemplateResource]) -> aws.Statement:
    """To the services that the roles trust. For tasks.apprunner.amazonaws.com and the like also to
    apprunner.amazonaws.com, as in the managed policy AWSAppRunnerFullAccess."""
    trusted: set[str] = set()
    for resource in resources:
        for trust in resource.properties.get("AssumeRolePolicyDocument", {}).get("Statement", ()):
            match trust:
                case {"Principal": {"Service": [*names]}}:
                    trusted.update(names)
                case {"Principal": {"Service": str() as name}}:
                    trusted.add(name)
    services = trusted | {service.partition(".")[2] for service in trusted if service.count(".") > 2}
    condition = aws.StringEquals({"iam:PassedToService": sorted(services)})
    return statement("PassRoles", [PASSED], roles(resources), condition)


def _users_of_keys(resources: Sequence[TemplateResource]) -> list[str]:
    services = {
        resource.resource_type.split("::")[1].lower()
        for resource in resources
        if KEY_PROPERTIES & set(resource.properties)
    }
    return [f"{service}.*.amazonaws.com" for service in sorted(services)]


# The actions that have a statement of their own.
SPECIAL: dict[str, Callable[[Sequence[TemplateResource]], aws.Statement]] = {
    LINKED: _linked_roles,
    PASSED: _passed_roles,
    # Handlers themselves only describe keys; services use them.
    READS_A_KEY: lambda resources: statement("KeyDescription", [READS_A_KEY], keys(resources)),
    # It takes no narrower resource when it looks for one alarm by name.
    READS_ALARMS: lambda resources: statement("Alarms", [READS_ALARMS], ["arn:aws:cloudwatch:*:*:alarm:*"]),
}
