"""A custom resource of your own, and a role with a name, which takes the capability CAPABILITY_NAMED_IAM.

Run it with `python examples/custom_resource.py --out examples/custom_resource`.
"""

from __future__ import annotations

import sys

from troposphere import Sub, iam
from troposphere.validators.cloudformation import AWSCustomObject

from generator import Deployment, Settings, app_runner_layer, data_layer, why
from generator.cli import main


class Ledger(AWSCustomObject):
    """What a function of yours makes; here one that is called ledger, in this account."""

    resource_type = "Custom::Ledger"
    # As troposphere annotates it.
    props = {"ServiceToken": (str, True), "Pages": (int, False)}  # noqa: RUF012


def deployments() -> list[Deployment]:
    """The ledger holds data, which its type does not tell: it is marked, so that it is guarded as the cluster is."""
    settings = Settings()
    ledger = Ledger(
        "Ledger",
        Metadata=why("Cannot be written again", holds_data=True),
        ServiceToken=Sub("arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:ledger"),
        Pages=100,
        DeletionPolicy="Retain",
        UpdateReplacePolicy="Retain",
    )
    auditor = iam.Role(
        "Auditor",
        RoleName=Sub("${AWS::StackName}-auditor"),
        AssumeRolePolicyDocument={
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": ["ec2.amazonaws.com"]}, "Action": ["sts:AssumeRole"]}
            ],
        },
    )
    return [
        Deployment(
            "apprunner",
            (
                data_layer(settings, ledger, auditor),
                app_runner_layer(settings),
            ),
        )
    ]


if __name__ == "__main__":
    sys.exit(main(deployments))
