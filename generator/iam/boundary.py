"""The permissions boundary of a deployment's roles: the actions of their policies, on the deployment's names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from awacs import aws

from generator.iam.arns import NO_VALUE, branches, keys, limits, pattern
from generator.iam.statements import TemplateResource, resources_of, statement
from generator.layers import Layer
from generator.parts.permissions import document

_LOGS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
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
    "AmazonECSTaskExecutionRolePolicy": (
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
        *_LOGS,
    ),
    "AWSLambdaBasicExecutionRole": _LOGS,
    "AWSLambdaDynamoDBExecutionRole": (
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
        *_LOGS,
    ),
    "AWSLambdaSQSQueueExecutionRole": (
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
        *_LOGS,
    ),
    "AWSLambdaVPCAccessExecutionRole": (
        "ec2:*NetworkInterface*",
        "ec2:*PrivateIpAddresses",
        "ec2:Describe*",
        *_LOGS,
    ),
    "AWSXRayDaemonWriteAccess": ("xray:GetSampling*", "xray:Put*"),
}
EVERYTHING = aws.Statement(Effect=aws.Allow, Action=[aws.Action("*")], Resource=["*"])
"""For a rehearsal, where no statement says what an unknown policy or type needs."""
# What gives a role statements besides its own inline policies.
POLICIES = ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::RolePolicy")


def boundary(layers: Sequence[Layer], name: str, *own: aws.Statement) -> aws.PolicyDocument:
    """What the roles of the layers may do at most: the actions of the layers' policies, those of MANAGED, and `own`.

    A resource that a template names is limited as in CloudFormation's policy; one that only a parameter names is not.
    """
    resources = resources_of(layers, name)
    actions: dict[tuple[str, ...], set[str]] = {}
    for _, policy in _managed_policies(layers, resources):
        actions.setdefault(("*",), set()).update(MANAGED.get(policy, ()))
    for allowed in _statements(resources):
        for action in _items(allowed.get("Action", [])):
            if not isinstance(action, str):
                continue
            service = action.partition(":")[0]
            arns = {
                arn for node in _items(allowed.get("Resource", "*")) for arn in _arns(node, service, layers, resources)
            }
            actions.setdefault(("*",) if "*" in arns else tuple(sorted(arns)), set()).add(action)
    statements = [
        statement(f"Roles{number}", found, arns)
        for number, (arns, found) in enumerate(sorted(actions.items()), start=1)
        if found
    ]
    # A policy has at least one statement.
    nothing = aws.Statement(Effect=aws.Deny, Action=[aws.Action("*")], Resource=["*"])
    return document(*([*statements, *own] or [nothing]))


def unknown_rights(layers: Sequence[Layer]) -> list[str]:
    """What gives the layers' roles rights that a boundary does not include.

    That is managed policies, by their names where these are known, and statements with NotAction or with an action that
    a parameter names.
    """
    resources = resources_of(layers, "")
    found = {
        policy if "*" not in policy else f"the managed policy of {role}"
        for role, policy in _managed_policies(layers, resources)
        if policy not in MANAGED
    }
    for allowed in _statements(resources):
        if not all(isinstance(action, str) for action in _items(allowed.get("Action", {}))):
            found.add("NotAction" if "NotAction" in allowed else "an Action that is no text")
    return sorted(found)


def _managed_policies(layers: Sequence[Layer], resources: Sequence[TemplateResource]) -> Iterator[tuple[str, str]]:
    """The logical IDs of roles with the names of their managed policies, the last parts of the ARNs; not those of the
    templates."""
    own = {resource.logical_id for resource in resources if resource.resource_type in POLICIES}
    for role in resources:
        if role.resource_type == "AWS::IAM::Role":
            for arn in _items(role.properties.get("ManagedPolicyArns", [])):
                for found in _imported(arn, layers) or [arn]:
                    if not (isinstance(found, dict) and found.get("Ref") in own):
                        yield role.logical_id, pattern(found).rpartition("/")[2]


def _items(value: Any) -> Iterator[Any]:
    """The items of a list or the one value, of each branch."""
    for found in branches(value):
        if isinstance(found, list):
            for item in found:
                yield from _items(item)
        elif found != NO_VALUE:
            yield found


def _imported(node: Any, layers: Sequence[Layer]) -> list[Any]:
    """What an import of another layer's output stands for."""
    match node:
        case {"Fn::ImportValue": {"Fn::Sub": str() as name}}:
            outputs = [layer.template.get("Outputs", {}).get(name.partition("}-")[2]) for layer in layers]
            return [output["Value"] for output in outputs if output]
    return []


def _statements(resources: Sequence[TemplateResource]) -> Iterator[Mapping[str, Any]]:
    """The statements that allow the roles something: of their own policies, and of the templates' other policies."""
    for resource in resources:
        if resource.resource_type == "AWS::IAM::Role":
            yield from _allowing(resource.properties.get("Policies", []))
        elif resource.resource_type in POLICIES:
            yield from _allowing(resource.properties.get("PolicyDocument", {}))


def _allowing(node: Any) -> Iterator[Mapping[str, Any]]:
    """The statements that allow something, anywhere below `node`."""
    match node:
        case {"Effect": "Allow"}:
            yield node
        case dict():
            for value in node.values():
                yield from _allowing(value)
        case list():
            for value in node:
                yield from _allowing(value)


def _arns(node: Any, service: str, layers: Sequence[Layer], resources: Sequence[TemplateResource]) -> list[str]:
    """The ARN patterns that a Resource of a policy stands for, in statements on actions of `service`."""

    def arns(node: Any, rest: str = "") -> list[str]:
        match node:
            case {"Fn::If": _}:
                return [arn for branch in branches(node) if branch != NO_VALUE for arn in arns(branch, rest)]
            case {"Fn::ImportValue": _}:
                return [arn for value in _imported(node, layers) for arn in arns(value, rest)] or ["*"]
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
