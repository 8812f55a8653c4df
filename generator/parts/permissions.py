"""IAM policies: documents, statements, trust, and what both computes may do."""

from __future__ import annotations

from collections.abc import Sequence

from awacs import aws, ecr, sts
from troposphere import AccountId, Sub, iam

from generator.template.elements import Value

POLICY_VERSION = "2012-10-17"


def pull_image(actions: Sequence[aws.Action], repository_arn: Value) -> iam.Policy:
    """To pull from one repository with `actions`. The login token cannot be limited to one repository."""
    return policy(
        "pull-image",
        allow(actions, repository_arn),
        # GetAuthorizationToken takes no resource: Service Authorization Reference, Amazon ECR.
        allow([ecr.GetAuthorizationToken], "*"),
    )


def trust(service: str, condition: aws.Condition | None = None) -> aws.PolicyDocument:
    """Lets one AWS service take on the role, under `condition` if there is one."""
    return document(
        aws.Statement(
            Effect=aws.Allow,
            Principal=aws.Principal("Service", [service]),
            Action=[sts.AssumeRole],
            **({} if condition is None else {"Condition": condition}),
        )
    )


def for_resources(source_arn: str) -> aws.Condition:
    """The condition of a trust that is given to such resources of this account only."""
    return aws.Condition(
        [aws.StringEquals({"aws:SourceAccount": AccountId}), aws.ArnLike({"aws:SourceArn": Sub(source_arn)})]
    )


def policy(name: str, *statements: aws.Statement) -> iam.Policy:
    """An inline policy of a role."""
    return iam.Policy(PolicyName=name, PolicyDocument=document(*statements))


def document(*statements: aws.Statement) -> aws.PolicyDocument:
    """A policy document."""
    return aws.PolicyDocument(Version=POLICY_VERSION, Statement=list(statements))


def allow(actions: Sequence[aws.Action], *resources: Value, **elements: object) -> aws.Statement:
    """A statement that allows `actions` on `resources`; `elements` are its others, such as Principal and Condition."""
    return aws.Statement(Effect=aws.Allow, Action=list(actions), Resource=list(resources), **elements)
