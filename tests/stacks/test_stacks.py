"""The verbs from end to end: real boto3 calls to an emulator of AWS, both layers, and nothing left behind."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from generator import contract
from generator.images.context import Context
from generator.layers import Deployment, app_runner_deployment, app_runner_layer, data_layer, default_deployments
from generator.operations import Clock, DeployOptions, Destroyed, DestroyOptions, Session, deploy, destroy
from generator.settings import Settings
from generator.stacks.inventory import final_snapshot
from generator.workload import Workload
from rehearsal.emulator.process import ACCOUNT, REGION, Emulator, Fault
from tests.command import Captured, Command, output, stacks
from tests.pushed import push
from tests.running import ROOT
from tests.ui import ListUI

IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/users:1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture
def command(aws: Emulator, capsys: Captured) -> Iterator[Command]:
    push(aws, IMAGE)
    yield Command(default_deployments, capsys)
    assert change_sets() == []
    assert "REVIEW_IN_PROGRESS" not in stacks().values()


def change_sets() -> list[str]:
    """Those that wait to be executed."""
    cloudformation = boto3.client("cloudformation")
    return [
        waiting["ChangeSetName"]
        for name in stacks()
        for waiting in cloudformation.list_change_sets(StackName=name)["Summaries"]
        if waiting.get("ExecutionStatus") == "AVAILABLE"
    ]


def secrets() -> set[str]:
    return {secret["ARN"] for secret in boto3.client("secretsmanager").list_secrets()["SecretList"]}


def test_a_deployment_from_the_first_preview_to_the_last_snapshot(
    command: Command, aws: Emulator, tmp_path: Path
) -> None:
    first = command("preview", "--detailed-exitcode", "--image", IMAGE)
    assert first.code == 2
    assert "users-data: a new stack." in first.out
    assert "+ Cluster  AWS::MemoryDB::Cluster" in first.out
    assert ("broader" in first.out, "255.255.255.255" in first.out) == (False, False)
    assert " granted" in first.out
    assert "users-apprunner: cannot be previewed before the stack users-data exists. Its template has:" in first.out
    assert stacks() == {}

    deployed = command("deploy", "--yes", "--image", IMAGE, "--no-verify")
    assert (deployed.code, stacks()) == (0, {"users-data": "CREATE_COMPLETE", "users-apprunner": "CREATE_COMPLETE"})
    assert "ServiceUrl: https://" in deployed.out
    assert "CREATE_COMPLETE              Cluster" in deployed.err

    again = command("deploy", "--yes", "--image", IMAGE, "--no-verify")
    assert (again.code, again.out.count("nothing to change.")) == (0, 2)

    status = command("status", "--format", "json", "--outputs-file", str(tmp_path / "outputs.json"))
    listed = json.loads(status.out)["stacks"]
    assert [stack["status"] for stack in listed] == ["CREATE_COMPLETE", "CREATE_COMPLETE"]
    assert [stack["terminationProtection"] for stack in listed] == [True, False]
    # Nothing runs in the emulator here, so the request over HTTPS fails.
    runs = listed[1]["service"]
    assert (runs["status"], runs["operation"], runs["image"]) == ("RUNNING", "CREATE_SERVICE SUCCEEDED", IMAGE)
    assert "Connection refused" in runs["answers"]["/ready"]
    assert json.loads((tmp_path / "outputs.json").read_text())["users-data"]["ClusterName"].startswith("db-")

    in_place = command("preview", "--layer", "data", "--parameter", "SnapshotRetentionDays=3")
    assert in_place.code == 0
    assert "~ Cluster  AWS::MemoryDB::Cluster  db-" in in_place.out
    assert "SnapshotRetentionLimit  7 → 3" in in_place.out
    assert "1 modified" in in_place.out
    assert in_place.out.endswith("Nothing is lost or replaced.\n")

    prices = str(ROOT / "examples" / "prices.json")
    grows = command("preview", "--layer", "apprunner", "--image", IMAGE, "--parameter", "MinSize=3", "--prices", prices)
    assert "cost: +20.44 USD per month\n" in grows.out
    login = ("preview", "--layer", "apprunner", "--image", IMAGE, "--parameter", "Authentication=iam")
    assert command(*login).code == 0
    broader = command(*login, "--fail-on", "broader", "--format", "json")
    assert broader.code == 3
    (layer,) = json.loads(broader.out)["layers"]
    assert layer["permissionsBroadened"]
    (role,) = (change for change in layer["changes"] if change["logicalId"] == "InstanceRole")
    assert [right["why"].split(" on ")[0] for right in role["rights"]] == [
        "newly allows memorydb:Connect",
        "no longer allows secretsmanager:GetSecretValue",
    ]

    risky = command("preview", "--layer", "data", "--parameter", f"KmsKeyArn={KEY}")
    assert risky.code == 3
    assert "! Cluster  AWS::MemoryDB::Cluster" in risky.out
    assert "refused: Cluster: replaces the database (KmsKeyId)." in risky.out
    comment = command("preview", "--layer", "data", "--parameter", f"KmsKeyArn={KEY}", "--format", "markdown")
    assert (
        "| <code>Cluster</code> | **loses data: is replaced, the old one is deleted** | <code>KmsKeyId</code>"
        in comment.out
    )
    assert comment.out.endswith("<!-- preview of users: refused -->\n")

    refused = command("deploy", "--yes", "--layer", "data", "--parameter", f"KmsKeyArn={KEY}")
    assert refused.code == 3

    # Allowed, it is tried; but the new cluster would have the old one's name, hence the way side by side.
    allowed = ("--allow-replacement", "Cluster", "--allow-replacement", "Repository")
    tried = command("deploy", "--yes", "--layer", "data", "--parameter", f"KmsKeyArn={KEY}", *allowed)
    assert tried.code == 1
    assert "already exists" in tried.err
    assert stacks()["users-data"] == "UPDATE_ROLLBACK_COMPLETE"

    tagged = command("preview", "--layer", "apprunner", "--image", IMAGE, "--tag", "commit=4f2a")
    assert tagged.code == 3
    assert "refused: VpcConnector: is replaced because of a tag" in tagged.out
    assert "ights" not in tagged.out
    assert "tag the others: --tag LAYER.KEY=VALUE, or --layer LAYER --tag KEY=VALUE." in tagged.out

    changed = command("deploy", "--yes", "--layer", "data", "--parameter", "SnapshotRetentionDays=3")
    assert (changed.code, stacks()["users-data"]) == (0, "UPDATE_COMPLETE")

    with aws.faults(Fault("Cluster", "update", reason="No capacity in this zone")):
        failed = command("deploy", "--yes", "--layer", "data", "--parameter", "SnapshotRetentionDays=5")
    assert failed.code == 1
    assert "users-data: The deployment failed, the stack is UPDATE_ROLLBACK_COMPLETE: Cluster" in failed.err
    assert "No capacity in this zone" in failed.err
    kept = command("preview", "--layer", "data", "--parameter", "SnapshotRetentionDays=5")
    assert "SnapshotRetentionLimit  3 → 5" in kept.out

    in_use = command("destroy", "--yes", "--layer", "data")
    assert in_use.code == 1
    assert "users-apprunner would lose their data" in in_use.err

    destroyed = command("destroy", "--yes")
    assert (destroyed.code, stacks()) == (0, {})
    assert "kept: snapshot final-" in destroyed.out
    assert "kept: PasswordSecret (arn:" in destroyed.out
    snapshots = [snapshot["Name"] for snapshot in boto3.client("memorydb").describe_snapshots()["Snapshots"]]
    assert [name for name in snapshots if name.startswith("final-")]


def test_with_iam_a_deployment_has_no_secret_anywhere(command: Command) -> None:
    before = secrets()
    iam = ("--parameter", "Authentication=iam")
    deployed = command("deploy", "--yes", "--name", "iam", "--image", IMAGE, "--no-verify", *iam)
    assert (deployed.code, stacks()) == (0, {"iam-data": "CREATE_COMPLETE", "iam-apprunner": "CREATE_COMPLETE"})
    assert secrets() == before
    (user,) = boto3.client("memorydb").describe_users()["Users"]
    assert user["Authentication"] == {"Type": "iam"}
    assert "PasswordSecretArn" not in deployed.out

    (summary,) = boto3.client("apprunner").list_services()["ServiceSummaryList"]
    service = boto3.client("apprunner").describe_service(ServiceArn=summary["ServiceArn"])["Service"]
    image = service["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]
    (cluster,) = boto3.client("memorydb").describe_clusters()["Clusters"]
    assert "RuntimeEnvironmentSecrets" not in image
    assert image["RuntimeEnvironmentVariables"] == {
        "AWS_REGION": REGION,
        "MEMORYDB_AUTHENTICATION": "iam",
        "MEMORYDB_CLUSTER_ENDPOINT": f"{cluster['ClusterEndpoint']['Address']}:6379",
        "MEMORYDB_CLUSTER_NAME": cluster["Name"],
        "MEMORYDB_USERNAME": user["Name"],
    }
    role = service["InstanceConfiguration"]["InstanceRoleArn"].rpartition("/")[2]
    iam_client = boto3.client("iam")
    assert iam_client.list_role_policies(RoleName=role)["PolicyNames"] == ["connect"]
    document = iam_client.get_role_policy(RoleName=role, PolicyName="connect")["PolicyDocument"]
    assert [(each["Action"], each["Resource"]) for each in document["Statement"]] == [
        (["memorydb:Connect"], [cluster["ARN"], user["ARN"]])
    ]

    again = command("deploy", "--yes", "--name", "iam", "--image", IMAGE, "--no-verify")
    assert (again.code, again.out.count("nothing to change.")) == (0, 2)
    destroyed = command("destroy", "--yes", "--name", "iam")
    assert (destroyed.code, stacks()) == (0, {})
    assert "PasswordSecret" not in destroyed.out
    assert secrets() == before


def test_a_service_logs_in_as_its_data_layer_says(command: Command) -> None:
    iam = ("--parameter", "Authentication=iam")
    command.must("deploy", "--yes", "--name", "follows", "--layer", "data", *iam)
    service = ("deploy", "--yes", "--name", "follows", "--layer", "apprunner", "--image", IMAGE, "--no-verify")
    other = command(*service, "--parameter", "Authentication=password")
    assert other.code == 1
    assert "follows-data-PasswordSecretArn" in other.err
    command.must(*service, "--recreate")
    seen = command("preview", "--name", "follows", "--image", IMAGE)
    assert (seen.code, seen.out.count("nothing to change.")) == (0, 2)
    command.must("destroy", "--yes", "--name", "follows")


def test_a_stack_that_was_never_created_is_deleted_only_with_recreate(command: Command, aws: Emulator) -> None:
    with aws.faults(Fault("Cluster", reason="Quota exceeded")):
        failed = command("deploy", "--yes", "--name", "second", "--layer", "data")
    assert failed.code == 1
    assert "the stack is ROLLBACK_COMPLETE: Cluster (AWS::MemoryDB::Cluster): " in failed.err
    assert "Quota exceeded" in failed.err

    stuck = command("deploy", "--yes", "--name", "second", "--layer", "data")
    assert stuck.code == 1
    assert "The stack is ROLLBACK_COMPLETE" in stuck.err
    assert "--recreate" in stuck.err

    recreated = command("deploy", "--yes", "--name", "second", "--layer", "data", "--recreate")
    assert (recreated.code, stacks()) == (0, {"second-data": "CREATE_COMPLETE"})
    command.must("destroy", "--yes", "--name", "second")


def test_a_change_set_kept_for_review_is_executed_as_it_was_shown(command: Command) -> None:
    kept = command("preview", "--keep", "--name", "third", "--layer", "data")
    arn = next(line.removeprefix("  change set: ") for line in kept.out.splitlines() if "change set: " in line)
    assert "https://eu-west-1.console.aws.amazon.com/cloudformation/" in kept.out
    assert stacks() == {"third-data": "REVIEW_IN_PROGRESS"}

    executed = command("deploy", "--yes", "--name", "third", "--change-set", arn)
    assert (executed.code, stacks()) == (0, {"third-data": "CREATE_COMPLETE"})
    stale = command("deploy", "--yes", "--name", "third", "--change-set", arn)
    assert stale.code == 1
    command.must("destroy", "--yes", "--name", "third")


def test_images_are_deleted_only_when_asked(command: Command) -> None:
    command.must("deploy", "--yes", "--name", "fourth", "--layer", "data")
    ecr = boto3.client("ecr")
    (repository,) = (one for one in ecr.describe_repositories()["repositories"] if one["repositoryName"] != "users")
    manifest = json.dumps({"schemaVersion": 2, "config": {"digest": "sha256:0"}, "layers": []})
    for tag in ("1", "2"):
        ecr.put_image(repositoryName=repository["repositoryName"], imageManifest=manifest, imageTag=tag)
    full = command("destroy", "--yes", "--name", "fourth")
    assert full.code == 1
    assert "holds 1 image:" in full.err
    assert "--purge-images" in full.err
    command.must("destroy", "--yes", "--name", "fourth", "--purge-images")
    assert stacks() == {}


def test_an_operation_that_runs_is_waited_for_first(command: Command, aws: Emulator) -> None:
    class Releasing(ListUI):
        def progress(self, text: str) -> None:
            super().progress(text)
            if "waiting for that first" in text:
                held.close()

    ui = Releasing()
    with ExitStack() as held:
        held.enter_context(aws.faults(Fault("Cluster", held=True)))
        for _ in range(2):
            started = command("deploy", "--yes", "--name", "ninth", "--image", IMAGE, "--no-wait")
            assert started.code == 0
            assert "CloudFormation is still deploying ninth-data" in started.err
            assert stacks() == {"ninth-data": "CREATE_IN_PROGRESS"}
        (followed,) = deploy(app_runner_deployment(), Session(ui), DeployOptions(name="ninth", layer="data"))
    assert "ninth-data is CREATE_IN_PROGRESS: waiting for that first." in ui.said
    assert followed.plan
    assert followed.plan.changes == ()
    command.must("destroy", "--yes", "--name", "ninth")


def test_an_image_is_previewed_by_its_content_and_never_built(command: Command) -> None:
    command.must("deploy", "--yes", "--name", "eleventh", "--layer", "data")
    seen = command("preview", "--name", "eleventh")
    tag = Context(ROOT).tag()
    assert seen.code == 0
    assert f"{tag} is not in eleventh-data-repository-" in seen.err
    assert "A deployment builds and pushes it." in seen.err
    assert "eleventh-apprunner: a new stack." in seen.out
    repository = output("eleventh-data", contract.REPOSITORY_URI).partition("/")[2]
    assert boto3.client("ecr").list_images(repositoryName=repository)["imageIds"] == []
    other = Context(ROOT, {"BASE": "another"}).tag()
    assert f"{other} is not in" in command.must("preview", "--name", "eleventh", "--build-arg", "BASE=another")
    command.must("destroy", "--yes", "--name", "eleventh")


def test_without_a_dockerfile_the_image_stays_and_a_first_one_is_asked_for(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command.must("deploy", "--yes", "--name", "twelfth", "--image", IMAGE, "--no-verify")
    monkeypatch.chdir(tmp_path)
    again = command("deploy", "--yes", "--name", "twelfth", "--no-verify")
    assert again.code == 0
    assert f"There is no Dockerfile in {tmp_path}: the image stays {IMAGE}." in again.err
    command.must("destroy", "--yes", "--name", "twelfth", "--layer", "apprunner")
    seen = command("preview", "--name", "twelfth")
    assert seen.code == 1
    assert "twelfth-data: nothing to change." in seen.out
    assert "twelfth-apprunner: could not be previewed: There is no Dockerfile in " in seen.out
    first = command("deploy", "--yes", "--name", "twelfth", "--no-verify")
    assert first.code == 64
    assert "There is no Dockerfile in ." in first.err
    command.must("destroy", "--yes", "--name", "twelfth")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--context", "/nonexistent"], 64, "There is no Dockerfile in /nonexistent"),
        (["--build-arg", "x"], 64, "Argument --build-arg: x is not KEY=VALUE."),
        (["--container-tool", "kaniko"], 64, "--container-tool kaniko is none of docker, finch, podman, buildah."),
        (["--container-tool", "/nonexistent/podman"], 1, "The container tool cannot be used: it is not installed."),
        (["--name", "a b"], 64, "'a b' must be letters, digits and hyphens, with a letter first"),
    ],
)
def test_an_image_that_cannot_be_built_is_reported_before_anything_is_deployed(
    command: Command, arguments: list[str], code: int, message: str
) -> None:
    refused = command("deploy", "--yes", "--name", "early", *arguments)
    assert (refused.code, stacks()) == (code, {})
    assert message in refused.err


def test_a_paused_service_is_not_updated_and_the_message_has_the_command_that_resumes_it(command: Command) -> None:
    command.must("deploy", "--yes", "--name", "paused", "--image", IMAGE, "--no-verify")
    arn = output("paused-apprunner", contract.SERVICE_ARN)
    boto3.client("apprunner").pause_service(ServiceArn=arn)
    refused = command("deploy", "--yes", "--name", "paused", "--image", IMAGE, "--no-verify")
    assert refused.code == 1
    assert "paused-apprunner: The service cannot be updated: it is PAUSED. Resume it: aws apprunner" in refused.err
    boto3.client("apprunner").resume_service(ServiceArn=arn)
    command.must("deploy", "--yes", "--name", "paused", "--image", IMAGE, "--no-verify")
    command.must("destroy", "--yes", "--name", "paused")


def test_a_private_service_is_reported_as_not_verified_from_outside(command: Command) -> None:
    def private() -> list[Deployment]:
        return [app_runner_deployment(Settings(private_ingress=True))]

    said = command.must("deploy", "--yes", "--name", "private", "--image", IMAGE, deployments=private)
    assert f"  image            {IMAGE}" in said
    assert "not verified from outside: the service can be reached inside its VPC only" in said
    shown = command.must("status", "--name", "private", deployments=private)
    assert "not checked: the service can be reached inside its VPC only" in shown
    command.must("destroy", "--yes", "--name", "private", deployments=private)


def test_one_folder_is_not_the_source_of_two_services(command: Command) -> None:
    def two() -> list[Deployment]:
        data, apprunner = app_runner_deployment().layers
        return [Deployment("two", (data, apprunner, replace(apprunner, name="second")))]

    refused = command("preview", "--context", ".", deployments=two)
    assert refused.code == 64
    assert "--context is the source of one service: choose --layer apprunner or --layer second." in refused.err


def test_an_image_that_is_built_elsewhere_is_not_built_from_the_current_folder(command: Command) -> None:
    def elsewhere() -> list[Deployment]:
        return [Deployment("mine", (data_layer(), app_runner_layer(Settings(), Workload(context=""))))]

    refused = command("deploy", "--yes", "--name", "thirteenth", deployments=elsewhere)
    assert (refused.code, stacks()) == (1, {})
    message = "thirteenth-apprunner: There is no image: it is built elsewhere. Pass --image URI, or --image LAYER=URI"
    assert message in refused.err
    command.must("deploy", "--yes", "--name", "thirteenth", "--image", IMAGE, "--no-verify", deployments=elsewhere)
    seen = command("preview", "--name", "thirteenth", deployments=elsewhere)
    assert f"thirteenth-apprunner takes an image that is built elsewhere: the image stays {IMAGE}." in seen.err
    command.must("destroy", "--yes", "--name", "thirteenth", deployments=elsewhere)


def test_a_deletion_is_tried_again_while_interfaces_are_in_use(command: Command, aws: Emulator) -> None:
    command.must("deploy", "--yes", "--name", "fifth", "--layer", "data")
    ui, slept = ListUI(), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        time.sleep(min(seconds, 0.1))

    session = Session(ui, clock=Clock(sleep=sleep))
    with aws.faults(Fault("MemoryDbSecurityGroup", "delete", reason="resource sg-1 has a dependent object", times=2)):
        destroyed = destroy(app_runner_deployment(), session, DestroyOptions(name="fifth"))
    assert destroyed == Destroyed(("fifth-data",), absent=("fifth-apprunner",))
    assert ui.said.count("MemoryDbSecurityGroup is still in use. Trying again ...") == slept.count(60) == 2
    assert stacks() == {}


def test_another_failure_of_a_deletion_is_not_tried_again(command: Command, aws: Emulator) -> None:
    command.must("deploy", "--yes", "--name", "sixth", "--layer", "data")
    with aws.faults(Fault("Acl", "delete", reason="Not today")):
        failed = command("destroy", "--yes", "--name", "sixth")
    assert failed.code == 1
    assert (
        "sixth-data: The deletion failed, the stack is DELETE_FAILED: Acl (AWS::MemoryDB::ACL): Not today" in failed.err
    )
    # The cluster went and left its snapshot; what is left of the stack goes now.
    command.must("destroy", "--yes", "--name", "sixth")
    assert stacks() == {}


def test_a_final_snapshot_whose_name_is_taken_stops_the_destruction(command: Command) -> None:
    command.must("deploy", "--yes", "--name", "seventh", "--layer", "data")
    memorydb = boto3.client("memorydb")
    (cluster,) = memorydb.describe_clusters()["Clusters"]
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName="seventh-data")["Stacks"]
    name = final_snapshot(stack["StackId"])
    memorydb.create_snapshot(ClusterName=cluster["Name"], SnapshotName=name)
    stopped = command("destroy", "--yes", "--name", "seventh")
    assert stopped.code == 1
    assert f"There is a snapshot {name} already" in stopped.err
    memorydb.delete_snapshot(SnapshotName=name)
    command.must("destroy", "--yes", "--name", "seventh")


def test_a_terminal_is_asked_and_coloured(command: Command) -> None:
    def on_a_terminal(answer: bytes, **environment: str) -> tuple[int, str]:
        leader, follower = pty.openpty()
        arguments = [sys.executable, "build.py", "deploy", "--name", "eighth", "--layer", "data"]
        with subprocess.Popen(
            arguments, cwd=ROOT, env=os.environ | environment, stdin=follower, stdout=follower, stderr=follower
        ) as process:
            os.close(follower)
            os.write(leader, answer)
            said = b""
            with suppress(OSError):
                while chunk := os.read(leader, 65536):
                    said += chunk
        os.close(leader)
        return process.returncode, said.decode()

    code, said = on_a_terminal(b"n\n", TERM="xterm")
    assert code == 1
    assert "Deploy this to eighth-data (account 111122223333, eu-west-1)? [y/N]" in said
    assert "Nothing was changed." in said
    assert "\x1b[32m" in said
    code, said = on_a_terminal(b"\n", TERM="xterm", NO_COLOR="1")
    assert code == 1
    assert "\x1b[32m" not in said
    assert stacks() == {}


def test_nothing_to_destroy_is_success(command: Command) -> None:
    gone = command("destroy", "--yes", "--name", "nobody")
    assert (gone.code, gone.out) == (0, "There is nothing to destroy: no stack nobody-apprunner or nobody-data.\n")
