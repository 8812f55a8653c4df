"""What the role needs that CloudFormation acts with: permissions of the templates' types, on a deployment's names."""

from __future__ import annotations

from collections.abc import Sequence

from awacs import aws

from generator.errors import MissingPackageError
from generator.iam.arns import LIMITS, anything, keys, roles
from generator.iam.handlers import (
    DYNAMIC_REFERENCE,
    LINKED_ROLES,
    READS_A_SECRET,
    TARGETS,
    WITHOUT_RESOURCE,
    Held,
    allow,
    held,
    needed,
)
from generator.layers import Layer
from generator.parts.permissions import POLICY_VERSION

# Any Region that has all the types of the templates.
SCHEMA_REGION = "us-east-1"
LINKED, PASSED = "iam:CreateServiceLinkedRole", "iam:PassRole"
# Of keys only their description is read by handlers themselves; all else is done by services on their behalf.
READS_A_KEY = "kms:DescribeKey"
READS_ALARMS = "cloudwatch:DescribeAlarms"
# What names a key in the types that take one.
KEY_PROPERTIES = {"EncryptionConfiguration", "KmsKeyId"}


def execution_role(layers: Sequence[Layer], name: str) -> aws.PolicyDocument:
    """For the role that CloudFormation acts with, which --role-arn names.

    Types without a schema (custom resources) and roles that the templates do not hold are not in it.
    Raises MissingPackageError without cfn-lint.
    """
    resources = [one for layer in layers for one in held(layer, f"{name}-{layer.name}")]
    wanted = _actions(resources)
    if any(DYNAMIC_REFERENCE in layer.text() for layer in layers):
        wanted.add(READS_A_SECRET)
    special = {LINKED: _linked_roles, PASSED: _passed_roles, READS_A_KEY: _key, READS_ALARMS: _alarms}
    made = (make(resources) for action, make in special.items() if action in wanted)
    statements = [statement for statement in made if statement.Resource]
    wanted -= set(special)
    by_service: dict[str, set[str]] = {}
    for action in wanted:
        by_service.setdefault("" if action in WITHOUT_RESOURCE else action.partition(":")[0], set()).add(action)
    for service, actions in sorted(by_service.items()):
        sid = "".join(word.title() for word in service.split("-")) or "WithoutResource"
        # A type may need a service of which the templates hold nothing that has a name.
        limits = LIMITS.get(service, anything)(resources) or anything(resources)
        condition = aws.StringLike({"kms:ViaService": _users_of_keys(resources)}) if service == "kms" else None
        statements.append(allow(sid, map(_action, actions), limits, condition))
    return aws.PolicyDocument(Version=POLICY_VERSION, Statement=sorted(statements, key=lambda one: str(one.Sid)))


def permissions(resource_type: str) -> set[str]:
    """What the type's schema lists for its handlers, the one that lists resources left out."""
    try:
        from cfnlint.schema import ResourceNotFoundError
        from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER as manager
    except ModuleNotFoundError as error:
        raise MissingPackageError(package="cfn-lint", extra="lint", instead="pass --no-lint") from error
    try:
        handlers = manager.get_resource_schema(SCHEMA_REGION, resource_type).schema.get("handlers", {})
    except ResourceNotFoundError:
        return set()
    listed = {action for verb, handler in handlers.items() if verb != "list" for action in handler["permissions"]}
    return {str(action) for action in listed}


def _actions(resources: Sequence[Held]) -> set[str]:
    properties: dict[str, set[str]] = {}
    for one in resources:
        properties.setdefault(one.resource_type, set()).update(one.properties)
    found = {action for kind, names in properties.items() for action in needed(kind, permissions(kind), names)}
    absent = tuple(service for service, kind in TARGETS.items() if kind not in properties)
    return {action for action in found if not action.startswith(absent)}


def _action(name: str) -> aws.Action:
    return aws.Action(*name.split(":", 1))


def _linked_roles(resources: Sequence[Held]) -> aws.Statement:
    types = {one.resource_type for one in resources}
    services = {service for start, service in LINKED_ROLES.items() if any(kind.startswith(start) for kind in types)}
    roles = [f"arn:aws:iam::*:role/aws-service-role/{service}/*" for service in services]
    condition = aws.StringEquals({"iam:AWSServiceName": sorted(services)})
    return allow("ServiceLinkedRoles", [_action(LINKED)], roles, condition)


def _passed_roles(resources: Sequence[Held]) -> aws.Statement:
    """To those services that the roles trust, and to App Runner as its managed policy AWSAppRunnerFullAccess names it,
    where the roles trust its parts, such as tasks.apprunner.amazonaws.com."""
    trusted: set[str] = set()
    for one in resources:
        for statement in one.properties.get("AssumeRolePolicyDocument", {}).get("Statement", ()):
            match statement:
                case {"Principal": {"Service": [*names]}}:
                    trusted.update(names)
                case {"Principal": {"Service": str() as name}}:
                    trusted.add(name)
    services = trusted | {service.partition(".")[2] for service in trusted if service.count(".") > 2}
    condition = aws.StringEquals({"iam:PassedToService": sorted(services)})
    return allow("PassRoles", [_action(PASSED)], roles(resources), condition)


def _key(resources: Sequence[Held]) -> aws.Statement:
    return allow("KeyDescription", [_action(READS_A_KEY)], keys(resources))


def _alarms(resources: Sequence[Held]) -> aws.Statement:
    """One that is asked for by its name is looked for among all."""
    return allow("Alarms", [_action(READS_ALARMS)], ["arn:aws:cloudwatch:*:*:alarm:*"])


def _users_of_keys(resources: Sequence[Held]) -> list[str]:
    services = {one.resource_type.split("::")[1].lower() for one in resources if KEY_PROPERTIES & set(one.properties)}
    return [f"{service}.*.amazonaws.com" for service in sorted(services)]
