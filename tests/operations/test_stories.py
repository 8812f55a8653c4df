"""The programs in examples/, with the command on the emulator: previewed, deployed, changed and destroyed.

Nothing runs behind the services here, so they are deployed with --no-verify.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import boto3
import pytest

from examples import (
    custom_resource,
    existing_vpc_by_ids,
    existing_vpc_ecs,
    own_resources,
    second_service,
    worker,
)
from generator import data_layer
from generator.cli.arguments import Deployments
from generator.layers import Deployment
from generator.settings import Settings
from rehearsal import local_aws
from rehearsal.emulator.process import ACCOUNT, REGION, Emulator, emulator
from tests.command import Command
from tests.pushed import push

REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
IMAGE = ("--image", f"{REGISTRY}/users:1")


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Emulator]:
    """An emulator for one test, so that what one leaves is not another's."""
    with emulator(tmp_path) as running, local_aws.environment(running.environment):
        push(running, *(f"{REGISTRY}/{image}" for image in ("users:1", "orders:2", "team/worker:1")))
        yield running


def stacks() -> dict[str, str]:
    found = boto3.client("cloudformation").describe_stacks()["Stacks"]
    return {stack["StackName"]: stack["StackStatus"] for stack in found if stack["StackStatus"] != "DELETE_COMPLETE"}


@pytest.mark.parametrize(
    ("program", "image", "change"),
    [
        (own_resources, IMAGE, "web.MaxSize=3"),
        (worker, ("--image", f"{REGISTRY}/team/worker:1"), "worker.MaxSize=3"),
    ],
    ids=lambda value: value.__name__.rpartition(".")[2] if isinstance(value, ModuleType) else "",
)
def test_a_program_is_previewed_deployed_changed_and_destroyed(
    program: ModuleType, image: tuple[str, str], change: str, aws: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    lifecycle(program.deployments, image, change, capsys)


@pytest.mark.parametrize("subnets_for_tasks", [False, True], ids=["apprunner", "ecs-express"])
def test_an_existing_vpc_by_ids_is_used_and_left(
    subnets_for_tasks: bool, aws: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    ec2 = boto3.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"][:2]]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{number}.0/24", AvailabilityZone=zones[number % 2])["Subnet"][
            "SubnetId"
        ]
        for number in range(4)
    ]

    def deployments() -> list[Deployment]:
        if subnets_for_tasks:
            return existing_vpc_ecs.deployments(vpc, subnets[:2], subnets[2:])
        return existing_vpc_by_ids.deployments(vpc, subnets[:2])

    layer = "ecs-express" if subnets_for_tasks else "apprunner"
    lifecycle(deployments, IMAGE, f"{layer}.MaxSize=3", capsys)
    found = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    assert {subnet["SubnetId"] for subnet in found} == set(subnets)


def lifecycle(
    deployments: Deployments, image: tuple[str, str], change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Previews, deploys, changes and destroys; the change is of MaxSize."""
    command = Command(deployments, capsys)
    layers = deployments()[0].layers
    assert "a new stack" in command.must("preview", *image)
    command.must("deploy", "--yes", "--no-verify", *image)
    assert stacks() == {f"users-{layer.name}": "CREATE_COMPLETE" for layer in layers}
    assert "(parameter MaxSize)" in command.must("preview", *image, "--parameter", change)
    command.must("deploy", "--yes", "--no-verify", *image, "--parameter", change)
    assert stacks()[f"users-{layers[-1].name}"] == "UPDATE_COMPLETE"
    command.must("destroy", "--yes")
    assert stacks() == {}


def test_two_services_have_their_own_images_and_parameters(aws: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    command = Command(second_service.deployments, capsys)
    images = ("--image", f"apprunner={REGISTRY}/users:1", "--image", f"orders={REGISTRY}/orders:2")
    values = ("--parameter", "apprunner.MaxSize=3", "--parameter", "orders.MaxSize=2")
    command.must("deploy", "--yes", "--no-verify", *images, *values)
    described = boto3.client("cloudformation").describe_stacks()["Stacks"]
    given = {
        stack["StackName"]: {pair["ParameterKey"]: pair["ParameterValue"] for pair in stack["Parameters"]}
        for stack in described
        if stack["StackStatus"] != "DELETE_COMPLETE"
    }
    assert {name: given[name]["MaxSize"] for name in ("users-apprunner", "users-orders")} == {
        "users-apprunner": "3",
        "users-orders": "2",
    }
    assert given["users-apprunner"]["ImageUri"].endswith("/users:1")
    assert given["users-orders"]["ImageUri"].endswith("/orders:2")
    command.must("destroy", "--yes")
    assert stacks() == {}


def without_the_table() -> list[Deployment]:
    (deployment,) = own_resources.deployments()
    return [Deployment(deployment.name, (data_layer(Settings(), name="storage"), *deployment.layers[1:]))]


def test_the_removal_of_a_table_is_refused_and_let_through_by_name(
    aws: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    command = Command(own_resources.deployments, capsys)
    data = ("deploy", "--yes", "--layer", "storage")
    command.must(*data)
    tables = boto3.client("dynamodb").list_tables()["TableNames"]
    refused = command(*data, deployments=without_the_table)
    assert refused.code == 3, refused.said
    assert "--allow-replacement Orders" in refused.said
    assert boto3.client("dynamodb").list_tables()["TableNames"] == tables
    assert stacks() == {"users-storage": "CREATE_COMPLETE"}
    names = ("--allow-replacement", "Orders", "--allow-replacement", "Attachments")
    command.must(*data, *names, deployments=without_the_table)
    found = boto3.client("cloudformation").describe_stack_resources(StackName="users-storage")["StackResources"]
    assert not {"Orders", "Attachments"} & {resource["LogicalResourceId"] for resource in found}
    command.must("destroy", "--yes", "--layer", "storage")
    assert stacks() == {}


def test_a_custom_resource_and_a_named_role_are_previewed_with_their_capability(
    aws: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    command = Command(custom_resource.deployments, capsys)
    said = command.must("preview", "--layer", "data")
    assert "Custom::Ledger" in said
    assert "CAPABILITY_NAMED_IAM" in said
