"""Rehearsed upgrades: one that holds, planted ones that do not, from commits and from exported stacks."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from examples import existing_vpc_by_ids
from generator.cli.arguments import Deployments
from generator.layers import Deployment, Layer, app_runner_deployment, default_deployments
from rehearsal import upgrade
from rehearsal.before import given
from rehearsal.emulator.process import ACCOUNT, REGION, Emulator
from rehearsal.local_aws import environment
from tests.command import Command, Run
from tests.pushed import push


class Rehearse:
    """The verb, and its result as JSON."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._file = folder / "result.json"
        self._command = Command(default_deployments, capsys)
        self.run: Run

    def __call__(self, *arguments: str, deployments: Deployments = default_deployments) -> Any:
        words = ("rehearse", "--process", "--result", str(self._file), *arguments)
        self.run = self._command(*words, deployments=deployments)
        result = json.loads(self._file.read_text())
        assert self.run.code == (1 if result["reasons"] else 0)
        assert f": {result['summary']}.\n" in self.run.out
        assert not [reason for reason in result["reasons"] if reason.startswith("Left behind")]
        return result


@pytest.fixture
def rehearse(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Rehearse:
    monkeypatch.setattr(upgrade, "USERS", 20)
    return Rehearse(tmp_path, capsys)


def changed(layer_name: str, change: Callable[[Any], None]) -> Deployments:
    """The deployments with a change to one layer's template."""

    def layer(found: Layer) -> Layer:
        template = json.loads(found.text())
        change(template)
        return given(found, json.dumps(template))

    def deployments() -> list[Deployment]:
        layers = app_runner_deployment().layers
        return [Deployment("apprunner", tuple(layer(each) if each.name == layer_name else each for each in layers))]

    return deployments


def test_an_upgrade_that_holds(repository: Path, rehearse: Rehearse) -> None:
    text = (repository / "service" / "openapi.py").read_text()
    (repository / "service" / "openapi.py").write_text(f"{text}\n# another build\n")
    larger = changed("apprunner", lambda template: template["Parameters"]["MaxSize"].update(Default=4, Description="."))
    result = rehearse("--from", "HEAD", "--parameter", "MaxSize=3", deployments=larger)
    assert (result["outcome"], result["reasons"], result["notes"]) == ("held", [], [])
    assert result["requests"]["sent"] > 100
    assert result["requests"]["failed"] == 0
    assert result["users"] == {"written": 40, "lost": 0}
    assert (result["replaced"], result["removed"]) == ([], [])
    assert [fact["about"] for fact in result["verified"]][-1] == "a user"
    assert list(result["seconds"]) == ["before", "preview", "upgrade", "rollback", "destroy"]


def replace_connector(template: Any) -> None:
    connector = template["Resources"]["VpcConnector"]["Properties"]
    connector["Subnets"] = [{"Fn::Select": [0, connector["Subnets"]]}]


def replace_service(template: Any) -> None:
    template["Resources"]["Service"]["Properties"]["ServiceName"] = {"Fn::Sub": "${AWS::StackName}-another"}


def forget_secret(template: Any) -> None:
    image = template["Resources"]["Service"]["Properties"]["SourceConfiguration"]["ImageRepository"]
    del image["ImageConfiguration"]["RuntimeEnvironmentSecrets"]


def remove_secret(template: Any) -> None:
    del template["Resources"]["PasswordSecret"]
    template["Outputs"]["PasswordSecretArn"]["Value"] = {"Fn::GetAtt": ["Cluster", "ARN"]}
    iam = {"Type": "iam"}
    mode = {"Fn::If": ["UsesPassword", iam, iam]}
    template["Resources"]["MemoryDbUser"]["Properties"]["AuthenticationMode"] = mode


def add_required(template: Any) -> None:
    template["Parameters"]["Owner"] = {"Type": "String"}
    template["Resources"]["Cluster"]["Properties"]["Description"] = {"Ref": "Owner"}


@pytest.mark.parametrize(
    ("layer", "change", "reason"),
    [
        (
            "apprunner",
            replace_connector,
            "upgrade: rehearsal-apprunner: The deployment failed, the stack is UPDATE_ROLLBACK_COMPLETE: VpcConnector "
            "(AWS::AppRunner::VpcConnector): The subnets or security groups combination",
        ),
        ("apprunner", replace_service, "interrupted: apprunner.Service is replaced, and its address with it"),
        (
            "apprunner",
            forget_secret,
            "upgrade: rehearsal-apprunner: Could not verify that the new version is running: the last operation is "
            "UPDATE_SERVICE ROLLBACK_SUCCEEDED",
        ),
        ("data", remove_secret, "refused: rehearsal-data: PasswordSecret takes the password out of the stack"),
        ("data", add_required, "preview: data: Owner has no value: --parameter Owner=VALUE."),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_bad_upgrade_is_caught_with_its_reason(
    layer: str, change: Callable[[Any], None], reason: str, repository: Path, rehearse: Rehearse
) -> None:
    result = rehearse("--from", "HEAD", deployments=changed(layer, change))
    assert result["reasons"][0].startswith(reason), result["reasons"]
    assert f"Does not hold: {reason}" in rehearse.run.out
    assert (result["users"]["lost"], result["requests"]["failed"] > 0) == (0, change is replace_service)


def test_users_that_the_new_service_cannot_read_are_lost(repository: Path, rehearse: Rehearse) -> None:
    queries = repository / "service" / "queries.py"
    assert '"user:' in queries.read_text()
    queries.write_text(queries.read_text().replace('"user:', '"user:v2:'))
    result = rehearse("--from", "HEAD")
    assert result["users"] == {"written": 40, "lost": 40}
    reasons = " ".join(result["reasons"])
    assert "20 of 20 users lost after the upgrade: GET /before-0@foo.com is answered 404; " in reasons
    assert "20 of 40 users lost after the rollback: GET /after-0@foo.com is answered 404; " in reasons
    assert re.search(r"requests failed during the upgrade: GET /(before|load)-", reasons)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "none"], "--from none: there is no such commit."),
        (["--from", "--output=x"], "--from --output=x: there is no such commit."),
        (["--from", "HEAD", "--stay"], "--fault and --stay are for a rehearsal without --from."),
        (["--from-file", "none.json"], "Cannot read none.json: No such file or directory."),
        (["--from-file", "Dockerfile"], "Dockerfile is not what export-stacks writes: "),
    ],
)
def test_wrong_usage_is_refused_before_anything_starts(
    arguments: list[str], message: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"--from={arguments[1]}"] if arguments[1].startswith("-") else arguments
    run = Command(default_deployments, capsys)("rehearse", "--process", *words)
    assert (run.code, run.err.strip().startswith(message)) == (64, True), run.err


def test_a_commit_without_templates_is_refused(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["git", "rm", "-rq", "--cached", "templates"], check=True)
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    subprocess.run(["git", *identity, "commit", "--quiet", "--message", "two"], check=True)
    run = Command(default_deployments, capsys)("rehearse", "--process", "--from", "HEAD")
    assert run.code == 64
    message = "--from HEAD: the commit has no templates/data-layer.json, templates/apprunner-layer.json.\n"
    assert run.err == message


# From exported stacks.


@pytest.fixture
def account(aws: Emulator) -> Callable[[], list[Deployment]]:
    """An account with a VPC of its own, in which a deployment is; returns its program."""
    ec2 = boto3.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"][:2]]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(zones)
    ]
    return lambda: existing_vpc_by_ids.deployments(vpc, subnets)


def test_stacks_of_an_account_are_exported_and_upgraded(
    account: Callable[[], list[Deployment]],
    aws: Emulator,
    rehearse: Rehearse,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = Command(account, capsys)
    image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/users:1"
    push(aws, image)
    values = ("--parameter", "MaxSize=3", "SnapshotWindow=03:00-04:00")
    command.must("deploy", "--yes", "--no-verify", "--image", image, *values)
    vpcs = len(boto3.client("ec2").describe_vpcs()["Vpcs"])
    result = rehearse("--from-stacks", "users", deployments=account)
    assert result["reasons"] == []
    assert result["users"]["lost"] == 0
    assert len([note for note in result["notes"] if " takes the place of " in note]) == 3
    # Nothing was created where it was exported.
    assert len(boto3.client("ec2").describe_vpcs()["Vpcs"]) == vpcs
    text = command("export-stacks", "users").out
    file = tmp_path / "stacks.json"
    file.write_text(text)
    with environment({}):
        result = rehearse("--from-file", str(file), deployments=account)
    assert (result["from"], result["reasons"]) == (str(file), [])
