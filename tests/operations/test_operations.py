"""The procedures of docs/operations.md on a deployment on this machine, some of them under load."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import redis

from generator import contract
from generator.compute.apprunner import AppRunnerCompute
from generator.images.context import Context
from generator.images.repository import ImageRepository
from generator.layers import app_runner_deployment, default_deployments
from rehearsal.local_aws import REGISTRY, LocalAws
from rehearsal.processes import START_SECONDS
from rehearsal.services.redis_cluster import ClusterError
from tests.command import Captured, output
from tests.rehearsed import LocalDeployment, deployed
from tests.running import ROOT, eventually

PAGE = ROOT / "docs" / "operations.md"


@pytest.fixture(scope="module")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with deployed(tmp_path_factory.mktemp("rehearsal"), AppRunnerCompute()) as made:
        yield made


@pytest.fixture
def deployment(local_aws: LocalAws, capsys: Captured) -> LocalDeployment:
    return LocalDeployment(local_aws, capsys, default_deployments)


# The password.


def lets_in(deployment: LocalDeployment, password: str) -> bool:
    """Whether the cluster takes the user with this password."""
    (cluster,) = deployment.aws.services.clusters.values()
    (user,) = boto3.client("memorydb").describe_users()["Users"]
    try:
        with cluster.client(cluster.nodes[0], username=user["Name"], password=password) as client:
            client.hgetall("user:")
    except redis.AuthenticationError:
        return False
    return True


def password(deployment: LocalDeployment) -> str:
    secret = output("users-data", contract.PASSWORD_SECRET_ARN)
    return str(boto3.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])


def test_a_password_is_rotated_without_a_failed_request(deployment: LocalDeployment) -> None:
    old = password(deployment)
    with deployment.load() as wrong:
        time.sleep(1)
        deployment.must("rotate", "--yes")
        time.sleep(1)
    new = password(deployment)
    assert wrong == []
    assert old != new
    assert (lets_in(deployment, old), lets_in(deployment, new)) == (False, True)
    assert old not in deployment.said
    assert new not in deployment.said
    assert "users-apprunner will be redeployed" in deployment.said
    assert "a user           written, read back, deleted" in deployment.said


@pytest.mark.parametrize("step", ["update_user", "update_secret_version_stage", "start_deployment"])
def test_an_interrupted_rotation_is_finished_by_beginning_it_again(
    step: str, deployment: LocalDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    def client(session: boto3.Session, *arguments: object, **named: object) -> object:
        made = real(session, *arguments, **named)
        if hasattr(made, step):
            setattr(made, step, interrupted)
        return made

    old = password(deployment)
    real = boto3.Session.client
    monkeypatch.setattr(boto3.Session, "client", client)
    assert deployment("rotate", "--yes") == 130, deployment.said
    assert "two passwords are valid" in deployment.said
    assert "Run rotate again, which finishes it." in deployment.said
    assert deployment.ask("GET", "/ready") == 200
    monkeypatch.undo()
    deployment.must("rotate", "--yes")
    assert "an unfinished rotation will be continued" in deployment.said
    assert not lets_in(deployment, old)
    assert lets_in(deployment, password(deployment))
    assert deployment.ask("GET", "/ready") == 200


def test_a_deployment_between_the_steps_of_a_rotation_is_refused(deployment: LocalDeployment) -> None:
    memorydb = boto3.client("memorydb")
    (user,) = memorydb.describe_users()["Users"]
    memorydb.update_user(
        UserName=user["Name"],
        AuthenticationMode={"Type": "password", "Passwords": [password(deployment), "another-password-of-24-c"]},
    )
    assert deployment("deploy", "--yes", "--layer", "data", "--tag", "a=b") == 1
    assert "users-data: The user's password is being rotated" in deployment.said
    deployment.must("rotate", "--yes")
    assert not lets_in(deployment, "another-password-of-24-c")


def test_a_password_lets_in_to_the_clusters_of_its_user_only(deployment: LocalDeployment) -> None:
    memorydb = boto3.client("memorydb")
    (user,) = memorydb.describe_users()["Users"]
    deployment.must("deploy", "--yes", "--name", "beside", "--layer", "data")
    # The same password once more: a change that reaches the nodes.
    mode = {"Type": "password", "Passwords": [password(deployment)]}
    memorydb.update_user(UserName=user["Name"], AuthenticationMode=mode)
    for name, cluster in deployment.aws.services.clusters.items():
        with cluster.client(cluster.nodes[0]) as client:
            known = set(client.acl_users()) - {"default"}
        assert (user["Name"] in known, len(known)) == (name == output("users-data", contract.CLUSTER_NAME), 1)
    deployment.must("destroy", "--yes", "--name", "beside", "--layer", "data")


def test_a_user_whose_access_changes_keeps_the_password(deployment: LocalDeployment) -> None:
    memorydb = boto3.client("memorydb")
    (user,) = memorydb.describe_users()["Users"]
    memorydb.update_user(UserName=user["Name"], AccessString=f"{user['AccessString']} +exists")
    assert lets_in(deployment, password(deployment))
    memorydb.update_user(UserName=user["Name"], AccessString=user["AccessString"])


def test_without_a_password_there_is_nothing_to_rotate(deployment: LocalDeployment) -> None:
    assert deployment("rotate", "--yes", "--name", "nobody") == 1
    assert "nobody-data: There is no password to rotate: the stack does not exist." in deployment.said


# Pausing and scaling.


def test_a_paused_service_comes_back_with_its_data(deployment: LocalDeployment) -> None:
    assert deployment.ask("POST", "/", {"email": "user1@foo.com", "name": "user1"}) == 200
    arn = output("users-apprunner", contract.SERVICE_ARN)
    apprunner = boto3.client("apprunner")
    apprunner.pause_service(ServiceArn=arn)
    with pytest.raises(OSError, match="502"):
        deployment.ask("GET", "/user1@foo.com")
    apprunner.resume_service(ServiceArn=arn)
    assert deployment.ask("GET", "/user1@foo.com") == 200


def test_scaling_loses_no_request_under_load(deployment: LocalDeployment) -> None:
    with deployment.load() as wrong:
        deployment.must(
            "deploy", "--yes", "--parameter", "Cpu=2048", "--parameter", "Memory=4096", "--parameter", "MaxSize=9"
        )
    assert wrong == []


# While something is under way.


def test_logs_are_read_while_a_deployment_runs(deployment: LocalDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*arguments: Any, **named: Any) -> Any:
        begun.set()
        time.sleep(0.5)
        return runner(*arguments, **named)

    begun, runner = threading.Event(), deployment.aws.services.runner
    arn, logs = output("users-apprunner", contract.SERVICE_ARN), boto3.client("logs")
    monkeypatch.setattr(deployment.aws.services, "runner", start)
    boto3.client("apprunner").start_deployment(ServiceArn=arn)
    assert begun.wait(START_SECONDS)
    logs.describe_log_groups()
    while last(arn) == ("START_DEPLOYMENT", "IN_PROGRESS"):
        logs.describe_log_groups()
    assert last(arn) == ("START_DEPLOYMENT", "SUCCEEDED")


def test_a_deployment_that_cannot_be_started_ends(deployment: LocalDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise ClusterError("podman pull: manifest unknown")

    apprunner, arn = boto3.client("apprunner"), output("users-apprunner", contract.SERVICE_ARN)
    monkeypatch.setattr(deployment.aws.services, "runner", refuse)
    apprunner.start_deployment(ServiceArn=arn)
    eventually(lambda: last(arn) != ("START_DEPLOYMENT", "IN_PROGRESS"))
    assert last(arn) == ("START_DEPLOYMENT", "FAILED")
    assert apprunner.describe_service(ServiceArn=arn)["Service"]["Status"] == "RUNNING"
    assert deployment.ask("GET", "/ready") == 200


def test_an_update_is_an_operation_in_progress(deployment: LocalDeployment) -> None:
    def watch() -> None:
        while not ended.is_set():
            status = apprunner.describe_service(ServiceArn=arn)["Service"]["Status"]
            seen.add((status, *last(arn)))

    apprunner, arn = boto3.client("apprunner"), output("users-apprunner", contract.SERVICE_ARN)
    ended, seen = threading.Event(), set[tuple[str, ...]]()
    watching = threading.Thread(target=watch)
    watching.start()
    deployment.must("deploy", "--yes", "--parameter", "MaxSize=8")
    ended.set()
    watching.join()
    assert ("OPERATION_IN_PROGRESS", "UPDATE_SERVICE", "IN_PROGRESS") in seen
    assert last(arn) == ("UPDATE_SERVICE", "SUCCEEDED")


def last(arn: str) -> tuple[str, str]:
    """The service's last operation and how it ended."""
    operation = boto3.client("apprunner").list_operations(ServiceArn=arn, MaxResults=1)["OperationSummaryList"][0]
    return operation["Type"], operation["Status"]


# Going back.


def test_an_older_image_is_deployed_again_without_being_built(deployment: LocalDeployment) -> None:
    today = deployment.build()
    other = Context(ROOT, {"RELEASE": "other"})
    uri = output("users-data", contract.REPOSITORY_URI)
    deployment.aws.push(uri, other)
    deployment.must("deploy", "--yes", "--build-arg", "RELEASE=other")
    assert deployment.build() == other.tag() != today
    digest = ImageRepository(uri, boto3.client("ecr")).digest(today)
    deployment.must("deploy", "--yes", "--image", f"{uri}@{digest}")
    assert deployment.build() == today
    assert f"GET /ready       200, build {today}" in deployment.said


# Another cluster with the same data.


def test_a_cluster_is_replaced_side_by_side_and_the_data_moves_with_it(deployment: LocalDeployment) -> None:
    user = {"email": "user1@foo.com", "name": "user1"}
    assert deployment.ask("POST", "/", user) == 200
    memorydb = boto3.client("memorydb")
    (cluster,) = memorydb.describe_clusters()["Clusters"]
    memorydb.create_snapshot(ClusterName=cluster["Name"], SnapshotName="move")

    second = ["--data-stack", "users-data-2"]
    deployment.must("deploy", "--yes", "--layer", "data", *second, "--parameter", "SnapshotName=move")
    deployment.aws.push(output("users-data-2", contract.REPOSITORY_URI))
    deployment.must("deploy", "--yes", "--layer", "apprunner", *second)
    assert deployment.ask("GET", "/user1@foo.com") == 200

    deployment.must("destroy", "--yes", "--layer", "data", "--purge-images")
    assert [one["Name"] for one in memorydb.describe_clusters()["Clusters"]] != [cluster["Name"]]
    url = output("users-apprunner", contract.SERVICE_URL)
    status, body = deployment.answer("GET", url, "/user1@foo.com")
    assert (status, json.loads(body)) == (200, user)
    deployment.must("destroy", "--yes", *second, "--purge-images")


def test_destroyed_and_restored_from_the_final_snapshot_the_data_are_there_again(deployment: LocalDeployment) -> None:
    user = {"email": "user2@foo.com", "name": "user2"}
    deployment.must("deploy", "--yes", "--name", "short", "--layer", "data")
    deployment.aws.push(output("short-data", contract.REPOSITORY_URI))
    deployment.must("deploy", "--yes", "--name", "short")
    assert deployment.ask("POST", "/", user, "short-apprunner") == 200
    deployment.must("destroy", "--yes", "--name", "short", "--purge-images")
    (snapshot,) = re.findall("snapshot (final-[0-9a-f]{32})", deployment.said)

    restored = ("--parameter", f"SnapshotName={snapshot}")
    deployment.must("deploy", "--yes", "--name", "short", "--layer", "data", *restored)
    deployment.aws.push(output("short-data", contract.REPOSITORY_URI))
    deployment.must("deploy", "--yes", "--name", "short")
    assert deployment.ask("GET", "/user2@foo.com", stack="short-apprunner") == 200
    deployment.must("destroy", "--yes", "--name", "short", "--purge-images")


# The page itself.


@pytest.mark.parametrize("line", re.findall(r"^python build\.py .*$", PAGE.read_text(), re.MULTILINE))
def test_every_command_of_the_page_is_one(line: str, deployment: LocalDeployment) -> None:
    """As far as anything is looked at before AWS is asked: verbs and options; and the names of parameters."""
    declared = {name for layer in app_runner_deployment().layers for name in json.loads(layer.text())["Parameters"]}
    assert {pair.partition("=")[0] for pair in re.findall(r"--parameter (\S+)", line)} <= declared
    values = {"REPOSITORY_URI@sha256:DIGEST": f"{REGISTRY}/a@sha256:{64 * 'a'}"}
    words = [values.get(word, word) for word in line.split()[2:]]
    unattended = ["--yes"] if words[0] in ("deploy", "destroy", "rotate") else []
    assert deployment(*words, *unattended, "--profile", "nobody") == 64
    assert "There is no AWS profile nobody: " in deployment.said
