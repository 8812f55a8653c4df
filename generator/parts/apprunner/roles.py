"""The IAM roles of a service on App Runner: one pulls its image, the other is what it runs as."""

from __future__ import annotations

from awacs import aws, ecr
from troposphere import AWSHelperFn, iam

from generator.parts.authentication import Authentication
from generator.parts.encryption import KmsKey
from generator.parts.permissions import connect, decrypt_password, policy, read_password, trust
from generator.template.elements import why


def image_access_role(logical_id: str, repository_arn: AWSHelperFn) -> iam.Role:
    """The role App Runner pulls the image with, from one repository.

    Source: App Runner developer guide, "How App Runner works with IAM", access role. It shows no condition on
    the trust, and aws:SourceAccount is not documented for this principal, so there is none.
    """
    return iam.Role(
        logical_id,
        Metadata=why(
            "App Runner may pull from this repository only; the login token cannot be limited to one repository"
        ),
        AssumeRolePolicyDocument=trust("build.apprunner.amazonaws.com"),
        Policies=[
            policy(
                "pull-image",
                aws.Statement(
                    Effect=aws.Allow,
                    Action=[
                        ecr.BatchCheckLayerAvailability,
                        ecr.BatchGetImage,
                        ecr.DescribeImages,
                        ecr.GetDownloadUrlForLayer,
                    ],
                    Resource=[repository_arn],
                ),
                # GetAuthorizationToken takes no resource: Service Authorization Reference, Amazon ECR.
                aws.Statement(Effect=aws.Allow, Action=[ecr.GetAuthorizationToken], Resource=["*"]),
            )
        ],
    )


def instance_role(
    logical_id: str,
    login: Authentication,
    key: KmsKey,
    *,
    password_secret_arn: AWSHelperFn,
    cluster_arn: AWSHelperFn,
    user_arn: AWSHelperFn,
) -> iam.Role:
    """The role of the running service. With a password it may read one secret, and decrypt it where a key is given;
    with IAM it may connect to one cluster as one user.

    Sources: App Runner developer guide, "Referencing environment variables", permissions; MemoryDB developer guide,
    "Authenticating with IAM": memorydb:Connect needs both ARNs.
    """
    return iam.Role(
        logical_id,
        Metadata=why("The running service may read its password, or with IAM connect as its user, and nothing else"),
        AssumeRolePolicyDocument=trust("tasks.apprunner.amazonaws.com"),
        Policies=[
            login.with_password(read_password(password_secret_arn), connect(cluster_arn, user_arn)),
            login.with_password(decrypt_password(password_secret_arn, key)),
        ],
    )
