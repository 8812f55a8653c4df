"""The permissions boundary of a deployment's roles: the actions of their policies, on the deployment's names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from awacs import aws

from generator.iam.arns import keys, limits, pattern
from generator.iam.statements import TemplateResource, resources_of, statement
from generator.layers import Layer
from generator.parts.permissions import document

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
    )
}


def boundary(layers: Sequence[Layer], name: str, *own: aws.Statement) -> aws.PolicyDocument:
    """What the roles of the layers may do at most: the actions of their inline policies, those of MANAGED, and `own`.

    A resource that a template names is limited as in CloudFormation's policy; one that only a parameter names is not.
    """
    resources = resources_of(layers, name)
    actions: dict[tuple[str, ...], set[str]] = {}
    for role in _roles(resources):
        for policy in _managed_policies(role):
            actions.setdefault(("*",), set()).update(MANAGED.get(policy, ()))
        for allowed in _statements(role.properties.get("Policies", [])):
            for action in _listed(allowed["Action"]):
                service = action.partition(":")[0]
                arns = {arn for node in _listed(allowed["Resource"]) for arn in _arns(node, service, layers, resources)}
                actions.setdefault(("*",) if "*" in arns else tuple(sorted(arns)), set()).add(action)
    statements = [
        statement(f"Roles{number}", found, arns)
        for number, (arns, found) in enumerate(sorted(actions.items()), start=1)
    ]
    # A policy has at least one statement.
    nothing = aws.Statement(Effect=aws.Deny, Action=[aws.Action("*")], Resource=["*"])
    return document(*([*statements, *own] or [nothing]))


def unknown_policies(layers: Sequence[Layer]) -> set[str]:
    """The managed policies of the layers' roles whose actions a boundary does not include."""
    return {policy for role in _roles(resources_of(layers, "")) for policy in _managed_policies(role)} - MANAGED.keys()


def _roles(resources: Sequence[TemplateResource]) -> list[TemplateResource]:
    return [resource for resource in resources if resource.resource_type == "AWS::IAM::Role"]


def _managed_policies(role: TemplateResource) -> list[str]:
    """The names of a role's managed policies: the last parts of their ARNs."""
    return [pattern(arn).rpartition("/")[2] for arn in _listed(role.properties.get("ManagedPolicyArns", []))]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


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


def _arns(node: Any, service: str, layers: Sequence[Layer], resources: Sequence[TemplateResource]) -> list[str]:
    """The ARN patterns that a Resource of a policy stands for, in statements on actions of `service`."""

    def arns(node: Any, rest: str = "") -> list[str]:
        match node:
            case {"Fn::If": [_, first, second]}:
                return arns(first, rest) + arns(second, rest)
            case {"Ref": "AWS::NoValue"}:
                return []
            case {"Fn::ImportValue": {"Fn::Sub": str() as name}}:
                outputs = [layer.template.get("Outputs", {}).get(name.partition("}-")[2]) for layer in layers]
                return [arn for output in outputs if output for arn in arns(output["Value"], rest)] or ["*"]
            case {"Fn::GetAtt": [logical_id, _]} | {"Ref": logical_id} if logical_id in logical_ids:
                return [arn + rest if arn != "*" else arn for arn in limits(service, resources)]
            case {"Ref": _} if service == "kms":
                return keys(resources)
            case {"Fn::Join": ["", [first, *others]]}:
                return arns(first, "".join(map(pattern, others)) + rest)
            case {"Fn::Sub": [str() as text, dict() as values]} | {"Fn::Sub": str(text) as values} if (
                variable := re.match(r"\$\{(\w+)(?:\.(\w+))?\}", text)
            ):
                name, attribute = variable.groups()
                given = values.get(name) if isinstance(values, dict) else None
                start = given or ({"Fn::GetAtt": [name, attribute]} if attribute else {"Ref": name})
                return arns(start, pattern({"Fn::Sub": text[variable.end() :]}) + rest)
        found = pattern(node) + rest
        return [found if found.startswith("arn:") else "*"]

    logical_ids = {resource.logical_id for resource in resources}
    return arns(node)
