"""The emulator with real boto3 clients: it refuses, replaces and reports as CloudFormation does."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from generator import Settings, app_runner_deployment
from rehearsal import local_aws
from rehearsal.emulator.process import Emulator, Fault
from rehearsal.local_resources import LocalResources
from tests.running import ROOT, eventually

DATA, COMPUTE = "users-data", "users-apprunner"
IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/users:1"

names = (f"c{number}" for number in itertools.count())


def template(layer: str) -> Any:
    return json.loads((ROOT / "templates" / f"{layer}-layer.json").read_text())


class Cloud:
    """CloudFormation calls that the tests repeat: a change set, its execution, the events."""

    def __init__(self) -> None:
        self.formation = boto3.client("cloudformation")

    def change_set(self, stack: str, body: Any, kind: str = "UPDATE", tags: Any = None, **parameters: str) -> Any:
        made = self.formation.create_change_set(
            StackName=stack,
            ChangeSetName=next(names),
            ChangeSetType=kind,
            TemplateBody=json.dumps(body),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            **({"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}),
        )
        return self.formation.describe_change_set(ChangeSetName=made["Id"], IncludePropertyValues=True)

    def deploy(self, stack: str, body: Any, kind: str = "UPDATE", **parameters: str) -> str:
        return self.executed(self.change_set(stack, body, kind, **parameters))

    def execute(self, change_set: Any) -> None:
        self.formation.execute_change_set(ChangeSetName=change_set["ChangeSetId"])

    def executed(self, change_set: Any) -> str:
        """The status of the stack afterwards."""
        self.execute(change_set)
        return self.settled(change_set["StackId"])

    def delete(self, stack: str) -> str:
        stack_id = self.stack(stack)["StackId"]
        self.formation.delete_stack(StackName=stack)
        return self.settled(stack_id)

    def settled(self, stack: str) -> str:
        while (status := str(self.stack(stack)["StackStatus"])).endswith("IN_PROGRESS"):
            time.sleep(0.02)
        return status

    def stack(self, stack: str) -> Any:
        (found,) = self.formation.describe_stacks(StackName=stack)["Stacks"]
        return found

    def outputs(self, stack: str) -> dict[str, str]:
        return local_aws.outputs(self.stack(stack))

    def parameter(self, stack: str, name: str) -> str:
        return {each["ParameterKey"]: str(each["ParameterValue"]) for each in self.stack(stack)["Parameters"]}[name]

    def failures(self, stack: str) -> list[tuple[str, str, str]]:
        return [event for event in self.events(stack) if event[1].endswith("FAILED")]

    def events(self, stack: str) -> list[tuple[str, str, str]]:
        """The last operation's events, the oldest first: logical ID, status, reason."""
        events = self.formation.describe_stack_events(StackName=stack)["StackEvents"]
        starts = ("User Initiated", "REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
        last = next(
            index
            for index, event in enumerate(events)
            if event["LogicalResourceId"] == event["StackName"] and event["ResourceStatus"] in starts
        )
        return [
            (event["LogicalResourceId"], event["ResourceStatus"], event.get("ResourceStatusReason", ""))
            for event in reversed(events[: last + 1])
        ]


@pytest.fixture(scope="module")
def cloud(aws: Emulator) -> Cloud:
    return Cloud()


@pytest.fixture(scope="module")
def layers(cloud: Cloud) -> Cloud:
    """Both layers, deployed."""
    assert cloud.deploy(DATA, template("data"), "CREATE") == "CREATE_COMPLETE"
    made = cloud.deploy(COMPUTE, template("apprunner"), "CREATE", DataStackName=DATA, ImageUri=IMAGE)
    assert made == "CREATE_COMPLETE"
    return cloud


@pytest.fixture
def throwaway(cloud: Cloud) -> Iterator[Callable[[str], str]]:
    """Names of stacks that are deleted after the test."""
    made: list[str] = []

    def name(prefix: str) -> str:
        made.append(f"{prefix}-{next(names)}")
        return made[-1]

    yield name
    for stack in cloud.formation.describe_stacks()["Stacks"]:
        if stack["StackName"] in made:
            cloud.formation.delete_stack(StackName=stack["StackName"])
            assert cloud.settled(stack["StackId"]) == "DELETE_COMPLETE"


def topic(**properties: Any) -> Any:
    return {"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": properties}}}


def only(changes: Any, logical_id: str) -> Any:
    (found,) = (
        each["ResourceChange"]
        for each in changes["Changes"]
        if each["ResourceChange"]["LogicalResourceId"] == logical_id
    )
    return found


def test_both_layers_are_created(layers: Cloud) -> None:
    outputs = layers.outputs(DATA)
    (cluster,) = boto3.client("memorydb").describe_clusters(ClusterName=outputs["ClusterName"])["Clusters"]
    assert f"{cluster['ClusterEndpoint']['Address']}:6379" == outputs["ClusterEndpoint"]
    assert cluster["NumberOfShards"] == 1
    runner = boto3.client("apprunner")
    (summary,) = runner.list_services()["ServiceSummaryList"]
    service = runner.describe_service(ServiceArn=summary["ServiceArn"])["Service"]
    assert service["Status"] == "RUNNING"
    repository = service["SourceConfiguration"]["ImageRepository"]
    assert repository["ImageIdentifier"] == IMAGE
    assert repository["ImageConfiguration"]["RuntimeEnvironmentSecrets"] == {
        "MEMORYDB_PASSWORD": outputs["PasswordSecretArn"]
    }
    (operation,) = runner.list_operations(ServiceArn=summary["ServiceArn"])["OperationSummaryList"]
    assert (operation["Type"], operation["Status"]) == ("CREATE_SERVICE", "SUCCEEDED")


@pytest.mark.parametrize(
    "settings",
    [Settings(zones=3, nat="per-zone"), Settings(nat="one", flow_logs=False), Settings(private_ingress=True)],
    ids=["nat-per-zone", "nat-one", "private"],
)
def test_other_settings_are_created_and_deleted(
    cloud: Cloud, throwaway: Callable[[str], str], settings: Settings
) -> None:
    data, compute = (json.loads(layer.text()) for layer in app_runner_deployment(settings).layers)
    below, above = throwaway("data"), throwaway("app")
    assert cloud.deploy(below, data, "CREATE") == "CREATE_COMPLETE", cloud.events(below)
    made = cloud.deploy(above, compute, "CREATE", DataStackName=below, ImageUri=IMAGE)
    assert made == "CREATE_COMPLETE", cloud.events(above)
    final = cloud.outputs(below)["ClusterName"].replace("db-", "final-")
    assert cloud.delete(above) == "DELETE_COMPLETE"
    assert cloud.delete(below) == "DELETE_COMPLETE"
    boto3.client("memorydb").delete_snapshot(SnapshotName=final)


def test_an_import_that_its_condition_excludes_is_ignored(cloud: Cloud, throwaway: Callable[[str], str]) -> None:
    name = {"Fn::If": ["Imports", {"Fn::ImportValue": "no-such-export"}, {"Ref": "AWS::NoValue"}]}
    body = {
        **topic(TopicName=name),
        "Parameters": {"Way": {"Type": "String"}},
        "Conditions": {"Imports": {"Fn::Equals": [{"Ref": "Way"}, "in"]}},
    }
    stack = throwaway("imports")
    assert cloud.deploy(stack, body, "CREATE", Way="out") == "CREATE_COMPLETE"
    assert cloud.change_set(stack, body, Way="in")["StatusReason"].endswith("No export named no-such-export found.")


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ({"Type": "iam", "Passwords": ["a-password-of-some-length"]}, "A user of type iam has no password"),
        ({"Type": "password"}, "one of type password needs one."),
        ({"Type": "none"}, "The authentication type must be password or iam."),
    ],
    ids=["iam-with-password", "password-without", "neither"],
)
def test_a_user_with_an_invalid_authentication_mode_is_refused(
    cloud: Cloud, throwaway: Callable[[str], str], mode: Any, reason: str
) -> None:
    user = {"UserName": "someone", "AccessString": "on ~a:* -@all +hget", "AuthenticationMode": mode}
    body = {"Resources": {"User": {"Type": "AWS::MemoryDB::User", "Properties": user}}}
    stack = throwaway("user")
    assert cloud.deploy(stack, body, "CREATE") == "ROLLBACK_COMPLETE"
    (failed,) = cloud.failures(stack)
    assert reason in failed[2]


def test_the_generated_password_has_no_punctuation(layers: Cloud) -> None:
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=layers.outputs(DATA)["PasswordSecretArn"])
    assert len(secret["SecretString"]) == 64
    assert secret["SecretString"].isalnum()


def test_a_change_set_without_changes_fails(layers: Cloud) -> None:
    change_set = layers.change_set(DATA, template("data"))
    assert change_set["Status"] == "FAILED"
    assert change_set["StatusReason"].startswith("The submitted information didn't contain changes.")


def test_a_change_in_place_shows_its_values_and_has_events_of_one_resource(layers: Cloud) -> None:
    change_set = layers.change_set(DATA, template("data"), NodeType="db.t4g.medium")
    (change,) = change_set["Changes"]
    found = change["ResourceChange"]
    assert (found["LogicalResourceId"], found["Action"], found["Replacement"]) == ("Cluster", "Modify", "False")
    target = found["Details"][0]["Target"]
    assert (target["Path"], target["BeforeValue"], target["AfterValue"]) == (
        "/Properties/NodeType",
        "db.t4g.small",
        "db.t4g.medium",
    )
    assert json.loads(found["BeforeContext"])["Properties"]["NodeType"] == "db.t4g.small"
    assert layers.executed(change_set) == "UPDATE_COMPLETE"
    assert [(who, status) for who, status, _ in layers.events(DATA)] == [
        (DATA, "UPDATE_IN_PROGRESS"),
        ("Cluster", "UPDATE_IN_PROGRESS"),
        ("Cluster", "UPDATE_COMPLETE"),
        (DATA, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        (DATA, "UPDATE_COMPLETE"),
    ]


def test_a_value_deep_in_a_property_is_shown_by_its_path(layers: Cloud) -> None:
    change_set = layers.change_set(COMPUTE, template("apprunner"), DataStackName=DATA, ImageUri=f"{IMAGE}0")
    target = only(change_set, "Service")["Details"][0]["Target"]
    assert target["Path"] == "/Properties/SourceConfiguration/ImageRepository/ImageIdentifier"
    assert (target["BeforeValue"], target["AfterValue"]) == (IMAGE, f"{IMAGE}0")


def test_no_secret_value_is_in_a_change_set(layers: Cloud) -> None:
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=layers.outputs(DATA)["PasswordSecretArn"])
    body = template("data")
    body["Resources"]["MemoryDbUser"]["Properties"]["AccessString"] = "on ~* +@all"
    change = only(layers.change_set(DATA, body), "MemoryDbUser")
    assert secret["SecretString"] not in str(change)
    assert "{{resolve:secretsmanager:" in change["AfterContext"]


@pytest.mark.parametrize("with_values", [False, True])
def test_a_parameter_with_no_echo_is_hidden(cloud: Cloud, throwaway: Callable[[str], str], with_values: bool) -> None:
    body = {
        "Parameters": {"Word": {"Type": "String", "NoEcho": True}},
        "Resources": {
            "Kept": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Word"}}}
        },
    }
    stack = throwaway("hidden")
    cloud.deploy(stack, body, "CREATE", Word="swordfish")
    change_set = cloud.change_set(stack, body, Word="marlin")
    answer = cloud.formation.describe_change_set(
        ChangeSetName=change_set["ChangeSetId"], IncludePropertyValues=with_values
    )
    assert len(answer["Changes"]) == 1
    assert answer["Parameters"] == [{"ParameterKey": "Word", "ParameterValue": "****"}]
    assert "swordfish" not in str(answer)
    assert "marlin" not in str(answer)


def test_a_condition_that_changes_adds_and_removes_resources(layers: Cloud) -> None:
    def actions(change_set: Any) -> dict[str, str]:
        changes = [each["ResourceChange"] for each in change_set["Changes"]]
        return {each["LogicalResourceId"]: each["Action"] for each in changes if each["Action"] != "Modify"}

    change_set = layers.change_set(DATA, template("data"), AlarmEmail="alarms@example.com")
    assert actions(change_set) == {"AlarmTopic": "Add", "AlarmTopicPolicy": "Add"}
    assert "KNOWN_AFTER_APPLY" in only(change_set, "AlarmTopicPolicy")["AfterContext"]
    assert layers.executed(change_set) == "UPDATE_COMPLETE"
    assert [status for who, status, _ in layers.events(DATA) if who == "AlarmTopic"] == [
        "CREATE_IN_PROGRESS",
        "CREATE_IN_PROGRESS",
        "CREATE_COMPLETE",
    ]
    change_set = layers.change_set(DATA, template("data"))
    assert actions(change_set) == {"AlarmTopic": "Remove", "AlarmTopicPolicy": "Remove"}
    assert only(change_set, "AlarmTopic")["PolicyAction"] == "Delete"
    assert layers.executed(change_set) == "UPDATE_COMPLETE"
    events = layers.events(DATA)
    assert events.index((DATA, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "")) < events.index(
        ("AlarmTopic", "DELETE_IN_PROGRESS", "")
    )
    assert ("AlarmTopic", "DELETE_COMPLETE", "") in events


def test_a_first_change_set_adds_every_resource_whose_condition_is_true(
    layers: Cloud, throwaway: Callable[[str], str]
) -> None:
    body = template("data")
    change_set = layers.change_set(throwaway("first"), body, "CREATE")
    assert {each["ResourceChange"]["Action"] for each in change_set["Changes"]} == {"Add"}
    assert {each["ResourceChange"]["LogicalResourceId"] for each in change_set["Changes"]} == {
        name for name, resource in body["Resources"].items() if resource.get("Condition") != "HasAlarmEmail"
    }


def test_a_create_only_property_replaces_the_resource(layers: Cloud) -> None:
    body = template("data")
    body["Resources"]["Cluster"]["Properties"]["Port"] = 6380
    change = only(layers.change_set(DATA, body), "Cluster")
    assert (change["Replacement"], change["PolicyAction"]) == ("True", "ReplaceAndDelete")
    (target,) = (detail["Target"] for detail in change["Details"] if detail["Target"]["Name"] == "Port")
    assert (target["RequiresRecreation"], target["BeforeValue"], target["AfterValue"]) == ("Always", "6379", "6380")


def test_a_conditionally_create_only_property_may_replace_the_resource(layers: Cloud) -> None:
    body = template("data")
    body["Resources"]["Vpc"]["Properties"]["InstanceTenancy"] = "dedicated"
    assert only(layers.change_set(DATA, body), "Vpc")["Replacement"] == "Conditional"


def test_a_stack_tag_replaces_a_resource_with_create_only_tags(layers: Cloud) -> None:
    change_set = layers.change_set(
        COMPUTE, template("apprunner"), tags={"commit": "abc"}, DataStackName=DATA, ImageUri=IMAGE
    )
    assert only(change_set, "Service")["Replacement"] == "True"
    assert only(change_set, "AccessRole")["Replacement"] == "False"


def test_a_stack_tag_fails_the_update_of_the_vpc_connector(layers: Cloud) -> None:
    change_set = layers.change_set(
        COMPUTE, template("apprunner"), tags={"commit": "abc"}, DataStackName=DATA, ImageUri=IMAGE
    )
    assert layers.executed(change_set) == "UPDATE_ROLLBACK_COMPLETE"
    (failed,) = layers.failures(COMPUTE)
    assert failed[:2] == ("VpcConnector", "UPDATE_FAILED")
    assert "combination" in failed[2]


def test_a_replacement_is_created_before_its_predecessor_is_deleted(layers: Cloud) -> None:
    parameters = {"DataStackName": DATA, "ImageUri": IMAGE, "MaxSize": "6"}
    assert layers.deploy(COMPUTE, template("apprunner"), **parameters) == "UPDATE_COMPLETE"
    mine = [(status, reason) for who, status, reason in layers.events(COMPUTE) if who == "AutoScaling"]
    assert [status for status, _ in mine] == [
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE",
        "DELETE_IN_PROGRESS",
        "DELETE_COMPLETE",
    ]
    assert mine[0][1].startswith("Requested update requires the creation of a new physical resource")


def test_a_named_resource_cannot_be_replaced_under_its_name(layers: Cloud) -> None:
    body = template("data")
    body["Resources"]["Cluster"]["Properties"]["Port"] = 6380
    assert layers.deploy(DATA, body) == "UPDATE_ROLLBACK_COMPLETE"
    first, *_ = layers.failures(DATA)
    assert first[:2] == ("Cluster", "UPDATE_FAILED")
    assert first[2].endswith("already exists.")


def test_other_zones_cannot_take_over_the_ranges_of_the_subnets(layers: Cloud) -> None:
    assert layers.deploy(DATA, template("data"), ZoneIds="euw1-az2,euw1-az3") == "UPDATE_ROLLBACK_COMPLETE"
    (failed,) = layers.failures(DATA)
    assert failed[0] == "PrivateSubnetA"
    assert "conflicts with another subnet" in failed[2]


def test_an_imported_export_cannot_change(layers: Cloud) -> None:
    body = template("data")
    before = layers.outputs(DATA)
    body["Outputs"]["UserName"]["Value"] = "another"
    assert layers.deploy(DATA, body) == "UPDATE_ROLLBACK_COMPLETE"
    reason = f"Export {DATA}-UserName cannot be updated as it is in use by {COMPUTE}"
    assert (DATA, "UPDATE_ROLLBACK_IN_PROGRESS", reason) in layers.events(DATA)
    assert layers.outputs(DATA) == before


def test_an_imported_export_cannot_be_removed(layers: Cloud) -> None:
    body = template("data")
    del body["Outputs"]["UserName"]
    assert layers.deploy(DATA, body) == "UPDATE_ROLLBACK_COMPLETE"
    reason = f"Export {DATA}-UserName cannot be deleted as it is in use by {COMPUTE}"
    assert (DATA, "UPDATE_ROLLBACK_IN_PROGRESS", reason) in layers.events(DATA)


def test_an_update_that_rolls_back_keeps_every_export(cloud: Cloud, throwaway: Callable[[str], str]) -> None:
    def exports() -> set[str]:
        return {export["Name"] for export in cloud.formation.list_exports()["Exports"]} & {"kept-a", "kept-b"}

    above, below = throwaway("importing"), throwaway("exporting")
    outputs = {name: {"Value": name, "Export": {"Name": f"kept-{name}"}} for name in ("a", "b")}
    assert cloud.deploy(below, {**topic(), "Outputs": outputs}, "CREATE") == "CREATE_COMPLETE"
    importing = topic(DisplayName={"Fn::ImportValue": "kept-b"})
    assert cloud.deploy(above, importing, "CREATE") == "CREATE_COMPLETE"
    assert cloud.deploy(below, topic(DisplayName="another")) == "UPDATE_ROLLBACK_COMPLETE"
    assert exports() == {"kept-a", "kept-b"}
    assert cloud.delete(above) == "DELETE_COMPLETE"


def test_a_stack_whose_export_is_imported_is_not_deleted(layers: Cloud) -> None:
    with pytest.raises(ClientError, match=f"cannot be deleted as it is in use by {COMPUTE}"):
        layers.formation.delete_stack(StackName=DATA)
    assert layers.stack(DATA)["StackStatus"] in ("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


IMPORTS = topic(DisplayName={"Fn::ImportValue": "late"})
EXPORTS = {**topic(), "Outputs": {"Late": {"Value": "late", "Export": {"Name": "late"}}}}


def test_an_import_without_an_export_is_a_warning_and_fails_the_execution(
    cloud: Cloud, throwaway: Callable[[str], str]
) -> None:
    stack = throwaway("early")
    change_set = cloud.change_set(stack, IMPORTS, "CREATE")
    assert (change_set["Status"], change_set["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert change_set["StatusReason"].startswith("[WARN] --include-property-values ")
    assert change_set["StatusReason"].endswith("for resource [Topic] because: No export named late found.")
    assert [change["ResourceChange"]["Action"] for change in change_set["Changes"]] == ["Add"]
    plain = cloud.formation.describe_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert not plain.get("StatusReason")
    assert cloud.executed(change_set) == "ROLLBACK_COMPLETE"
    (reason,) = (reason for who, status, reason in cloud.events(stack) if (who, status) == ("Topic", "CREATE_FAILED"))
    assert "'late'" in reason


def test_it_succeeds_once_the_export_is_there(cloud: Cloud, throwaway: Callable[[str], str]) -> None:
    importer, exporter = throwaway("importer"), throwaway("exporter")
    change_set = cloud.change_set(importer, IMPORTS, "CREATE")
    assert cloud.deploy(exporter, EXPORTS, "CREATE") == "CREATE_COMPLETE"
    assert cloud.executed(change_set) == "CREATE_COMPLETE"
    assert cloud.delete(importer) == "DELETE_COMPLETE"


def test_a_change_of_outputs_alone_executes_though_it_lists_nothing(layers: Cloud) -> None:
    body = template("data")
    body["Outputs"]["More"] = {"Value": "more"}
    change_set = layers.change_set(DATA, body, NodeType=layers.parameter(DATA, "NodeType"))
    assert (change_set["Status"], change_set["Changes"]) == ("CREATE_COMPLETE", [])
    assert layers.executed(change_set) == "UPDATE_COMPLETE"
    assert layers.outputs(DATA)["More"] == "more"


def test_a_stack_in_review_takes_a_second_change_set(cloud: Cloud, throwaway: Callable[[str], str]) -> None:
    stack = throwaway("review")
    first = cloud.change_set(stack, template("data"), "CREATE")
    second = cloud.change_set(stack, template("data"), "CREATE")
    assert first["StackId"] == second["StackId"]
    assert cloud.stack(stack)["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert len(cloud.formation.list_change_sets(StackName=first["StackId"])["Summaries"]) == 2


@pytest.mark.parametrize("kind", ["CREATE", "UPDATE"])
def test_a_stack_whose_creation_failed_takes_no_change_set(
    aws: Emulator, cloud: Cloud, throwaway: Callable[[str], str], kind: str
) -> None:
    stack = throwaway("dead")
    with aws.faults(Fault("Vpc", reason="Injected.")):
        assert cloud.deploy(stack, template("data"), "CREATE") == "ROLLBACK_COMPLETE"
    with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        cloud.change_set(stack, template("data"), kind)


def test_a_failed_create_rolls_back_with_its_reason(
    aws: Emulator, cloud: Cloud, throwaway: Callable[[str], str]
) -> None:
    stack = throwaway("create")
    with aws.faults(Fault("Acl", reason="Injected.")):
        assert cloud.deploy(stack, template("data"), "CREATE") == "ROLLBACK_COMPLETE"
    events = cloud.events(stack)
    assert ("Acl", "CREATE_FAILED", "Injected.") in events
    assert ("MemoryDbUser", "DELETE_COMPLETE", "") in events
    assert ("PasswordSecret", "DELETE_COMPLETE", "") in events


def test_a_failed_update_rolls_back_with_its_reason(aws: Emulator, layers: Cloud) -> None:
    with aws.faults(Fault("Cluster", "update", reason="Injected.")):
        assert layers.deploy(DATA, template("data"), NodeType="db.r7g.large") == "UPDATE_ROLLBACK_COMPLETE"
    assert ("Cluster", "UPDATE_FAILED", "Injected.") in layers.events(DATA)
    (cluster,) = boto3.client("memorydb").describe_clusters()["Clusters"]
    assert cluster["NodeType"] != "db.r7g.large"


def test_a_stack_can_be_described_during_an_update(aws: Emulator, layers: Cloud) -> None:
    change_set = layers.change_set(DATA, template("data"), NodeType="db.r7g.xlarge")
    with aws.faults(Fault("Cluster", "update", held=True)):
        layers.execute(change_set)
        assert layers.stack(DATA)["StackStatus"] == "UPDATE_IN_PROGRESS"
        while layers.events(DATA)[-1][:2] != ("Cluster", "UPDATE_IN_PROGRESS"):
            assert layers.stack(DATA)["StackStatus"] == "UPDATE_IN_PROGRESS"
    assert layers.settled(DATA) == "UPDATE_COMPLETE"


def test_an_update_that_app_runner_reverts_is_complete_for_cloudformation(aws: Emulator, layers: Cloud) -> None:
    parameters = {"DataStackName": DATA, "ImageUri": f"{IMAGE}1", "MaxSize": "6"}
    with aws.faults(Fault("Service", "update", unnoticed=True)):
        assert layers.deploy(COMPUTE, template("apprunner"), **parameters) == "UPDATE_COMPLETE"
    runner = boto3.client("apprunner")
    service = layers.outputs(COMPUTE)["ServiceArn"]
    assert runner.list_operations(ServiceArn=service)["OperationSummaryList"][0]["Status"] == "ROLLBACK_SUCCEEDED"
    image = runner.describe_service(ServiceArn=service)["Service"]["SourceConfiguration"]["ImageRepository"]
    assert image["ImageIdentifier"] == IMAGE


def test_a_role_needs_an_acknowledgement(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="CAPABILITY_IAM"):
        cloud.formation.create_change_set(
            StackName="unacknowledged",
            ChangeSetName="c",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps(template("data")),
        )
    with pytest.raises(ClientError, match="does not exist"):
        cloud.stack("unacknowledged")


def test_a_parameter_that_the_template_lacks_is_refused(layers: Cloud) -> None:
    with pytest.raises(ClientError, match=r"Parameters: \[Nodetype\] do not exist in the template"):
        layers.change_set(DATA, template("data"), Nodetype="db.t4g.medium")


def test_an_unknown_key_is_refused(aws: Emulator) -> None:
    stranger = boto3.client("cloudformation", aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="unknown")
    with pytest.raises(ClientError, match="security token"):
        stranger.describe_stacks()


def test_deletion_fails_where_the_final_snapshot_has_its_name_taken(
    cloud: Cloud, throwaway: Callable[[str], str]
) -> None:
    stack = throwaway("snapshot")
    assert cloud.deploy(stack, template("data"), "CREATE") == "CREATE_COMPLETE"
    database = boto3.client("memorydb")
    name = cloud.outputs(stack)["ClusterName"]
    final = name.replace("db-", "final-")
    database.create_snapshot(ClusterName=name, SnapshotName=final)
    assert cloud.delete(stack) == "DELETE_FAILED"
    database.delete_snapshot(SnapshotName=final)
    assert cloud.delete(stack) == "DELETE_COMPLETE"
    database.delete_snapshot(SnapshotName=final)


def test_a_deletion_that_fails_once_succeeds_when_repeated(
    aws: Emulator, cloud: Cloud, throwaway: Callable[[str], str]
) -> None:
    stack = throwaway("lingering")
    cloud.deploy(stack, topic(), "CREATE")
    with aws.faults(Fault("Topic", "delete", reason="has a dependent object", times=1)):
        assert cloud.delete(stack) == "DELETE_FAILED"
        assert cloud.delete(stack) == "DELETE_COMPLETE"


@pytest.mark.parametrize("logical_id", ["PasswordSecret", "Acl", "Cluster"])
def test_a_stack_deleted_during_its_creation_leaves_nothing(
    aws: Emulator, cloud: Cloud, throwaway: Callable[[str], str], logical_id: str
) -> None:
    stack = throwaway("brief")
    before = created()
    change_set = cloud.change_set(stack, template("data"), "CREATE")
    with aws.faults(Fault(logical_id, held=True)):
        cloud.execute(change_set)
        while cloud.events(change_set["StackId"])[-1][:2] != (logical_id, "CREATE_IN_PROGRESS"):
            assert cloud.stack(stack)["StackStatus"] == "CREATE_IN_PROGRESS"
        for _ in range(2):
            cloud.formation.delete_stack(StackName=stack)
    assert cloud.settled(change_set["StackId"]) == "DELETE_COMPLETE"
    assert created() == before


def created() -> list[str]:
    """What a user pays for, and what the deletion of a user changes."""
    database = boto3.client("memorydb")
    found = [
        *database.describe_clusters()["Clusters"],
        *database.describe_users()["Users"],
        *database.describe_acls()["ACLs"],
    ]
    return [*(one["ARN"] for one in found), *(one["VpcId"] for one in boto3.client("ec2").describe_vpcs()["Vpcs"])]


def test_a_stack_is_not_deleted_during_an_update(aws: Emulator, cloud: Cloud, throwaway: Callable[[str], str]) -> None:
    stack = throwaway("updated")
    cloud.deploy(stack, topic(DisplayName="a"), "CREATE")
    change_set = cloud.change_set(stack, topic(DisplayName="b"))
    with aws.faults(Fault("Topic", "update", held=True)):
        cloud.execute(change_set)
        with pytest.raises(ClientError, match=r"Stack \[arn:.*\] cannot be deleted while in status UPDATE_IN_PROGRESS"):
            cloud.formation.delete_stack(StackName=stack)
    assert cloud.settled(stack) == "UPDATE_COMPLETE"


def test_a_stack_deleted_during_its_rollback_leaves_nothing(
    aws: Emulator, cloud: Cloud, throwaway: Callable[[str], str]
) -> None:
    stack = throwaway("rolled-back")
    before = created()
    change_set = cloud.change_set(stack, template("data"), "CREATE")
    with aws.faults(Fault("Cluster", reason="Injected."), Fault("Acl", "delete", held=True)):
        cloud.execute(change_set)
        while cloud.stack(stack)["StackStatus"] != "ROLLBACK_IN_PROGRESS":
            pass
        cloud.formation.delete_stack(StackName=stack)
    assert cloud.settled(change_set["StackId"]) == "DELETE_COMPLETE"
    assert created() == before


def test_an_emulator_stops_with_its_parent_process(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys; from rehearsal.emulator.process import emulator\n"
        "with emulator(pathlib.Path(sys.argv[1])) as started: print(started.pid, flush=True); os._exit(9)"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 9
    eventually(lambda: not psutil.pid_exists(int(ran.stdout)))


def test_deleting_both_layers_leaves_only_the_snapshot_and_the_secret(layers: Cloud) -> None:
    outputs = layers.outputs(DATA)
    assert layers.delete(COMPUTE) == "DELETE_COMPLETE"
    assert layers.delete(DATA) == "DELETE_COMPLETE"
    database = boto3.client("memorydb")
    assert database.describe_clusters()["Clusters"] == []
    assert database.describe_users()["Users"] == []
    assert database.describe_acls()["ACLs"] == []
    (snapshot,) = database.describe_snapshots(ClusterName=outputs["ClusterName"])["Snapshots"]
    assert snapshot["Name"] == outputs["ClusterName"].replace("db-", "final-")
    secrets = {secret["ARN"] for secret in boto3.client("secretsmanager").list_secrets()["SecretList"]}
    assert outputs["PasswordSecretArn"] in secrets
    assert boto3.client("apprunner").list_services()["ServiceSummaryList"] == []
    network = boto3.client("ec2")
    assert [vpc for vpc in network.describe_vpcs()["Vpcs"] if vpc["VpcId"] == outputs["VpcId"]] == []
    left = layers.formation.describe_stacks()["Stacks"]
    assert [stack["StackName"] for stack in left if stack["StackStatus"] != "DELETE_COMPLETE"] == []


def test_a_type_that_the_emulator_does_not_have_is_a_name_with_made_up_attributes(cloud: Cloud, aws: Emulator) -> None:
    resources: Any = {
        "Monitor": {"Type": "AWS::RUM::AppMonitor", "Properties": {"Name": "web", "Domain": "example.com"}},
        "Jobs": {"Type": "AWS::Batch::JobQueue", "Properties": {"Priority": 1}},
    }
    values = {
        "Name": {"Ref": "Monitor"},
        "Id": {"Fn::GetAtt": ["Monitor", "Id"]},
        "Queue": {"Ref": "Jobs"},
        "Arn": {"Fn::GetAtt": "Jobs.JobQueueArn"},
    }
    body: Any = {"Resources": resources, "Outputs": {name: {"Value": value} for name, value in values.items()}}
    assert cloud.deploy("other-types", body, "CREATE") == "CREATE_COMPLETE"
    before = cloud.outputs("other-types")
    assert (before["Name"], before["Id"]) == ("web", "Monitor-Id")
    assert before["Queue"] == f"arn:aws:batch:eu-west-1:111122223333:jobqueue/{before['Queue'].rpartition('/')[2]}"
    assert before["Arn"] == "arn:aws:batch:eu-west-1:111122223333:jobqueue/Jobs-JobQueueArn"
    resources["Jobs"]["Properties"]["Priority"] = 2
    assert cloud.deploy("other-types", body) == "UPDATE_COMPLETE"
    assert cloud.outputs("other-types") == before
    assert cloud.delete("other-types") == "DELETE_COMPLETE"
    assert {"AWS::RUM::AppMonitor", "AWS::Batch::JobQueue"} <= aws.stand_ins()
    assert not {"AWS::SNS::Topic", "AWS::MemoryDB::Cluster", "AWS::CloudFormation::WaitCondition"} & aws.stand_ins()
    with pytest.raises(ClientError, match=r"Unrecognized resource types: \[AWS::RUM::Monitors\]"):
        cloud.change_set("no-type", {"Resources": {"Monitor": {"Type": "AWS::RUM::Monitors"}}}, "CREATE")


def test_a_custom_resource_of_a_rehearsals_function_has_made_up_attributes(
    cloud: Cloud, throwaway: Callable[[str], str]
) -> None:
    function = LocalResources().of("arn:aws:lambda:eu-west-1:999988887777:function:ledger")
    ledger = {"Type": "Custom::Ledger", "Properties": {"ServiceToken": function, "Pages": 1}}
    text = {"Fn::Sub": "${Ledger.First} ${Ledger.Last}"}
    body: Any = {"Resources": {"Ledger": ledger}, "Outputs": {"Text": {"Value": text}}}
    stack = throwaway("custom")
    assert cloud.deploy(stack, body, "CREATE") == "CREATE_COMPLETE", cloud.events(stack)
    ledger["Properties"] = {"ServiceToken": function, "Pages": 2}
    body["Outputs"]["Id"] = {"Value": {"Fn::GetAtt": ["Ledger", "Id"]}}
    assert cloud.deploy(stack, body) == "UPDATE_COMPLETE", cloud.events(stack)
    assert cloud.outputs(stack) == {"Text": "Ledger-First Ledger-Last", "Id": "Ledger-Id"}


@pytest.mark.parametrize("kind", ["DBCluster", "DBInstance"])
def test_rds_makes_a_password_and_deletes_it_with_the_database(kind: str, cloud: Cloud) -> None:
    database = {
        "Type": f"AWS::RDS::{kind}",
        "Properties": {
            "Engine": "aurora-postgresql" if kind == "DBCluster" else "postgres",
            "ManageMasterUserPassword": True,
            "MasterUsername": "shop",
            **({"DBInstanceClass": "db.t4g.micro", "AllocatedStorage": "20"} if kind == "DBInstance" else {}),
        },
    }
    secret = {"Value": {"Fn::GetAtt": ["Database", "MasterUserSecret.SecretArn"]}}
    body = {"Resources": {"Database": {**database, "DeletionPolicy": "Delete"}}, "Outputs": {"Secret": secret}}
    assert cloud.deploy(f"with-{kind}", body, "CREATE") == "CREATE_COMPLETE"
    manager, arn = boto3.client("secretsmanager"), cloud.outputs(f"with-{kind}")["Secret"]
    assert ":secret:rds!" in arn
    login = json.loads(manager.get_secret_value(SecretId=arn)["SecretString"])
    assert (login["username"], len(login["password"]) > 20) == ("shop", True)
    assert cloud.delete(f"with-{kind}") == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        manager.get_secret_value(SecretId=arn)
