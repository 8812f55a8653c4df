"""Rules about IAM: who may assume a role, statements about S3 objects, and the partitions in ARNs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ._apprunner import SERVICE as APP_RUNNER
from ._ecs_express import SERVICE as ECS_EXPRESS
from ._rule import Finding, Rule, finding
from ._values import ABSENT, PSEUDO, RESOURCE, UNKNOWN, Node, Template

# Where a service names a role, and which part of AWS assumes it.
ROLES: dict[str, dict[tuple[str, ...], str]] = {
    APP_RUNNER: {
        ("SourceConfiguration", "AuthenticationConfiguration", "AccessRoleArn"): "build.apprunner",
        ("InstanceConfiguration", "InstanceRoleArn"): "tasks.apprunner",
    },
    ECS_EXPRESS: {("InfrastructureRoleArn",): "ecs", ("ExecutionRoleArn",): "ecs-tasks", ("TaskRoleArn",): "ecs-tasks"},
}
BUCKET = "AWS::S3::Bucket"
WITH_POLICIES = ("AWS::IAM::Group", "AWS::IAM::Role", "AWS::IAM::User")
WITH_A_DOCUMENT = (
    *(f"AWS::IAM::{name}" for name in ("GroupPolicy", "ManagedPolicy", "Policy", "RolePolicy", "UserPolicy")),
    "AWS::S3::BucketPolicy",
)
# Those with the resource type object* in the Service Authorization Reference, and patterns that match no other action.
ON_OBJECTS = re.compile(
    r"s3:((Get|Put|Delete|Restore|Replicate)Object[A-Za-z]*\*?|AbortMultipartUpload|ListMultipartUploadParts)",
    re.IGNORECASE,
)
BUCKET_ARN = re.compile(r"arn:[^:/*?]+:s3:::([^:/*?]+)")
LITERAL_PARTITION = re.compile(r"arn:aws(-[a-z]+)*:")


class Trust(Rule):
    id = "E9662"
    shortdesc = "App Runner and ECS Express roles trust the service that assumes them"
    description = (
        "App Runner pulls images as build.apprunner.amazonaws.com and runs instances as tasks.apprunner.amazonaws.com; "
        "ECS builds the infrastructure as ecs.amazonaws.com and runs tasks as ecs-tasks.amazonaws.com."
    )
    source_url = "https://docs.aws.amazon.com/apprunner/latest/dg/security_iam_service-with-iam.html"
    types = tuple(ROLES)

    def findings(self, node: Node) -> Iterator[Finding]:
        for names, service in ROLES[node.type].items():
            for value, where in node.values(*names):
                for role in where.beside("AWS::IAM::Role"):
                    if _is_arn_of(value, role) and not _trusts(role, service):
                        message = f"{role.logical_id} does not trust {service}.amazonaws.com, which assumes it"
                        yield finding(node, message, *names)


def _is_arn_of(value: Any, role: Node) -> bool:
    """Whether a value is a role's attribute, or an ARN that ends with its name."""
    reference = role.template.reference(value)
    if reference:
        return (reference.kind, reference.name, reference.attribute) == (RESOURCE, role.logical_id, "Arn")
    named = re.search(r":role/(?:.*/)?([^/]+)$", str(value))
    return named is not None and role.is_called(named[1], "RoleName")


def _trusts(role: Node, service: str) -> bool:
    """Whether a role's policy lets a service assume it, or is not known well enough to say that it does not."""
    principals = [
        text
        for document in _objects(role, "AssumeRolePolicyDocument")
        for statement in _objects(document, "Statement")
        for effect, allowing in statement.values("Effect")
        if effect != "Deny"
        for principal, where in allowing.values("Principal")
        for _, text, _ in _texts(where, principal, ())
        if text != ABSENT
    ]
    return not principals or any(_may_be(service, principal) for principal in principals)


def _may_be(service: str, principal: str) -> bool:
    known, *unknown = UNKNOWN.split(principal, 1)
    begins = f"{service}.amazonaws."
    return known == "*" or known.startswith(begins) or (bool(unknown) and begins.startswith(known))


class Objects(Rule):
    id = "W9663"
    shortdesc = "IAM statements about S3 objects name objects"
    description = (
        "Actions such as s3:GetObject are on objects, whose ARNs have a slash and a key after the bucket's name. On "
        "the bucket's ARN alone they match nothing: write ${Bucket.Arn}/* with Fn::Sub."
    )
    source_url = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html"
    types = (*WITH_POLICIES, *WITH_A_DOCUMENT)

    def findings(self, node: Node) -> Iterator[Finding]:
        for policy in _objects(node, "Policies") if node.type in WITH_POLICIES else [node]:
            for document in _objects(policy, "PolicyDocument"):
                for statement in _objects(document, "Statement"):
                    for resources, where in statement.lists("Resource"):
                        if resources and all(_is_bucket(node.template, resource) for resource in resources):
                            for action in _on_objects(where):
                                yield finding(statement, f"{action} is on objects, not on a bucket: add /*", "Resource")


def _on_objects(statement: Node) -> Iterator[str]:
    for actions, _ in statement.lists("Action"):
        yield from (action for action in actions if isinstance(action, str) and ON_OBJECTS.fullmatch(action))


def _is_bucket(template: Template, value: Any) -> bool:
    """Whether a text is certainly a bucket's ARN, without a key."""
    reference = template.reference(value)
    if reference:
        return reference.attribute == "Arn" and template.type_of(reference.name) == BUCKET
    named = BUCKET_ARN.fullmatch(value) if isinstance(value, str) else None
    return named is not None and all(
        reference.kind == PSEUDO or (reference.kind == RESOURCE and template.type_of(reference.name) == BUCKET)
        for reference in template.references(named[1])
    )


class LiteralPartition(Rule):
    id = "W9661"
    shortdesc = "ARNs of MemoryDB, App Runner and ECS Express name no partition"
    description = "An ARN with a literal partition works in one partition only: write ${AWS::Partition} with Fn::Sub."
    source_url = (
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/pseudo-parameter-reference.html"
    )
    types = (
        *(f"AWS::MemoryDB::{name}" for name in ("ACL", "Cluster", "MultiRegionCluster", "ParameterGroup")),
        *(f"AWS::MemoryDB::{name}" for name in ("SubnetGroup", "User")),
        *(f"AWS::AppRunner::{name}" for name in ("AutoScalingConfiguration", "ObservabilityConfiguration", "Service")),
        *(f"AWS::AppRunner::{name}" for name in ("VpcConnector", "VpcIngressConnection")),
        "AWS::ECS::ExpressGatewayService",
    )

    def findings(self, node: Node) -> Iterator[Finding]:
        for path, text, where in _texts(node, node.value, node.path):
            # What a parameter is set to is the deployment's choice.
            if LITERAL_PARTITION.search(text) and not where.parameters and not where.in_one_place():
                yield Finding(path, "A literal partition in an ARN: write ${AWS::Partition}")


def _objects(node: Node, *names: str) -> Iterator[Node]:
    """The objects that a property can have: one, those of a list, or one written as JSON."""
    for value, where in node.values(*names):
        if isinstance(value, str):
            with suppress(ValueError, RecursionError):
                value = json.loads(value)
        if isinstance(value, dict):
            yield where.of(value, (*node.path, *names))
        else:
            yield from node.items(*names)


def _texts(node: Node, expression: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str, Node]]:
    """Every text in an object, resolved, and where it stands."""
    for value, where in node.resolve(expression):
        if isinstance(value, str):
            yield path, value, where
        elif isinstance(value, (dict, list)):
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                yield from _texts(where, inner, (*path, key))
