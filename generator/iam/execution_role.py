"""The policy of CloudFormation's role: the permissions of the templates' resource types, on a deployment's names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from awacs import aws

from generator.errors import MissingPackageError
from generator.iam.arns import boundary_policy, keys, limits, pattern, roles
from generator.iam.handlers import (
    BOUNDED,
    DYNAMIC_REFERENCE,
    LINKED_ROLES,
    READS_A_SECRET,
    WITHOUT_RESOURCE,
    needed,
)
from generator.iam.statements import TemplateResource, resources_of, statement
from generator.layers import Layer
from generator.parts.permissions import document

# Any Region that has all the types of the templates.
SCHEMA_REGION = "us-east-1"
CUSTOM = ("Custom::", "AWS::CloudFormation::CustomResource")
# Types that nothing is created for.
WITHOUT_HANDLERS = (*CUSTOM, "AWS::CDK::Metadata", "AWS::CloudFormation::WaitCondition")
LINKED, PASSED = "iam:CreateServiceLinkedRole", "iam:PassRole"
READS_A_KEY, READS_ALARMS = "kms:DescribeKey", "cloudwatch:DescribeAlarms"
READS = ("Describe", "Get", "List")


def execution_role(layers: Sequence[Layer], name: str) -> aws.PolicyDocument:
    """For the role that CloudFormation acts with, which --role-arn names.

    It covers neither types whose schema lists no permissions nor roles outside the templates. It gives rights to
    roles with the permissions boundary `<name>-boundary` only, so that no template can give more than that allows.
    Raises MissingPackageError without cfn-lint.
    """
    return document(*resource_statements(layers, name))


def unknown_types(layers: Sequence[Layer]) -> list[str]:
    """The types whose handlers need actions that are not known here: their schemas list none, or a macro makes them."""
    of_types = _by_type(resources_of(layers, ""))
    return sorted(kind for kind, actions in of_types.items() if not (actions or kind.startswith(WITHOUT_HANDLERS)))


def resource_statements(layers: Sequence[Layer], name: str, *, reading: bool = False) -> list[aws.Statement]:
    """What CloudFormation's handlers need, by their Sids; with `reading`, only what describes resources.

    Secrets and their values are not read to describe them, although the schema of a secret lists GetSecretValue.
    """
    resources = resources_of(layers, name)
    actions = set().union(*_by_type(resources).values())
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
        *([] if reading else [_custom_resources(resources)]),
    ]
    return sorted((each for each in statements if each.Action and each.Resource), key=lambda each: str(each.Sid))


def _by_service(actions: set[str], resources: Sequence[TemplateResource]) -> Iterator[aws.Statement]:
    """A statement for the actions of each service, and one for those that take no resource."""
    services: dict[str, set[str]] = {}
    for action in actions:
        services.setdefault("" if action in WITHOUT_RESOURCE else action.partition(":")[0], set()).add(action)
    for service, of_service in services.items():
        sid = "".join(word.title() for word in service.split("-")) or "WithoutResource"
        if service == "kms":
            # A key of the template's own has no name, and is administered directly.
            own = set().union(*(found for kind, found in _by_type(resources).items() if kind.startswith("AWS::KMS::")))
            yield statement("Keys", of_service & own, ["*"])
            condition = aws.StringLike({"kms:ViaService": _users_of_keys(resources)})
            yield statement(sid, of_service - own, limits(service, resources), condition)
        else:
            yield statement(sid, of_service, limits(service, resources))


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


def _by_type(resources: Sequence[TemplateResource]) -> dict[str, set[str]]:
    """The actions that the handlers of each type need."""
    properties: dict[str, set[str]] = {}
    for resource in resources:
        properties.setdefault(resource.resource_type, set()).update(resource.properties)
    return {kind: needed(kind, permissions(kind), names, properties) for kind, names in properties.items()}


def _custom_resources(resources: Sequence[TemplateResource]) -> aws.Statement:
    """The functions of custom resources, which CloudFormation invokes with its role."""
    tokens = [one.properties.get("ServiceToken") for one in resources if one.resource_type.startswith(CUSTOM)]
    arns = {pattern(token) for token in tokens}
    functions = {arn if arn.startswith("arn:") else "arn:aws:lambda:*:*:function:*" for arn in arns}
    return statement("CustomResources", ["lambda:InvokeFunction"], (arn for arn in functions if ":lambda:" in arn))


def _linked_roles(resources: Sequence[TemplateResource]) -> aws.Statement:
    """Those of LINKED_ROLES; of other types those that have the service's name in theirs."""
    services = set()
    for kind, actions in _by_type(resources).items():
        known = {service for start, service in LINKED_ROLES.items() if kind.startswith(start)}
        services |= known or ({f"*{_service(actions)}*"} if LINKED in actions else set())
    arns = [f"arn:aws:iam::*:role/aws-service-role/{service}/*" for service in services]
    operator = aws.StringLike if "*" in "".join(services) else aws.StringEquals
    return statement("ServiceLinkedRoles", [LINKED], arns, operator({"iam:AWSServiceName": sorted(services)}))


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
    """The services whose handlers use keys, as the condition names them."""
    of_types = _by_type(resources).values()
    found = {_service(actions) for actions in of_types if any(action.startswith("kms:") for action in actions)}
    return [f"{service}.*.amazonaws.com" for service in sorted(found - {"kms"})]


def _service(actions: Iterable[str]) -> str:
    """The service that a type belongs to: that of most of its actions."""
    return Counter(action.partition(":")[0] for action in sorted(actions)).most_common(1)[0][0]


# The actions that have a statement of their own.
SPECIAL: dict[str, Callable[[Sequence[TemplateResource]], aws.Statement]] = {
    LINKED: _linked_roles,
    PASSED: _passed_roles,
    # Handlers themselves only describe keys; services use them.
    READS_A_KEY: lambda resources: statement("KeyDescription", [READS_A_KEY], keys(resources)),
    # It takes no narrower resource when it looks for one alarm by name.
    READS_ALARMS: lambda resources: statement("Alarms", [READS_ALARMS], ["arn:aws:cloudwatch:*:*:alarm:*"]),
}
