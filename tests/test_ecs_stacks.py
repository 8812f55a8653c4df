"""The ECS pair in the emulator: what is asked of ECS, either way to log in, private and public."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from generator.cli import main
from generator.layers import ecs_express_layers
from generator.settings import Settings
from rehearsal.emulator import ACCOUNT, REGION, Emulator, Fault, emulator

IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/users:1"

Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("emulator")) as started:
        yield started


@pytest.fixture
def run(running: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)

    def command(*arguments: str, settings: Settings = Settings()) -> tuple[int, str]:
        capsys.readouterr()
        code = main(functools.partial(ecs_express_layers, settings), list(arguments))
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return command


def described(stack: str) -> Any:
    """The service of a stack, and the one configuration that is active."""
    (found,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}
    service = boto3.client("ecs").describe_express_gateway_service(serviceArn=outputs["ServiceArn"])["service"]
    (configuration,) = service["activeConfigurations"]
    return configuration


def test_with_iam_a_task_has_no_secret_and_its_role_may_connect(run: Run) -> None:
    before = boto3.client("secretsmanager").list_secrets()["SecretList"]
    iam = ("--parameter", "Authentication=iam")
    code, said = run("deploy", "--yes", "--name", "iam", "--image", IMAGE, "--no-verify", *iam)
    assert code == 0, said
    assert boto3.client("secretsmanager").list_secrets()["SecretList"] == before
    container = described("iam-ecs-express")["primaryContainer"]
    (cluster,) = boto3.client("memorydb").describe_clusters()["Clusters"]
    (user,) = boto3.client("memorydb").describe_users()["Users"]
    assert container.get("secrets", []) == []
    assert {pair["name"]: pair["value"] for pair in container["environment"]} == {
        "AWS_REGION": REGION,
        "MEMORYDB_AUTHENTICATION": "iam",
        "MEMORYDB_CLUSTER_ENDPOINT": f"{cluster['ClusterEndpoint']['Address']}:6379",
        "MEMORYDB_CLUSTER_NAME": cluster["Name"],
        "MEMORYDB_USERNAME": user["Name"],
        "PORT": "8080",
    }
    role = described("iam-ecs-express")["taskRoleArn"].rpartition("/")[2]
    client = boto3.client("iam")
    document = client.get_role_policy(RoleName=role, PolicyName="connect")["PolicyDocument"]
    assert [(each["Action"], each["Resource"]) for each in document["Statement"]] == [
        (["memorydb:Connect"], [cluster["ARN"], user["ARN"]])
    ]
    again, said = run("deploy", "--yes", "--name", "iam", "--image", IMAGE, "--no-verify")
    assert (again, said.count("nothing to change.")) == (0, 2)
    assert run("destroy", "--yes", "--name", "iam")[0] == 0


@pytest.mark.parametrize("zones", [2, 3])
def test_a_service_faces_the_internet_from_public_subnets(run: Run, zones: int) -> None:
    settings = Settings(zones=zones)
    code, said = run("deploy", "--yes", "--image", IMAGE, "--no-verify", settings=settings)
    assert code == 0, said
    configuration = described("users-ecs-express")
    assert [path["accessType"] for path in configuration["ingressPaths"]] == ["PUBLIC"]
    assert len(configuration["networkConfiguration"]["subnets"]) == zones
    code, said = run("destroy", "--yes", settings=settings)
    assert code == 0, said


def test_a_private_service_is_said_to_be_not_proven_from_outside(run: Run) -> None:
    private = Settings(private_ingress=True)
    code, said = run("deploy", "--yes", "--name", "private", "--image", IMAGE, settings=private)
    assert code == 0, said
    assert "status           ACTIVE" in said
    assert f"image            {IMAGE}" in said
    assert "not proven from outside: the service answers inside its VPC only" in said
    assert [path["accessType"] for path in described("private-ecs-express")["ingressPaths"]] == ["PRIVATE"]
    assert run("destroy", "--yes", "--name", "private", settings=private)[0] == 0


def test_an_update_that_is_taken_back_behind_cloudformations_success_is_found(run: Run, running: Emulator) -> None:
    name = ("--name", "back", "--image", IMAGE)
    assert run("deploy", "--yes", *name, "--no-verify")[0] == 0
    with running.faults(Fault("Service", "update", unnoticed=True)):
        code, said = run("deploy", "--yes", *name, "--parameter", "MaxSize=9")
    assert code == 1
    assert "UPDATE_COMPLETE              back-ecs-express" in said
    assert "the last operation is deployment ROLLBACK_SUCCESSFUL (An alarm went off)" in said
    assert run("destroy", "--yes", "--name", "back")[0] == 0


def test_a_tag_that_would_replace_the_service_is_refused(run: Run) -> None:
    name = ("--name", "tags", "--image", IMAGE)
    assert run("deploy", "--yes", *name, "--no-verify")[0] == 0
    code, said = run("preview", *name, "--layer", "ecs-express", "--tag", "commit=4f2a")
    assert code == 3, said
    assert "refused: Service: is replaced because of a tag" in said
    assert run("destroy", "--yes", "--name", "tags")[0] == 0
