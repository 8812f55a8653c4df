"""Which failures of a deletion pass by themselves, and how a final snapshot is called."""

from __future__ import annotations

import json

import pytest
from troposphere import sns

from generator.errors import DeployError
from generator.layers import Deployment, Layer, data_layer
from generator.operations.destroy import report_left_snapshot
from generator.operations.session import Session
from generator.stacks.cloudformation import CloudFormation, Stack
from generator.stacks.inventory import CLUSTER, STILL_USED, inventory, logical_ids
from rehearsal.emulator.process import Emulator, Fault
from tests.command import Captured, Command
from tests.stubbed import stubbed
from tests.ui import ListUI

ARN = "arn:aws:cloudformation:eu-west-1:123456789012:stack/users-data/51af3dc0-da77-11e4-872e-1234567abcdb"


@pytest.mark.parametrize(
    ("reason", "passes"),
    [
        ("resource sg-1 has a dependent object", True),
        ("The subnet 'subnet-1' has dependencies and cannot be deleted.", True),
        ("VPC Connector arn:aws:apprunner:eu-west-1:1:vpcconnector/a/1/2 is being used by other services", True),
        ("The specified VPC connector is in use by other services", True),
        ("DependencyViolation", True),
        ("User is not authorized to perform: apprunner:DeleteVpcConnector", False),
        ("Snapshot final-1 already exists", False),
    ],
)
def test_what_is_still_used_is_deleted_later(reason: str, passes: bool) -> None:
    assert bool(STILL_USED.search(reason)) is passes


@pytest.mark.parametrize("exists", [True, False])
def test_the_snapshot_of_a_stack_that_was_never_created_is_named(exists: bool) -> None:
    ui = ListUI()
    name = "final-51af3dc0da7711e4872e1234567abcdb"
    with stubbed("memorydb") as (client, stubber):
        if exists:
            stubber.add_response("describe_snapshots", {"Snapshots": [{"Name": name}]}, {"SnapshotName": name})
        else:
            stubber.add_client_error("describe_snapshots", "SnapshotNotFoundFault")
        report_left_snapshot(Session(ui, clients=lambda service: client), Stack("users-data", ARN, "ROLLBACK_COMPLETE"))
    assert ui.said == (
        [
            f"The failed creation of users-data has left the snapshot {name}, which is billed: aws memorydb "
            f"delete-snapshot --snapshot-name {name}"
        ]
        if exists
        else []
    )


def test_a_resource_without_a_physical_id_was_never_created() -> None:
    failed = [
        {"LogicalResourceId": name, "ResourceType": name, "ResourceStatus": "CREATE_FAILED", "LastUpdatedTimestamp": 0}
        for name in (CLUSTER, "AWS::ECR::Repository", "AWS::AppRunner::Service")
    ]
    with stubbed("cloudformation") as (client, stubber):
        stubber.add_response("get_template", {"TemplateBody": "{}"})
        stubber.add_response("list_stack_resources", {"StackResourceSummaries": failed})
        found = inventory(CloudFormation(client), Stack("users-data", ARN, "CREATE_FAILED"))
    assert (found.resources, found.final_snapshot) == ((), "")


@pytest.mark.parametrize(
    ("declared", "created", "declares", "snapshot"),
    [
        (CLUSTER, [], True, ""),
        (CLUSTER, [CLUSTER], True, "final-51af3dc0da7711e4872e1234567abcdb"),
        ("AWS::SNS::Topic", ["AWS::SNS::Topic"], False, ""),
    ],
)
def test_a_cluster_may_be_declared_and_not_created(
    declared: str, created: list[str], declares: bool, snapshot: str
) -> None:
    resources = [
        {
            "LogicalResourceId": "One",
            "PhysicalResourceId": "one",
            "ResourceType": kind,
            "ResourceStatus": "CREATE_COMPLETE",
            "LastUpdatedTimestamp": 0,
        }
        for kind in created
    ]
    with stubbed("cloudformation") as (client, stubber):
        body = json.dumps({"Resources": {"One": {"Type": declared}}})
        stubber.add_response("get_template", {"TemplateBody": body})
        stubber.add_response("list_stack_resources", {"StackResourceSummaries": resources})
        found = inventory(CloudFormation(client), Stack("users-data", ARN, "ROLLBACK_COMPLETE"))
    assert (found.declares_cluster, found.final_snapshot) == (declares, snapshot)


def test_a_stack_that_waits_for_its_first_change_set_holds_nothing_and_is_not_asked_for_its_template() -> None:
    with stubbed("cloudformation") as (client, _):
        found = inventory(CloudFormation(client), Stack("users-data", ARN, "REVIEW_IN_PROGRESS"))
    assert (found.resources, found.final_snapshot) == ((), "")


def test_logical_ids_that_may_not_be_listed_are_none_and_another_error_is_raised() -> None:
    with stubbed("cloudformation") as (client, stubber):
        stubber.add_client_error("list_stack_resources", "AccessDenied")
        assert logical_ids(CloudFormation(client), ARN) is None
        stubber.add_client_error("list_stack_resources", "ValidationError")
        with pytest.raises(DeployError, match="ListStackResources failed"):
            logical_ids(CloudFormation(client), ARN)


@pytest.mark.parametrize("cluster", [False, True])
def test_a_snapshot_is_looked_for_only_where_the_template_has_a_cluster(
    cluster: bool, aws: Emulator, capsys: Captured
) -> None:
    layer = data_layer() if cluster else Layer("alerts", "Alerts.", (sns.Topic("Topic"),))
    command = Command(lambda: [Deployment("mine", (layer,))], capsys)
    with aws.faults(Fault("Acl" if cluster else "Topic", reason="planted")):
        assert "planted" in command("deploy", "--yes", "--name", "failed").err
    before = len(aws.calls())
    command.must("destroy", "--yes", "--name", "failed")
    assert ("DescribeSnapshots" in [call.operation for call in aws.calls()[before:]]) is cluster
