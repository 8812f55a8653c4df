"""docs/from-apprunner-to-ecs-express.md, step by step: two computes beside each other on one data layer.

The tests go on where the one before ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest

from generator import contract
from generator.compute.apprunner import AppRunnerCompute
from generator.compute.ecs_express import EcsExpressCompute
from generator.layers import default_deployments
from rehearsal.local_aws import LocalAws
from tests.command import Captured, output
from tests.rehearsed import LocalDeployment, deployed
from tests.running import ROOT

PAGE = ROOT / "docs" / "from-apprunner-to-ecs-express.md"
ECS = "users-ecs-express"
BEFORE = {"email": "before@foo.com", "name": "before"}
BESIDE = {"email": "beside@foo.com", "name": "beside"}


@pytest.fixture(scope="module")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with deployed(tmp_path_factory.mktemp("rehearsal"), AppRunnerCompute(), EcsExpressCompute()) as made:
        yield made


@pytest.fixture
def deployment(local_aws: LocalAws, capsys: Captured) -> LocalDeployment:
    return LocalDeployment(local_aws, capsys, default_deployments)


def typed(deployment: LocalDeployment, line: str) -> None:
    """Runs a line of the page, which has to be there."""
    assert f"\n$ {line}\n" in PAGE.read_text(), line
    verb, *options = line.removeprefix("python build.py ").split()
    deployment.must(verb, *options, *(["--yes"] if verb in ("deploy", "destroy", "rotate") else []))


def read(deployment: LocalDeployment, stack: str, email: str) -> dict[str, str] | None:
    status, body = deployment.answer("GET", output(stack, contract.SERVICE_URL), f"/{email}")
    return dict(json.loads(body)) if status == 200 else None


def clusters() -> list[str]:
    return [cluster["ARN"] for cluster in boto3.client("memorydb").describe_clusters()["Clusters"]]


def test_the_data_stack_gets_the_endpoints_in_place(deployment: LocalDeployment) -> None:
    assert deployment.ask("POST", "/", BEFORE) == 200
    before = clusters()
    typed(deployment, "python build.py preview --deployment ecs-express --layer data")
    assert "14 added" in deployment.said
    assert "Nothing is lost or replaced." in deployment.said
    assert "removed" not in deployment.said
    typed(deployment, "python build.py deploy --deployment ecs-express --layer data")
    assert clusters() == before
    assert read(deployment, "users-apprunner", BEFORE["email"]) == BEFORE


def test_both_serve_the_same_users(deployment: LocalDeployment) -> None:
    with deployment.load() as wrong:
        typed(deployment, "python build.py deploy --deployment ecs-express")
    assert wrong == []
    assert "last operation   deployment SUCCESSFUL" in deployment.said
    assert "a user           written, read back, deleted" in deployment.said
    assert output(ECS, contract.SERVICE_URL).endswith(".ecs.eu-west-1.on.aws")
    assert read(deployment, ECS, BEFORE["email"]) == BEFORE
    assert deployment.ask("POST", "/", BESIDE, ECS) == 200
    assert read(deployment, "users-apprunner", BESIDE["email"]) == BESIDE


def test_the_status_shows_the_new_service(deployment: LocalDeployment) -> None:
    typed(deployment, "python build.py status --deployment ecs-express")
    assert "runs: ACTIVE, after deployment SUCCESSFUL" in deployment.said
    assert "GET /ready: 200, build content-" in deployment.said


def test_a_rotation_reaches_both(deployment: LocalDeployment) -> None:
    with deployment.load(ECS) as wrong:
        typed(deployment, "python build.py rotate")
    assert wrong == []
    for stack in ("users-apprunner", ECS):
        assert f"{stack} will be redeployed" in deployment.said
        assert deployment.ask("GET", "/ready", stack=stack) == 200


def test_what_one_compute_is_made_of_does_not_take_away_what_the_other_needs(deployment: LocalDeployment) -> None:
    assert deployment("deploy", "--yes", "--layer", "data") == 1
    assert "cannot be deleted as it is in use by users-ecs-express" in deployment.said
    assert deployment("destroy", "--yes") == 1
    assert "users-ecs-express would lose their data" in deployment.said
    assert read(deployment, ECS, BEFORE["email"]) == BEFORE


def test_going_back_leaves_what_there_was(deployment: LocalDeployment) -> None:
    typed(deployment, "python build.py destroy --layer ecs-express")
    typed(deployment, "python build.py deploy --layer data")
    assert "14 removed" in deployment.said
    assert read(deployment, "users-apprunner", BESIDE["email"]) == BESIDE
    deployment.must("deploy", "--yes", "--deployment", "ecs-express")
    assert read(deployment, ECS, BESIDE["email"]) == BESIDE


def test_without_app_runner_the_other_still_serves(deployment: LocalDeployment) -> None:
    before = clusters()
    with deployment.load(ECS) as wrong:
        typed(deployment, "python build.py destroy --layer apprunner")
    assert wrong == []
    assert "kept: log groups /aws/apprunner/" in deployment.said
    assert [read(deployment, ECS, user["email"]) for user in (BEFORE, BESIDE)] == [BEFORE, BESIDE]
    assert clusters() == before


CHANGE = ", or --deployment apprunner to change users-data to its template"


@pytest.mark.parametrize(
    ("words", "otherwise"),
    [
        ("preview", CHANGE),
        ("preview --layer data", CHANGE),
        ("deploy --yes", CHANGE),
        ("deploy --yes --layer data", CHANGE),
        ("destroy --yes", ", or --deployment apprunner to delete users-data"),
        ("export-stacks", ", or --deployment apprunner to export users-data"),
        ("rehearse --from-stacks users", ", or --deployment apprunner to export users-data"),
        ("logs", ""),
    ],
)
def test_the_deployment_that_is_there_is_not_taken_for_another_by_default(
    deployment: LocalDeployment, words: str, otherwise: str
) -> None:
    assert deployment(*words.split()) == 64, deployment.said
    message = f"users-ecs-express exists and users-apprunner does not: pass --deployment ecs-express{otherwise}.\n"
    assert deployment.said.endswith(message)


def test_the_deployment_that_was_named_is_previewed(deployment: LocalDeployment) -> None:
    for words in ("--layer apprunner", "--deployment apprunner --layer data", "--name other --layer data"):
        assert deployment("preview", *words.split()) != 64, deployment.said
        assert "users-ecs-express exists" not in deployment.said


def test_the_status_names_the_deployment_that_is_there(deployment: LocalDeployment) -> None:
    assert deployment("status") == 0
    assert "users-ecs-express exists and users-apprunner does not: pass --deployment ecs-express" in deployment.said


def test_at_the_end_nothing_runs(deployment: LocalDeployment) -> None:
    deployment.must("destroy", "--yes", "--deployment", "ecs-express", "--purge-images")
    assert (deployment.aws.services.instances, deployment.aws.services.clusters) == ({}, {})
