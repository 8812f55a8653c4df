"""Manual changes from end to end, on the emulator: detected, shown with three values, changed back."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from generator.layers import default_deployments
from rehearsal.emulator.process import Emulator, Fault
from tests.command import Captured, Command

DATA = ("--layer", "data")
STATUS = ("status", *DATA, "--drift", "--detailed-exitcode")


@pytest.fixture
def command(aws: Emulator, capsys: Captured) -> Command:
    """The command, with a data stack that is as it was deployed."""
    made = Command(default_deployments, capsys)
    made.must("deploy", "--yes", *DATA, "--revert-drift")
    return made


def physical_id(logical_id: str) -> str:
    found = boto3.client("cloudformation").describe_stack_resource(StackName="users-data", LogicalResourceId=logical_id)
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


def cluster() -> dict[str, Any]:
    (found,) = boto3.client("memorydb").describe_clusters()["Clusters"]
    return dict(found)


def change_by_hand() -> None:
    """The retention of a log group, and two properties of the cluster."""
    boto3.client("logs").put_retention_policy(logGroupName=physical_id("FlowLogGroup"), retentionInDays=3)
    memorydb = boto3.client("memorydb")
    memorydb.update_cluster(ClusterName=physical_id("Cluster"), SnapshotRetentionLimit=1, Description="by hand")


def test_drift_has_an_exit_code_of_its_own(command: Command) -> None:
    clean = command(*STATUS)
    assert (clean.code, clean.out.splitlines()[-1]) == (0, "  no drift in what was checked")
    change_by_hand()
    drifted = command(*STATUS)
    assert drifted.code == 2
    assert "  drift: Cluster is MODIFIED\n" in drifted.out
    assert "    /SnapshotRetentionLimit: 7 is 1\n" in drifted.out
    assert "  drift not checked, AWS::EC2::Subnet: " in drifted.out
    assert command(*STATUS[:-1]).code == 0
    assert command("status", "--detailed-exitcode").code == 64


def test_a_resource_that_cannot_be_read_fails_the_command(command: Command, aws: Emulator) -> None:
    change_by_hand()
    with aws.faults(Fault("FlowLogGroup", "read", reason="Rate exceeded")):
        failed = command(*STATUS)
        document = json.loads(command(*STATUS, "--format", "json").out)
    assert failed.code == 1
    assert "  drift detection failed for FlowLogGroup: Rate exceeded\n" in failed.out
    assert "  drift: Cluster is MODIFIED\n" in failed.out
    assert "no drift" not in failed.out
    (stack,) = document["stacks"]
    assert stack["driftFailures"]["FlowLogGroup"] == "Rate exceeded"
    assert stack["driftUnchecked"]["Vpc"] == "AWS::EC2::VPC"


def test_what_was_changed_by_hand_is_previewed_and_changed_back(command: Command) -> None:
    change_by_hand()
    assert command("preview", *DATA, "--detailed-exitcode").code == 0
    seen = command("preview", *DATA, "--detailed-exitcode", "--revert-drift")
    assert seen.code == 2
    assert "  SnapshotRetentionLimit  1 → 7  (changed by hand; deployed: 7)\n" in seen.out
    assert "  RetentionInDays  3 → 30  (changed by hand; deployed: 30)\n" in seen.out
    # Three different values: what is deployed, what is there, what is wanted.
    wanted = ("--parameter", "SnapshotRetentionDays=14", "--revert-drift")
    line = "  SnapshotRetentionLimit  1 → 14  (changed by hand; deployed: 7)  (parameter SnapshotRetentionDays)\n"
    assert line in command.must("preview", *DATA, *wanted)
    layers = json.loads(command("preview", *DATA, *wanted, "--format", "json").out)["layers"]
    (change,) = (each for each in layers[0]["changes"] if each["logicalId"] == "Cluster")
    (changed,) = (each for each in change["properties"] if each["path"] == "SnapshotRetentionLimit")
    assert (change["drift"], changed["deployed"], changed["before"], changed["after"]) == ("MODIFIED", "7", "1", "14")
    command.must("deploy", "--yes", *DATA, "--revert-drift")
    assert cluster()["SnapshotRetentionLimit"] == 7
    assert command(*STATUS).code == 0


def test_a_value_that_the_template_takes_over_is_not_changed(command: Command) -> None:
    boto3.client("memorydb").update_cluster(ClusterName=physical_id("Cluster"), SnapshotRetentionLimit=3)
    taken = ("--parameter", "SnapshotRetentionDays=3", "--revert-drift")
    assert "stays as it is, and counts as drifted no longer" in command.must("preview", *DATA, *taken)
    command.must("deploy", "--yes", *DATA, *taken)
    assert cluster()["SnapshotRetentionLimit"] == 3
    assert command(*STATUS).code == 0
    command.must("deploy", "--yes", *DATA, "--parameter", "SnapshotRetentionDays=7")


def test_what_was_deleted_by_hand_is_created_again(command: Command) -> None:
    name = physical_id("FlowLogGroup")
    boto3.client("logs").delete_log_group(logGroupName=name)
    assert "was deleted by hand, is created again" in command.must("preview", *DATA, "--revert-drift")
    command.must("deploy", "--yes", *DATA, "--revert-drift")
    (group,) = boto3.client("logs").describe_log_groups()["logGroups"]
    assert group["retentionInDays"] == 30


def test_a_change_set_that_was_made_elsewhere_shows_no_password(command: Command) -> None:
    """Its fields have the deployed properties, here with the password of the user, whose rights were changed."""
    memorydb = boto3.client("memorydb")
    memorydb.update_user(UserName=physical_id("MemoryDbUser"), AccessString="on ~* +@all")
    secrets = boto3.client("secretsmanager")
    password = secrets.get_secret_value(SecretId=physical_id("PasswordSecret"))["SecretString"]
    cloudformation = boto3.client("cloudformation")
    made = cloudformation.create_change_set(
        StackName="users-data",
        ChangeSetName="elsewhere",
        UsePreviousTemplate=True,
        Capabilities=["CAPABILITY_IAM"],
        DeploymentMode="REVERT_DRIFT",
    )
    described = cloudformation.describe_change_set(ChangeSetName=made["Id"], IncludePropertyValues=True)
    (change,) = (change["ResourceChange"] for change in described["Changes"])
    assert password in change["PreviousDeploymentContext"]
    shown = command("deploy", "--yes", "--change-set", made["Id"])
    assert (shown.code, password in shown.said) == (0, False)
    assert "AccessString  on ~* +@all → on ~user:*" in shown.out
    assert "narrower, access string" in shown.out
