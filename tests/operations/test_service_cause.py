"""The same as test_cause.py where the service really runs: the faults of a rehearsal that are the service's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest

from generator import contract
from generator.compute import verification
from generator.compute.apprunner import AppRunnerCompute
from generator.compute.ecs_express import EcsExpressCompute
from generator.errors import DeployError
from generator.layers import Deployment, app_runner_deployment, ecs_express_deployment
from generator.operations import DeployOptions, Session, StatusOptions, deploy, status
from rehearsal.emulator.process import Fault
from rehearsal.local_aws import LocalAws
from rehearsal.run import FAULTS
from tests.command import output
from tests.operations.causes import CAUSES
from tests.rehearsed import deployed
from tests.running import ROOT
from tests.ui import ListUI

APP_RUNNER, ECS = app_runner_deployment(), ecs_express_deployment()
MISSING = "its log ends with: Missing from the environment: MEMORYDB_PASSWORD"
LARGER = {"Cpu": "2048", "Memory": "4096"}


@pytest.fixture(scope="module")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with deployed(tmp_path_factory.mktemp("rehearsal"), AppRunnerCompute(), EcsExpressCompute()) as made:
        # With what ECS Express imports.
        deploy(ECS, Session(ListUI()), DeployOptions(layer="data"))
        yield made


def failure(deployment: Deployment, options: DeployOptions) -> str:
    """Why the deployment of the last layer fails."""
    with pytest.raises(DeployError) as said:
        deploy(deployment, Session(ListUI()), replace(options, layer=deployment.layers[-1].name))
    return said.value.why


def fresh(deployment: Deployment, name: str = "users") -> str:
    (later,) = status(
        deployment,
        Session(ListUI()),
        StatusOptions(name=name, data_stack="users-data", layer=deployment.layers[-1].name),
    )
    return later.cause


@pytest.mark.parametrize(
    ("deployment", "words"),
    [
        (APP_RUNNER, 'Resource handler returned message: "null"'),
        (ECS, "'ECS Deployment Circuit Breaker was triggered'"),
    ],
    ids=["apprunner", "ecs-express"],
)
def test_an_instance_that_does_not_become_healthy(deployment: Deployment, words: str, local_aws: LocalAws) -> None:
    with local_aws.emulator.faults(Fault("Service", "start", spoils="secrets")):
        said = failure(deployment, DeployOptions(name="ill", data_stack="users-data"))
    assert words in said
    later = fresh(deployment, "ill")
    assert later == said
    assert said.endswith(MISSING if deployment is APP_RUNNER else "Essential container in task exited")


def test_an_update_that_app_runner_rolls_back(local_aws: LocalAws) -> None:
    with local_aws.emulator.faults(Fault("Service", "start", spoils="secrets")):
        said = failure(APP_RUNNER, DeployOptions(parameters=LARGER))
    assert said == CAUSES["App Runner rolls an update back, and the stack is UPDATE_COMPLETE"].says
    assert fresh(APP_RUNNER) == said
    in_another_process = subprocess.run(
        [sys.executable, "build.py", "status", "--layer", "apprunner", "--format", "json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    (stack,) = json.loads(in_another_process.stdout)["stacks"]
    assert (stack["cause"], stack["lastOperation"]["type"]) == (said, "UPDATE_STACK")
    deploy(APP_RUNNER, Session(ListUI()), DeployOptions(layer="apprunner", parameters={"MaxSize": "7"}))
    assert fresh(APP_RUNNER) == ""


def test_an_update_that_ecs_rolls_back(local_aws: LocalAws) -> None:
    deploy(ECS, Session(ListUI()), DeployOptions(name="ecs", data_stack="users-data", layer="ecs-express"))
    with local_aws.emulator.faults(Fault("Service", "start", spoils="secrets")):
        said = failure(ECS, DeployOptions(name="ecs", data_stack="users-data", parameters=LARGER))
    assert said.startswith("the last operation is deployment ROLLBACK_SUCCESSFUL (")
    assert "a task stopped: Essential container in task exited; " in said
    assert said.endswith(MISSING)
    assert fresh(ECS, "ecs") == said


def test_a_secret_that_was_deleted(local_aws: LocalAws) -> None:
    secrets, secret = boto3.client("secretsmanager"), output("users-data", contract.PASSWORD_SECRET_ARN)
    secrets.delete_secret(SecretId=secret, RecoveryWindowInDays=7)
    said = failure(APP_RUNNER, DeployOptions(name="gone", data_stack="users-data"))
    later = fresh(APP_RUNNER, "gone")
    secrets.restore_secret(SecretId=secret)
    assert "You can't perform this operation on the secret because it was marked for deletion" in said
    assert later == said


def test_an_image_of_another_build(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "READY_SECONDS", 2)
    with local_aws.emulator.faults(Fault("Service", "start", spoils="build")):
        said = failure(APP_RUNNER, DeployOptions(parameters={"MaxSize": "9"}))
    assert said.startswith("/ready reports the build another, not content-")
    assert fresh(APP_RUNNER) == said
    deploy(APP_RUNNER, Session(ListUI()), DeployOptions(layer="apprunner", parameters={"MaxSize": "8"}))


def test_a_cluster_that_stops_answering(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user could not be written, which `status` does not try; the service is not ready, which both ask."""
    monkeypatch.setattr(verification, "READY_SECONDS", 2)
    local_aws.losing_redis = True
    said = failure(APP_RUNNER, DeployOptions())
    later = fresh(APP_RUNNER)
    local_aws.losing_redis = False
    local_aws.services.resume_redis()
    assert said.endswith("/ready is answered 503: Redis does not answer in time")
    assert later == said


def test_every_fault_of_a_rehearsal_is_here_or_fails_before_aws() -> None:
    """The cluster's is in test_cause.py, and so is one that fails before."""
    here = {"data", "unhealthy", "rollback", "image", "redis"}
    assert set(FAULTS) == here | {"build", "push"}
