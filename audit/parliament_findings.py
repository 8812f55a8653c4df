"""parliament on every IAM document in the files given, templates or policies; run by the parliament environment."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from parliament import analyze_policy_string

# What an expression stands for, by the name it ends in: parliament compares ARNs with what an action takes.
ARN = "arn:aws:{}:us-east-1:123456789012:{}"
STANDS_FOR = {
    "ServiceLogGroup.Arn": ARN.format("logs", "log-group:service:*"),
    "FlowLogGroup.Arn": ARN.format("logs", "log-group:flow:*"),
    "AlarmTopic": ARN.format("sns", "alarms"),
    "KmsKeyArn": ARN.format("kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab"),
    "ClusterArn": ARN.format("memorydb", "cluster/db-1"),
    "UserArn": ARN.format("memorydb", "user/user-1"),
    "PasswordSecretArn": ARN.format("secretsmanager", "secret:password-a1b2c3"),
    "RepositoryArn": ARN.format("ecr", "repository/users"),
    "OidcProvider": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
    "DeploymentName": "users",
    "Repository": "owner/name",
    "Branch": "main",
    "Environment": "production",
}
PSEUDO = {
    "AccountId": "123456789012",
    "Partition": "aws",
    "Region": "us-east-1",
    "URLSuffix": "amazonaws.com",
}


def resolved(node: Any) -> Any:
    """A policy with a plausible value for each intrinsic function."""
    match node:
        case {"Fn::ImportValue": {"Fn::Sub": str() as name}}:
            return STANDS_FOR[name.rpartition("-")[2]]
        case {"Fn::GetAtt": [str() as resource, str() as attribute]}:
            return STANDS_FOR[f"{resource}.{attribute}"]
        case {"Ref": str() as name}:
            return PSEUDO[name.removeprefix("AWS::")] if name.startswith("AWS::") else STANDS_FOR[name]
        case {"Fn::Sub": str() as text}:
            return re.sub(r"\$\{([\w:]+)\}", lambda name: resolved({"Ref": name[1]}), text)
        case {"Fn::If": [_, first, _]}:
            return resolved(first)
        case dict():
            return {key: resolved(value) for key, value in node.items()}
        case list():
            return [resolved(item) for item in node]
    return node


def policies(node: Any) -> Iterator[Any]:
    """Every policy document below `node`: of roles, of their trust, of topics."""
    if isinstance(node, dict):
        if "Statement" in node:
            yield node
        node = list(node.values())
    for item in node if isinstance(node, list) else []:
        yield from policies(item)


found = []
for path in map(Path, sys.argv[1:]):
    document = json.loads(path.read_text())
    if "Statement" in document:
        name = path.stem if path.parent.name == "iam" else f"{path.parent.name}-{path.stem}"
        for finding in analyze_policy_string(json.dumps(document)).findings:
            action = str(finding.location.get("string", "")).rpartition(":")[2]
            found.append([finding.issue, name, action or "policy"])
        continue
    for logical_id, resource in document["Resources"].items():
        for policy in policies(resource):
            analyzed = analyze_policy_string(json.dumps(resolved(policy)))
            found += [[finding.issue, path.stem, logical_id] for finding in analyzed.findings]
print(json.dumps(found))
