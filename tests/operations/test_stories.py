"""The programs in examples/: previewed, deployed, verified while their services run, changed and destroyed.

The emulator is in place of AWS; clusters and services are real. What a program names in an account is created first.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import boto3
import pytest

from examples import (
    custom_resource,
    existing_vpc,
    existing_vpc_by_ids,
    existing_vpc_ecs,
    own_resources,
    second_service,
    worker,
)
from generator.iam.access import access_deployment
from generator.images.context import Context
from generator.layers import Deployment
from rehearsal.local_aws import LocalAws
from tests.command import Captured, Command, output, stacks
from tests.running import ROOT

HERE = Path(__file__).parent
# As a user writes it, without this project's formatting.
SHOP = """\
import sys
from awacs.aws import Action, Allow, Statement
from generator import Deployment, Settings, Workload, app_runner_layer, data_layer, export, imported
from generator.cli import main
from troposphere import GetAtt, dynamodb, s3

def deployments():
    settings = Settings()
    bucket = s3.Bucket("Attachments", DeletionPolicy="Retain", UpdateReplacePolicy="Retain")
    table = dynamodb.Table("Orders", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[dynamodb.AttributeDefinition(AttributeName="id", AttributeType="S")],
        KeySchema=[dynamodb.KeySchema(AttributeName="id", KeyType="HASH")],
        DeletionPolicy="Retain", UpdateReplacePolicy="Retain")
    data = data_layer(settings, bucket, table, export("AttachmentsName", "The bucket.", bucket.ref()),
        export("AttachmentsArn", "The bucket's ARN.", GetAtt(bucket, "Arn")), name="storage")
    web = app_runner_layer(settings, Workload(
        environment={"BUCKET": imported("AttachmentsName"), "LOG_LEVEL": "WARNING"},
        statements=(Statement(Effect=Allow, Action=[Action("s3", "GetObject")], Resource=[imported("AttachmentsArn")]),),
    ), name="web")
    return [Deployment("apprunner", (data, web))]

if __name__ == "__main__":
    sys.exit(main(deployments, name="shop"))
"""  # noqa: E501 (a user's program, byte for byte)
VERIFIED = "a user           written, read back, deleted"


class Story:
    """A program's only deployment, on this machine, called users."""

    def __init__(self, aws: LocalAws, deployment: Deployment, captured: Captured) -> None:
        self.aws, self.deployment = aws, aws.local_resources.deployment(deployment)
        self.command = Command(lambda: [self.deployment], captured)
        self.images: tuple[str, ...] = ()

    def deploy(self, *arguments: str) -> str:
        """Previews and deploys everything; placeholders and images of the sources are pushed in between."""
        layers = self.deployment.layers
        for layer in layers:
            if layer.workload and layer.compute and not layer.compute.repository:
                self.images += ("--image", f"{layer.name}={self.aws.push_placeholder(layer)}")
        assert "a new stack" in self.command.must("preview", *self.images, *arguments)
        for layer in layers:
            if not layer.compute:
                self.command.must("deploy", "--yes", "--layer", layer.name, *arguments)
        for layer in layers:
            source = self.deployment.source_of(layer)
            if layer.compute and layer.compute.repository and source:
                uri = output(f"users-{source.name}", layer.compute.repository)
                self.aws.push(uri, Context(Path(layer.compute.context)))
        said = self.command.must("deploy", "--yes", *self.images)
        assert stacks() == {f"users-{layer.name}": "CREATE_COMPLETE" for layer in layers}
        return said

    def change(self, change: str) -> str:
        assert "(parameter MaxSize)" in self.command.must("preview", *self.images, "--parameter", change)
        return self.command.must("deploy", "--yes", *self.images, "--parameter", change)

    def destroy(self) -> None:
        deployed = self.aws.deployed()
        self.command.must("destroy", "--yes", "--purge-images")
        assert stacks() == {}
        assert self.aws.leftovers(deployed) == []


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "aws"


@contextmanager
def account(directory: Path, deployment: Deployment) -> Iterator[LocalAws]:
    """Local AWS for a test of its own, so that what one leaves is not another's."""
    computes = tuple(layer.compute for layer in deployment.layers if layer.compute)
    with LocalAws(directory, Context(ROOT), computes, access_deployment(deployment).layers[0]) as aws:
        yield aws


def test_a_program_in_a_file_of_its_own_is_built_and_rehearsed(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)

    def run(*arguments: str) -> str:
        words = [sys.executable, str(tmp_path / "shop.py"), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    run("--out", str(tmp_path / "out"))
    assert {"storage-layer.json", "web-layer.json"} <= {file.name for file in (tmp_path / "out").iterdir()}
    said = run("rehearse", "--process", "--parameter", "web.MaxSize=3", "--result", str(tmp_path / "result.json"))
    # After the first deployment, after one that changes nothing, and after the rotation.
    assert said.count(VERIFIED) == 3
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["outcome"], result["deployment"], result["placeholders"]) == ("succeeded", "apprunner", [])
    assert (result["summary"], result["reasons"]) == ("9 steps, 0 failed", [])
    assert [step["name"] for step in result["steps"]][2] == "storage layer"
    assert result["left"] == []


def test_own_resources_are_deployed_and_kept(directory: Path, capsys: Captured) -> None:
    (deployment,) = own_resources.deployments()
    with account(directory, deployment) as aws:
        story = Story(aws, deployment, capsys)
        assert VERIFIED in story.deploy()
        assert VERIFIED in story.change("web.MaxSize=3")
        tables = boto3.client("dynamodb").list_tables()["TableNames"]
        story.destroy()
        assert boto3.client("dynamodb").list_tables()["TableNames"] == tables != []


@pytest.mark.parametrize("program", [existing_vpc, existing_vpc_by_ids, existing_vpc_ecs])
def test_an_existing_vpc_is_used_and_left(program: ModuleType, directory: Path, capsys: Captured) -> None:
    (deployment,) = program.deployments()
    with account(directory, deployment) as aws:
        story = Story(aws, deployment, capsys)
        values = aws.local_resources.parameters(deployment, {})
        options = (*(["--parameter"] if values else []), *(f"{name}={value}" for name, value in values.items()))
        ec2 = boto3.client("ec2")
        subnets = ec2.describe_subnets()["Subnets"]
        assert VERIFIED in story.deploy(*options)
        assert VERIFIED in story.change(f"{deployment.layers[-1].name}.MaxSize=3")
        story.destroy()
        assert ec2.describe_subnets()["Subnets"] == subnets


def test_two_services_have_their_own_images_and_parameters_and_both_passwords_are_rotated(
    tmp_path: Path, directory: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(HERE / "orders", tmp_path / "orders")
    shutil.copytree(ROOT / "service", tmp_path / "service")
    for name in ("Dockerfile", ".dockerignore"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    (deployment,) = second_service.deployments("orders")
    with account(directory, deployment) as aws:
        story = Story(aws, deployment, capsys)
        said = story.deploy()
        assert VERIFIED in said
        assert "GET /health      200" in said.partition("users-orders: verifying")[2]
        story.change("orders.MaxSize=2")
        values = {name: parameters_of(f"users-{name}") for name in ("apprunner", "orders")}
        assert {name: each["MaxSize"] for name, each in values.items()} == {"apprunner": "5", "orders": "2"}
        assert values["apprunner"]["ImageUri"] != values["orders"]["ImageUri"]

        before = passwords()
        misspelled = story.command("rotate", "--yes", "--user", output("users-data", "OrdersUserName") + "x")
        assert misspelled.code == 64
        assert f"Nearest: {output('users-data', 'OrdersUserName')}." in misspelled.err
        story.command.must("rotate", "--yes", "--user", output("users-data", "OrdersUserName"))
        one = passwords()
        assert [name for name in before if before[name] != one[name]] == ["OrdersPasswordSecretArn"]
        assert redeployments() == {"users-apprunner": 0, "users-orders": 1}
        story.command.must("rotate", "--yes")
        assert not set(one.values()) & set(passwords().values())
        assert redeployments() == {"users-apprunner": 1, "users-orders": 2}
        story.destroy()


def parameters_of(stack: str) -> dict[str, str]:
    (found,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {pair["ParameterKey"]: pair["ParameterValue"] for pair in found["Parameters"]}


def passwords() -> dict[str, str]:
    """By output of the data layer's stack."""
    client = boto3.client("secretsmanager")
    names = ("PasswordSecretArn", "OrdersPasswordSecretArn")
    return {name: client.get_secret_value(SecretId=output("users-data", name))["SecretString"] for name in names}


def redeployments() -> dict[str, int]:
    """How often each service was deployed again without a change of its stack."""
    client = boto3.client("apprunner")
    operations = {
        stack: client.list_operations(ServiceArn=output(stack, "ServiceArn"))["OperationSummaryList"]
        for stack in ("users-apprunner", "users-orders")
    }
    return {stack: [each["Type"] for each in listed].count("START_DEPLOYMENT") for stack, listed in operations.items()}


def test_a_worker_in_another_language_is_deployed_with_its_secret(directory: Path, capsys: Captured) -> None:
    (deployment,) = worker.deployments()
    with account(directory, deployment) as aws:
        story = Story(aws, deployment, capsys)
        missing = "There is no image: it is built elsewhere. Pass --image URI, or "
        for verb in (["preview"], ["deploy", "--yes"]):
            assert missing in story.command(*verb).said
        assert "GET /live        200" in story.deploy()
        assert "GET /live        200" in story.change("worker.MaxSize=3")
        said = story.command.must("preview", "--parameter", "MaxSize=4")
        assert "users-worker takes an image that is built elsewhere: the image stays 111122223333." in said
        story.destroy()
        assert len(boto3.client("sqs").list_queues()["QueueUrls"]) == 1


def test_a_custom_resource_is_made_by_its_function_beside_a_named_role(directory: Path, capsys: Captured) -> None:
    (deployment,) = custom_resource.deployments()
    with account(directory, deployment) as aws:
        story = Story(aws, deployment, capsys)
        said = story.command.must("preview", "--layer", "data")
        assert "Custom::Ledger" in said
        assert "CAPABILITY_NAMED_IAM" in said
        assert VERIFIED in story.deploy()
        resources = boto3.client("cloudformation").describe_stack_resources(StackName="users-data")["StackResources"]
        physical = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}
        assert (physical["Ledger"], physical["Auditor"]) == ("Ledger", "users-data-auditor")
        assert VERIFIED in story.change("apprunner.MaxSize=3")
        story.destroy()
