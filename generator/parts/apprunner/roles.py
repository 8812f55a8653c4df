"""The IAM roles of a service on App Runner: one pulls its image, the other is what it runs as."""

from __future__ import annotations

from awacs import ecr
from troposphere import NoValue, iam

from generator.parts.basis import Basis
from generator.parts.permissions import pull_image, trust
from generator.template.elements import Value, why
from generator.template.inputs import OptionalInput

PULL = [ecr.BatchCheckLayerAvailability, ecr.BatchGetImage, ecr.DescribeImages, ecr.GetDownloadUrlForLayer]


def image_access_role(repository_arn: Value) -> iam.Role:
    """The role App Runner pulls the image with, from one repository.

    Source: App Runner developer guide, "How App Runner works with IAM", access role. It shows no condition on
    the trust, and aws:SourceAccount is not documented for this principal, so there is none.
    """
    return iam.Role(
        "AccessRole",
        Metadata=why(
            "App Runner may pull from this repository only; the login token cannot be limited to one repository"
        ),
        AssumeRolePolicyDocument=trust("build.apprunner.amazonaws.com"),
        Policies=[pull_image(PULL, repository_arn)],
    )


def instance_role(basis: Basis, key: OptionalInput) -> iam.Role:
    """The role of the running service. With a password it may read one secret, and decrypt it where a key is given;
    with IAM it may connect to one cluster as one user. It may read the workload's secrets, and what its statements say.

    Sources: App Runner developer guide, "Referencing environment variables", permissions; MemoryDB developer guide,
    "Authenticating with IAM": memorydb:Connect needs both ARNs.
    """
    own = basis.own_policies()
    more = "what its workload's secrets and statements allow" if own or basis.workload.secrets else "nothing else"
    reason = f"The running service may read its password, or with IAM connect as its user, and {more}"
    if basis.access is None:
        reason = f"The running service may do {more.removesuffix(' else')}"
    return iam.Role(
        "InstanceRole",
        Metadata=why(reason),
        AssumeRolePolicyDocument=trust("tasks.apprunner.amazonaws.com"),
        Policies=[*basis.secrets_policies(key, with_iam=basis.connect_policy() or NoValue), *own],
    )
