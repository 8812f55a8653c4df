"""The permissions boundary of a deployment's roles: the actions of their policies, on the deployment's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from awacs import aws

from generator.iam.arns import LIMITS, anything, pattern
from generator.iam.handlers import TemplateResource, allow, resources_of
from generator.layers import Layer
from generator.parts.permissions import POLICY_VERSION

# What AWS's policies for roles allow, in the wider terms of their services: AWS changes them, and a boundary that lacks
# an action breaks deployments. Source: AWS managed policy reference.
MANAGED = {
    "AmazonECSInfrastructureRoleforExpressGatewayServices": (
        "acm:*",
        "application-autoscaling:*",
        "cloudwatch:*Alarm*",
        "cloudwatch:TagResource",
        "ec2:*SecurityGroup*",
        "ec2:CreateTags",
        "ec2:Describe*",
        "elasticloadbalancing:*",
        "iam:CreateServiceLinkedRole",
        "logs:CreateLogGroup",
        "logs:DescribeLogGroups",
        "logs:TagResource",
    ),
}


def boundary(layers: Sequence[Layer], name: str, *own: aws.Statement) -> aws.PolicyDocument:
    """What the roles of the layers may do at most: the actions of their inline policies, those of MANAGED, and `own`.

    A resource that a template names is limited as in CloudFormation's policy; one that only a parameter names is not.
    """
    resources = [resource for layer in layers for resource in resources_of(layer, f"{name}-{layer.name}")]
    actions: dict[tuple[str, ...], set[str]] = {}
    for role in resources:
        if role.resource_type != "AWS::IAM::Role":
            continue
        for statement in _statements(role.properties.get("Policies", [])):
            for action in _listed(statement["Action"]):
                limits = {
                    limit
                    for node in _listed(statement["Resource"])
                    for limit in _limits(node, action.partition(":")[0], layers, resources)
                }
                actions.setdefault(("*",) if "*" in limits else tuple(sorted(limits)), set()).add(action)
        for policy in _names(role.properties.get("ManagedPolicyArns", [])):
            actions.setdefault(("*",), set()).update(MANAGED.get(policy, ()))
    statements = [
        allow(f"Roles{number}", [aws.Action(*action.split(":", 1)) for action in found], limits)
        for number, (limits, found) in enumerate(sorted(actions.items()), start=1)
    ]
    # A policy has at least one statement.
    nothing = aws.Statement(Effect=aws.Deny, Action=[aws.Action("*")], Resource=["*"])
    return aws.PolicyDocument(Version=POLICY_VERSION, Statement=[*statements, *own] or [nothing])


def unknown_policies(layers: Sequence[Layer]) -> set[str]:
    """The managed policies of the layers' roles whose actions a boundary does not include."""
    return {
        policy
        for layer in layers
        for resource in resources_of(layer, "")
        for policy in _names(resource.properties.get("ManagedPolicyArns", []))
        if resource.resource_type == "AWS::IAM::Role" and policy not in MANAGED
    }


def _statements(node: Any) -> Iterator[Mapping[str, Any]]:
    """The statements that allow something, anywhere below `node`."""
    match node:
        case {"Effect": "Allow", "Action": _, "Resource": _}:
            yield node
        case dict():
            for value in node.values():
                yield from _statements(value)
        case list():
            for value in node:
                yield from _statements(value)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _names(arns: Any) -> Iterator[str]:
    """The names of managed policies, of which the last part of an ARN is one."""
    for arn in _listed(arns):
        yield pattern(arn).rpartition("/")[2]


def _limits(node: Any, service: str, layers: Sequence[Layer], resources: Sequence[TemplateResource]) -> list[str]:
    """The resources that a policy's Resource stands for."""
    logical_ids = {resource.logical_id for resource in resources}
    match node:
        case str() | {"Fn::Sub": _}:
            return [pattern(node)]
        case {"Fn::If": [_, first, second]}:
            return [*_limits(first, service, layers, resources), *_limits(second, service, layers, resources)]
        case {"Ref": "AWS::NoValue"}:
            return []
        case {"Fn::ImportValue": {"Fn::Sub": str() as name}}:
            outputs = [layer.template.get("Outputs", {}).get(name.partition("}-")[2]) for layer in layers]
            values = [output["Value"] for output in outputs if output]
            return [limit for value in values for limit in _limits(value, service, layers, resources)] or ["*"]
        case {"Fn::GetAtt": [logical_id, _]} | {"Ref": logical_id} if logical_id in logical_ids:
            return LIMITS.get(service, anything)(resources) or ["*"]
        case {"Ref": _} if service == "kms":
            return LIMITS[service](resources)
    return ["*"]
