"""An IAM user for each emitted policy, and CloudFormation's role; each has its policy and no other right.

The users' policies are managed policies, because a user's inline policies are limited to 2,048 characters (IAM user
guide, "IAM and AWS STS quotas").
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3

from generator.iam.policies import EXECUTION_ROLE


def trust(account: str) -> dict[str, Any]:
    """The trust with which docs/permissions.md creates CloudFormation's role: for stacks of this account only.

    Source: CloudFormation user guide, "Cross-service confused deputy prevention", whose example is an extension's role.
    """
    return {
        "Statement": [
            {
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
                "Effect": "Allow",
                "Principal": {"Service": "cloudformation.amazonaws.com"},
            }
        ],
        "Version": "2012-10-17",
    }


@dataclass(frozen=True)
class Identities:
    """The users' access keys as environment variables, by the verb of their policy, and the role's ARN."""

    users: Mapping[str, Mapping[str, str]]
    role_arn: str

    def of(self, verb: str) -> Mapping[str, str]:
        """The keys of the user that runs `verb`; deploy's policy is for `status` and `destroy` too."""
        return self.users.get(verb, self.users["deploy"])


def identities(name: str, policies: Mapping[str, str]) -> Identities:
    """Creates them with the credentials in the environment; `policies` are documents by file."""
    iam = boto3.client("iam")
    role = f"{name}-cloudformation"
    account = boto3.Session().client("sts").get_caller_identity()["Account"]
    created = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust(account)))
    documents = {file.removesuffix(".json"): document for file, document in policies.items()}
    iam.put_role_policy(RoleName=role, PolicyName=role, PolicyDocument=documents.pop(EXECUTION_ROLE))
    for file in [file for file in documents if file.startswith(EXECUTION_ROLE)]:
        managed = iam.create_policy(PolicyName=f"{name}-{file}", PolicyDocument=documents.pop(file))
        iam.attach_role_policy(RoleName=role, PolicyArn=managed["Policy"]["Arn"])
    users = {verb: _user(iam, f"{name}-{verb}", document) for verb, document in documents.items()}
    return Identities(users, created["Role"]["Arn"])


def _user(iam: Any, name: str, policy: str) -> dict[str, str]:
    iam.create_user(UserName=name)
    created = iam.create_policy(PolicyName=name, PolicyDocument=policy)
    iam.attach_user_policy(UserName=name, PolicyArn=created["Policy"]["Arn"])
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
