"""A layer's name decides its stack and its file; everything else follows from what is in it."""

from __future__ import annotations

from dataclasses import replace

import boto3
import pytest

from examples import second_service
from generator.errors import DeployError
from generator.layers import Deployment, app_runner_deployment
from generator.operations import (
    DeployOptions,
    DestroyOptions,
    RotateOptions,
    Session,
    StatusOptions,
    deploy,
    destroy,
    rotate,
    status,
)
from rehearsal.emulator.process import ACCOUNT, REGION, Emulator
from tests.pushed import push
from tests.ui import ListUI

IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/users:1"


def renamed() -> Deployment:
    data, service = app_runner_deployment().layers
    return Deployment("anything", (replace(data, name="storage"), replace(service, name="web")))


def test_any_names_are_deployed_protected_and_destroyed(aws: Emulator) -> None:
    push(aws, IMAGE)
    deployment, session = renamed(), Session(ListUI())
    deployed = deploy(deployment, session, DeployOptions(name="shop", image=IMAGE, verify=False))
    assert [(found.layer, found.stack.status) for found in deployed if found.stack] == [
        ("storage", "CREATE_COMPLETE"),
        ("web", "CREATE_COMPLETE"),
    ]
    stacks = status(deployment, session, StatusOptions(name="shop"))
    assert {found.stack_name: found.stack and found.stack.protected for found in stacks} == {
        "shop-storage": True,
        "shop-web": False,
    }
    destroyed = destroy(deployment, session, DestroyOptions(name="shop"))
    assert destroyed.stacks == ("shop-web", "shop-storage")


@pytest.mark.parametrize("name", ["data", "storage"])
def test_every_user_with_a_password_gets_a_new_one(name: str, aws: Emulator) -> None:
    data, _, _ = second_service.deployments()[0].layers
    deployment, session = Deployment("orders", (replace(data, name=name),)), Session(ListUI())
    (deployed,) = deploy(deployment, session, DeployOptions(name="two"))
    assert deployed.stack
    outputs = deployed.stack.outputs
    secrets = boto3.client("secretsmanager")

    def passwords() -> list[str]:
        arns = [outputs["PasswordSecretArn"], outputs["OrdersPasswordSecretArn"]]
        return [secrets.get_secret_value(SecretId=arn)["SecretString"] for arn in arns]

    before = passwords()
    rotated = rotate([deployment], session, RotateOptions(name="two"))
    assert set(rotated.users) == {outputs["UserName"], outputs["OrdersUserName"]}
    assert not set(before) & set(passwords())

    secrets.delete_secret(SecretId=outputs["PasswordSecretArn"])
    with pytest.raises(
        DeployError, match=r"scheduled for deletion\. Run aws secretsmanager restore-secret --secret-id"
    ):
        rotate([deployment], session, RotateOptions(name="two"))
    secrets.restore_secret(SecretId=outputs["PasswordSecretArn"])
    rotate([deployment], session, RotateOptions(name="two"))
    secrets.delete_secret(SecretId=outputs["PasswordSecretArn"], ForceDeleteWithoutRecovery=True)
    with pytest.raises(DeployError, match=r"does not have it\. Take the user and its secret out of the template"):
        rotate([deployment], session, RotateOptions(name="two"))
    destroy(deployment, session, DestroyOptions(name="two"))
