"""Changes of the rights in our templates. What is said of each is the table in docs/review.md."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.review.rights import Right, rights

TEMPLATES = Path(__file__).parents[2] / "templates"
Change = Callable[[dict[str, Any]], dict[str, Any] | None]


@dataclass(frozen=True)
class Case:
    """`change` edits the properties of a resource; None: it takes the resource away. `reverse`: the other way round."""

    what: str
    template: str
    logical_id: str
    change: Change
    reverse: bool = False

    def row(self) -> str:
        """The line of the table."""
        said = "<br>".join(
            f"**{right.direction}**, {right.kind}: {right.why.replace('*', '&#42;')}"
            + ("" if right.rule.startswith("{") else f" (<code>{right.rule}</code>)")
            for right in self.found()
        )
        return f"| {self.what} | {said.replace('|', '&#124;') or 'nothing'} |"

    def found(self) -> list[Right]:
        text = (TEMPLATES / f"{self.template}-layer.json").read_text()
        resource = json.loads(text)["Resources"][self.logical_id]
        before = resource["Properties"]
        after = self.change(copy.deepcopy(before))
        return rights(self.logical_id, resource["Type"], *((after, before) if self.reverse else (before, after)))


def _set(path: str, value: Any) -> Change:
    """Sets what is at a path, or takes it away if the value is None."""

    def change(properties: dict[str, Any]) -> dict[str, Any]:
        *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        node: Any = properties
        for step in parents:
            node = node.setdefault(step, {}) if isinstance(node, dict) else node[step]
        if value is None:
            del node[last]
        elif isinstance(last, int) and last == len(node):
            node.append(value)
        else:
            node[last] = value
        return properties

    return change


ADMINISTRATOR = {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess"}
TRUST = "AssumeRolePolicyDocument.Statement.0"
PULL = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "ecr:BatchGetImage"}
    ],
}
ACCESS = "on ~user:* -@all +hset +hgetall +del +multi +exec +watch +cluster|slots +ping +asking"


def _split(properties: dict[str, Any]) -> dict[str, Any]:
    """The first policy's statements, one for each action, as policies of their own."""
    first, *rest = properties["Policies"]
    document = first["PolicyDocument"]
    parts = [{**one, "Action": action} for one in document["Statement"] for action in one["Action"]]
    policies = [{"PolicyName": f"p{n}", "PolicyDocument": {**document, "Statement": [p]}} for n, p in enumerate(parts)]
    return {**properties, "Policies": [*rest, *policies]}


def _negated(properties: dict[str, Any]) -> dict[str, Any]:
    statement = properties["Policies"][1]["PolicyDocument"]["Statement"][0]
    statement["NotAction"] = statement.pop("Action")
    return properties


CASES = (
    Case(
        "An action becomes a wildcard",
        "ecs-express",
        "ExecutionRole",
        _set("Policies.0.PolicyDocument.Statement.0.Action.1", "ecr:*"),
    ),
    Case(
        "An action is removed",
        "ecs-express",
        "ExecutionRole",
        _set("Policies.1.PolicyDocument.Statement.0.Action.0", None),
    ),
    Case(
        "A resource becomes `*`",
        "ecs-express",
        "ExecutionRole",
        _set("Policies.1.PolicyDocument.Statement.0.Resource.0", "*"),
    ),
    Case(
        "A resource becomes one that is not known yet",
        "ecs-express",
        "ExecutionRole",
        _set("Policies.1.PolicyDocument.Statement.0.Resource.0", "{{changeSet:KNOWN_AFTER_APPLY}}"),
    ),
    Case("`Action` becomes `NotAction`", "ecs-express", "ExecutionRole", _negated),
    Case("Statements are split, and policies renamed", "ecs-express", "ExecutionRole", _split),
    Case(
        "AdministratorAccess is attached",
        "ecs-express",
        "InfrastructureRole",
        _set("ManagedPolicyArns.1", ADMINISTRATOR),
    ),
    Case(
        "The permissions boundary is removed",
        "ecs-express",
        "TaskRole",
        _set("PermissionsBoundary", {"Ref": "PermissionsBoundaryArn"}),
        reverse=True,
    ),
    Case(
        "A condition of the trust policy is removed",
        "ecs-express",
        "TaskRole",
        _set(f"{TRUST}.Condition.StringEquals", None),
    ),
    Case(
        "The trust policy names one more principal",
        "ecs-express",
        "TaskRole",
        _set(f"{TRUST}.Principal.AWS", "444455556666"),
    ),
    Case(
        "The trust policy's `ArnLike` names one service",
        "ecs-express",
        "TaskRole",
        _set(
            f"{TRUST}.Condition.ArnLike.aws:SourceArn",
            {"Fn::Sub": "arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:service/*"},
        ),
    ),
    Case(
        "A topic's Deny for plain HTTP is removed", "data", "AlarmTopicPolicy", _set("PolicyDocument.Statement.1", None)
    ),
    Case(
        "A topic takes messages from all accounts",
        "data",
        "AlarmTopicPolicy",
        _set("PolicyDocument.Statement.0.Condition", None),
    ),
    Case("The repository is opened to another account", "data", "Repository", _set("RepositoryPolicyText", PULL)),
    Case("An endpoint's policy is removed", "ecs-express-data", "SecretsEndpoint", _set("PolicyDocument", None)),
    Case(
        "Port 6379 is opened to every address",
        "apprunner",
        "MemoryDbIngress",
        lambda p: {**{k: v for k, v in p.items() if k != "SourceSecurityGroupId"}, "CidrIp": "0.0.0.0/0"},
    ),
    Case("A range of ports is widened", "apprunner", "MemoryDbIngress", _set("ToPort", 6390)),
    Case("The rules for egress are removed", "data", "MemoryDbSecurityGroup", _set("SecurityGroupEgress", None)),
    Case("The user gets every command", "data", "MemoryDbUser", _set("AccessString", f"{ACCESS} +@all")),
    Case(
        "The user gets every key, and loses `hset`",
        "data",
        "MemoryDbUser",
        _set("AccessString", ACCESS.replace("~user:*", "~*").replace("+hset ", "")),
    ),
    Case("The cluster takes the list open-access", "data", "Cluster", _set("ACLName", "open-access")),
    Case(
        "App Runner becomes public",
        "apprunner",
        "Service",
        _set("NetworkConfiguration.IngressConfiguration.IsPubliclyAccessible", False),
        reverse=True,
    ),
    Case(
        "The subnets of the ECS service change",
        "ecs-express",
        "Service",
        _set("NetworkConfiguration.Subnets", ["subnet-1", "subnet-2"]),
    ),
    Case("A subnet gives out public addresses", "data", "PrivateSubnetA", _set("MapPublicIpOnLaunch", True)),
    Case("The web ACL is taken off", "ecs-express", "WebAclAssociation", lambda p: None),
)
