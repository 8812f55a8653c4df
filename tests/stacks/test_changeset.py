from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.stacks.change_set import HIDDEN, KNOWN_FIELDS, Change, Effect, PropertyChange, additions, change_set
from generator.stacks.guard import refusals

CLUSTER = "AWS::MemoryDB::Cluster"


def resource_change(**fields: Any) -> dict[str, Any]:
    return {"Type": "Resource", "ResourceChange": {"Action": "Modify", "LogicalResourceId": "Thing", **fields}}


def parsed(**fields: Any) -> Change:
    (change,) = change_set([{"Changes": [resource_change(**fields)]}]).changes
    return change


def detail(path: str, recreation: str = "Never", **fields: Any) -> dict[str, Any]:
    target = {"Attribute": "Properties", "Path": f"/Properties/{path}", "RequiresRecreation": recreation}
    values = {name: fields.pop(name) for name in ("BeforeValue", "AfterValue") if name in fields}
    return {"Target": target | values, "ChangeSource": "DirectModification", **fields}


@pytest.mark.parametrize(
    ("fields", "effect"),
    [
        ({"Action": "Add"}, Effect.ADDS),
        ({"Action": "Import"}, Effect.IMPORTS),
        ({"Action": "Modify"}, Effect.MODIFIES),
        ({"Action": "Modify", "Replacement": "False"}, Effect.MODIFIES),
        ({"Action": "Modify", "Replacement": "True"}, Effect.REPLACES),
        ({"Action": "Modify", "Replacement": "Conditional"}, Effect.REPLACES),
        ({"Action": "Modify", "Replacement": "Perhaps"}, Effect.UNKNOWN),
        ({"Action": "Remove"}, Effect.REMOVES),
        ({"Action": "SyncWithActual"}, Effect.MODIFIES),
        ({"Action": "Dynamic"}, Effect.UNKNOWN),
        ({"Action": "Transmogrify"}, Effect.UNKNOWN),
        ({"Action": "Remove", "ResourceType": CLUSTER, "PolicyAction": "Delete"}, Effect.LOSES_DATA),
        ({"Action": "Remove", "ResourceType": CLUSTER}, Effect.LOSES_DATA),
        ({"Action": "Remove", "ResourceType": CLUSTER, "PolicyAction": "Retain"}, Effect.REMOVES),
        ({"Replacement": "True", "ResourceType": CLUSTER, "PolicyAction": "ReplaceAndDelete"}, Effect.LOSES_DATA),
        (
            {"Replacement": "True", "ResourceType": "AWS::SecretsManager::Secret", "PolicyAction": "ReplaceAndRetain"},
            Effect.REPLACES,
        ),
    ],
)
def test_every_change_has_one_effect(fields: dict[str, Any], effect: Effect) -> None:
    assert parsed(**fields).effect is effect


def test_changes_are_in_the_order_of_their_effect() -> None:
    changes = [
        resource_change(Action="Import", LogicalResourceId="I"),
        resource_change(Action="Add", LogicalResourceId="A"),
        resource_change(Action="Modify", LogicalResourceId="M"),
        resource_change(Action="Dynamic", LogicalResourceId="U"),
        resource_change(Action="Remove", LogicalResourceId="D"),
        resource_change(Replacement="Conditional", LogicalResourceId="R"),
        resource_change(Action="Remove", LogicalResourceId="L", ResourceType=CLUSTER),
    ]
    assert [change.logical_id for change in change_set([{"Changes": changes}]).changes] == list("LRDUMAI")


def test_every_page_is_read_and_the_other_fields_from_the_first() -> None:
    pages = [
        {
            "ChangeSetId": "arn",
            "StackName": "s",
            "Status": "CREATE_COMPLETE",
            "Changes": [resource_change(LogicalResourceId="A")],
        },
        {"ChangeSetId": "other", "Changes": [resource_change(LogicalResourceId="B")]},
    ]
    read = change_set(pages)
    assert (read.arn, read.stack_name, [change.logical_id for change in read.changes]) == ("arn", "s", ["A", "B"])


@pytest.mark.parametrize(
    ("status", "reason", "empty"),
    [
        ("FAILED", "The submitted information didn't contain changes. Submit different information to create a", True),
        ("FAILED", "No updates are to be performed.", True),
        ("FAILED", "Transform failed", False),
        ("CREATE_COMPLETE", "", False),
    ],
)
def test_nothing_to_do_is_a_status_and_a_reason(status: str, reason: str, empty: bool) -> None:
    assert change_set([{"Status": status, "StatusReason": reason, "Changes": []}]).empty is empty


def test_a_property_has_a_path_two_values_and_a_cause() -> None:
    details = [
        detail("NodeType", BeforeValue="a", AfterValue="b", ChangeSource="ParameterReference", CausingEntity="P")
    ]
    assert parsed(Details=details).properties == (PropertyChange("NodeType", "a", "b", "Never", "parameter P"),)


def test_a_property_listed_twice_is_one_with_both_causes_and_the_worse_recreation() -> None:
    details = [
        detail("SecurityGroups", "Conditionally", ChangeSource="ResourceAttribute", CausingEntity="Group.GroupId"),
        detail("SecurityGroups", "Always", BeforeValue="a", AfterValue="b"),
    ]
    assert parsed(Details=details).properties == (
        PropertyChange("SecurityGroups", "a", "b", "Always", "follows Group.GroupId", direct=True),
    )


@pytest.mark.parametrize(
    ("also", "follows"),
    [
        ([], ("Service",)),
        ([{"ChangeSource": "ResourceReference", "CausingEntity": "Topic"}], ("Service", "Topic")),
        ([{"ChangeSource": "DirectModification", "Evaluation": "Dynamic"}], ("Service",)),
        ([{"ChangeSource": "DirectModification", "Evaluation": "Static"}], ()),
        ([{"ChangeSource": "ParameterReference", "CausingEntity": "Name"}], ()),
    ],
)
def test_a_property_follows_resources_if_nothing_else_changes_it(
    also: list[dict[str, Any]], follows: tuple[str, ...]
) -> None:
    details = [detail("Name", ChangeSource="ResourceAttribute", CausingEntity="Service.Id")]
    details += [detail("Name", **fields) for fields in also]
    assert parsed(Details=details).properties[0].follows == follows


@pytest.mark.parametrize(
    ("path", "before", "after", "shown"),
    [
        ("Variables/0/Value", [{"Name": "STAGE"}], [{"Name": "STAGE"}], "Variables.STAGE.Value"),
        ("Variables/1/Value", [{"Name": "A"}], [{"Name": "A"}, {"Name": "STAGE"}], "Variables.STAGE.Value"),
        ("Variables/0/Value", [{"Name": "A"}, {"Name": "B"}], [{"Name": "B"}], "Variables.0.Value"),
        ("Tags/0/Value", [{"Key": "team"}], [{"Key": "team"}], "Tags.team.Value"),
        ("Metrics/0/Dimensions/0/Value", [{"Dimensions": [{"Name": "Id"}]}], None, "Metrics.0.Dimensions.Id.Value"),
        ("Subnets/1", ["a", "b"], ["a", "c"], "Subnets.1"),
        ("Ports/0", [{"From": 1}], [{"From": 2}], "Ports.0"),
    ],
)
def test_an_item_of_a_list_is_called_by_its_name(path: str, before: Any, after: Any, shown: str) -> None:
    name = path.partition("/")[0]
    contexts = {
        f"{time}Context": json.dumps({"Properties": {name: value}})
        for time, value in (("Before", before), ("After", after))
        if value is not None
    }
    assert [changed.path for changed in parsed(Details=[detail(path)], **contexts).properties] == [shown]


@pytest.mark.parametrize(
    ("paths", "fields", "only"),
    [
        (["Tags"], {}, True),
        (["Tags/0/Value", "Tags/1/Key"], {}, True),
        (["Tags", "Policies"], {}, False),
        (["TagSpecifications"], {}, False),
        ([], {}, False),
        (["Tags"], {"Action": "Add"}, False),
        (["Tags"], {"ResourceDriftStatus": "MODIFIED"}, False),
        (["Tags"], {"NewField": "x"}, False),
    ],
)
def test_a_change_of_nothing_but_tags(paths: list[str], fields: dict[str, str], only: bool) -> None:
    assert parsed(Details=[detail(path) for path in paths], **fields).only_tags is only


def test_a_value_that_is_not_known_yet_is_marked() -> None:
    details = [detail("Url", BeforeValue="https://a/x", AfterValue="https://{{changeSet:KNOWN_AFTER_APPLY}}/x")]
    assert parsed(Details=details).properties[0].after == "https://(known after deployment)/x"


@pytest.mark.parametrize(
    "path",
    [
        "AuthenticationMode/Passwords/0",
        "SecretString",
        "MasterUserPassword",
        "GenerateSecretString/SecretStringTemplate",
    ],
)
def test_a_secret_value_is_never_kept(path: str) -> None:
    change = parsed(Details=[detail(path, BeforeValue="hunter2", AfterValue="hunter3")])
    assert (change.properties[0].before, change.properties[0].after) == (HIDDEN, HIDDEN)
    assert "hunter" not in repr(change)


@given(
    st.dictionaries(
        st.text(max_size=10).filter(lambda name: name not in KNOWN_FIELDS), st.text(max_size=10), max_size=4
    ),
    st.text(max_size=10),
)
def test_fields_that_are_not_known_are_shown(extra: dict[str, str], action: str) -> None:
    change = parsed(**{**extra, "Action": action})
    assert change.unknown == tuple(f"{name}: {value}" for name, value in extra.items())
    assert change.action == action


def drifted_detail(path: str, previous: str, actual: str, wanted: str, **target: str) -> dict[str, Any]:
    """A detail of a drift-aware change set (API reference, ResourceTargetDefinition, LiveResourceDrift)."""
    found = detail(path, BeforeValue=actual, AfterValue=wanted)
    found["Target"] |= {
        "BeforeValueFrom": "ACTUAL_STATE",
        "AfterValueFrom": "TEMPLATE",
        "Drift": {"PreviousValue": previous, "ActualValue": actual, "DriftDetectionTimestamp": 0},
        **target,
    }
    return found


@pytest.mark.parametrize("source", ["ACTUAL_STATE", "PREVIOUS_DEPLOYMENT_STATE"])
def test_a_property_that_was_changed_by_hand_has_three_values(source: str) -> None:
    details = [drifted_detail("RetentionInDays", "30", "3", "14", BeforeValueFrom=source)]
    if source != "ACTUAL_STATE":
        details[0]["Target"]["BeforeValue"] = "30"
    change = parsed(Details=details, ResourceDriftStatus="MODIFIED")
    assert change.properties == (PropertyChange("RetentionInDays", "3", "14", "Never", "", deployed="30", direct=True),)
    assert (change.drift, change.unknown) == ("MODIFIED", ())


def test_a_drifted_property_that_replaces_what_holds_data_is_refused() -> None:
    details = [drifted_detail("KmsKeyId", "a", "b", "a", RequiresRecreation="Always")]
    change = parsed(ResourceType=CLUSTER, Replacement="True", ResourceDriftStatus="MODIFIED", Details=details)
    (refusal,) = refusals([change])
    assert (refusal.what, refusal.cause) == ("replaces the database", "KmsKeyId")


VARIABLES = [{"Name": "REGION", "Value": "eu"}, {"Name": "DB_PASSWORD", "Value": "hunter2"}]


@pytest.mark.parametrize(
    "fields",
    [
        {"PreviousDeploymentContext": json.dumps({"Properties": {"AuthenticationMode": {"Passwords": ["hunter2"]}}})},
        {"PreviousDeploymentContext": json.dumps({"Properties": {"Environment": VARIABLES}})},
        {"ContextOfNextYear": json.dumps({"Properties": {"MasterUserPassword": "hunter2"}})},
        {"ContextOfNextYear": {"Properties": {"Environment": VARIABLES}}},
        {"NextPassword": "hunter2"},
        {"Details": [drifted_detail("AuthenticationMode/Passwords/0", "hunter1", "hunter2", "hunter3")]},
        {"Details": [drifted_detail("Environment", *[json.dumps(VARIABLES)] * 3)]},
        {
            "Details": [drifted_detail("Environment/1/Value", "hunter1", "hunter2", "hunter3")],
            "PreviousDeploymentContext": json.dumps({"Properties": {"Environment": VARIABLES}}),
        },
        {
            "Details": [detail("Environment/1/Value", BeforeValue="hunter1", AfterValue="hunter2")],
            "AfterContext": json.dumps({"Properties": {"Environment": VARIABLES}}),
        },
    ],
)
def test_no_field_of_a_change_has_a_secret(fields: dict[str, Any]) -> None:
    assert "hunter" not in repr(parsed(ResourceDriftStatus="MODIFIED", **fields))


def test_a_value_beside_a_harmless_name_is_shown() -> None:
    fields = {"AfterContext": json.dumps({"Properties": {"Environment": VARIABLES}})}
    (changed,) = parsed(Details=[detail("Environment/0/Value", AfterValue="eu")], **fields).properties
    assert changed.after == "eu"


def test_a_template_has_additions_without_a_change_set() -> None:
    template = {"Resources": {"B": {"Type": "T::B"}, "A": {"Type": "T::B"}, "C": {"Type": "T::A"}}}
    assert [(change.logical_id, change.effect) for change in additions(template)] == [
        ("C", Effect.ADDS),
        ("A", Effect.ADDS),
        ("B", Effect.ADDS),
    ]


@pytest.mark.parametrize(
    ("resource_type", "what"),
    [
        (CLUSTER, "replaces the database"),
        ("AWS::SecretsManager::Secret", "replaces the password"),
        ("AWS::ECR::Repository", "replaces the images"),
        ("AWS::EC2::VPC", "replaces the network under the database"),
        ("AWS::DynamoDB::Table", "replaces the data in it"),
        ("AWS::S3::Bucket", "replaces the data in it"),
        ("AWS::Kinesis::Stream", "replaces the data in it"),
    ],
)
def test_the_guard_refuses_to_replace_what_holds_data(resource_type: str, what: str) -> None:
    change = parsed(
        ResourceType=resource_type,
        Replacement="True",
        PolicyAction="ReplaceAndDelete",
        Details=[detail("KmsKeyId", "Always")],
    )
    (refusal,) = refusals([change])
    (perhaps,) = refusals([replace(change, replacement="Conditional", properties=())])
    assert (refusal.logical_id, refusal.what, refusal.cause) == ("Thing", what, "KmsKeyId")
    assert perhaps.what == what.replace("replaces", "may replace")
    assert perhaps.cause == "CloudFormation does not say why"
    assert ("a second data stack" in refusal.instead) is (what != "replaces the data in it")
    assert ("SnapshotName" in refusal.instead) is (what.endswith(("database", "password")))


@pytest.mark.parametrize("resource_type", ["AWS::DynamoDB::Table", "AWS::SecretsManager::Secret", "AWS::S3::Bucket"])
def test_a_removal_is_refused_and_what_stays_is_not_called_deleted(resource_type: str) -> None:
    (deleted,) = refusals([parsed(Action="Remove", ResourceType=resource_type, PolicyAction="Delete")])
    (retained,) = refusals([parsed(Action="Remove", ResourceType=resource_type, PolicyAction="Retain")])
    assert deleted.what.startswith("deletes ")
    assert deleted.cause == "the template no longer has it"
    assert retained.what.startswith("takes ")
    assert retained.what.endswith(" out of the stack, and the resource stays")
    assert deleted.instead == retained.instead == "Put the resource back into the template."


def test_a_resource_can_be_marked_as_data_or_as_not() -> None:
    pages = [
        {"Changes": [resource_change(Replacement="True", ResourceType="Custom::Ledger", LogicalResourceId=name)]}
        for name in "AB"
    ]
    pages.append({"Changes": [resource_change(Action="Remove", ResourceType="AWS::SQS::Queue", LogicalResourceId="C")]})
    template = {
        "Resources": {
            "A": {"Type": "Custom::Ledger", "Metadata": {"HoldsData": True}},
            "B": {"Type": "Custom::Ledger"},
            "C": {"Type": "AWS::SQS::Queue", "Metadata": {"HoldsData": False}},
        }
    }
    assert [refusal.logical_id for refusal in refusals(change_set(pages, template).changes)] == ["A"]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ({"Path": "/Properties/Tags/0/Value"}, "Tags.0.Value"),
        ({"Path": "/DeletionPolicy"}, "DeletionPolicy"),
        ({"Attribute": "Tags"}, "Tags"),
    ],
)
def test_a_property_has_the_path_below_properties_or_its_attribute(target: dict[str, str], path: str) -> None:
    (changed,) = parsed(Details=[{"Target": target}]).properties
    assert changed.path == path


def test_the_guard_lets_through_what_is_named() -> None:
    change = parsed(ResourceType=CLUSTER, Replacement="True")
    assert refusals([change], {"Other"}) != ()
    assert refusals([change], {"Thing"}) == ()


@pytest.mark.parametrize(
    "resource_type", ["AWS::AppRunner::VpcConnector", "AWS::AppRunner::Service", "AWS::ECS::ExpressGatewayService"]
)
def test_a_stack_tag_that_replaces_a_compute_resource_is_refused(resource_type: str) -> None:
    change = parsed(ResourceType=resource_type, Replacement="True", Scope=["Tags"])
    (refusal,) = refusals([change])
    assert refusal.what == "is replaced because of a tag"


def test_the_guard_does_not_mind_other_replacements() -> None:
    assert refusals([parsed(ResourceType="AWS::AppRunner::AutoScalingConfiguration", Replacement="True")]) == ()
    assert refusals([parsed(ResourceType=CLUSTER, Replacement="False")]) == ()
    assert refusals([parsed(Action="Add", ResourceType=CLUSTER)]) == ()


def test_the_guard_refuses_to_take_a_cluster_from_valkey_back_to_redis() -> None:
    back = parsed(ResourceType=CLUSTER, Details=[detail("Engine", BeforeValue="valkey", AfterValue="redis")])
    (refusal,) = refusals([back])
    assert refusal.what == "takes the engine from valkey back to redis"
    there = parsed(ResourceType=CLUSTER, Details=[detail("Engine", BeforeValue="redis", AfterValue="valkey")])
    assert refusals([there]) == ()


def test_the_properties_before_and_after_are_kept_without_secrets() -> None:
    properties = {"Name": "u", "AuthenticationMode": {"Passwords": ["hunter2"]}, "Users": [{"Password": "hunter2"}]}
    change = parsed(BeforeContext="null", AfterContext=json.dumps({"Properties": properties}))
    assert change.before is None
    assert change.after == {"Name": "u", "AuthenticationMode": HIDDEN, "Users": [{"Password": HIDDEN}]}
    assert "hunter" not in repr(change)


@pytest.mark.parametrize("text", ["", "{", "[]", '"text"'])
def test_a_context_that_cannot_be_read_is_none(text: str) -> None:
    assert parsed(AfterContext=text).after is None


def test_parameters_are_as_cloudformation_resolved_them() -> None:
    listed = [{"ParameterKey": "A", "ParameterValue": "/path", "ResolvedValue": "1"}, {"ParameterKey": "B"}]
    assert change_set([{"Parameters": listed}]).parameters == {"A": "1", "B": ""}


@pytest.mark.parametrize(
    ("status", "reason", "warning"),
    [
        (
            "CREATE_COMPLETE",
            "[WARN] No export named users-data-VpcId found.",
            "No export named users-data-VpcId found.",
        ),
        ("CREATE_COMPLETE", "", ""),
        ("CREATE_COMPLETE", "The change set will import 1 resource.", ""),
        ("FAILED", "No updates are to be performed.", ""),
    ],
)
def test_a_warning_is_the_reason_of_a_change_set_that_was_created(status: str, reason: str, warning: str) -> None:
    assert change_set([{"Status": status, "StatusReason": reason}]).warning == warning
