"""Change sets and events, by what is said to CloudFormation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from generator.aws.calls import Clock
from generator.errors import DeployError, LocalError
from generator.stacks.cloudformation import CloudFormation, StackUpdate
from tests.cloudformation_script import ABSENT, ADD, ARN, SIZE, STACK_ARN, Script, an_event


def test_a_first_preview_leaves_nothing_behind(script: Script) -> None:
    script.made("CREATE_IN_PROGRESS", new=True)
    script.describe(Changes=[ADD])
    script.delete()
    script.waiting(ARN)
    script.waiting()
    script.stack("REVIEW_IN_PROGRESS")
    script.delete_stack()
    assert [change.logical_id for change in script.preview().changes] == ["A"]


def test_a_stack_in_which_another_change_set_waits_is_left(script: Script) -> None:
    script.made(Changes=[ADD], new=True)
    script.delete()
    script.waiting("arn:theirs")
    script.stack("REVIEW_IN_PROGRESS")
    script.preview()


def test_an_empty_stack_that_was_there_before_is_left(script: Script) -> None:
    script.stack("REVIEW_IN_PROGRESS")
    script.create("CREATE", SIZE)
    script.describe(Changes=[ADD])
    script.delete()
    script.preview()


def test_a_stack_is_updated_and_parameters_that_are_not_given_stay(script: Script) -> None:
    script.stack(Parameters=[{"ParameterKey": "Days", "ParameterValue": "3"}, {"ParameterKey": "Gone"}])
    script.create("UPDATE", [*SIZE, {"ParameterKey": "Days", "UsePreviousValue": True}])
    script.describe(Changes=[ADD])
    script.delete()
    script.preview()


def test_five_pages_are_read(script: Script) -> None:
    script.stack()
    script.create("UPDATE", SIZE)
    for page in range(5):
        change = {"Action": "Add", "LogicalResourceId": f"A{page}", "ResourceType": "T"}
        following = {"NextToken": f"t{page + 1}"} if page < 4 else {}
        script.describe(
            token=f"t{page}" if page else "", Changes=[{"Type": "Resource", "ResourceChange": change}], **following
        )
    script.delete()
    assert len(script.preview().changes) == 5


def test_a_kept_change_set_is_not_deleted(script: Script) -> None:
    script.made(Changes=[ADD], new=True)
    assert script.preview(keep=True).arn == ARN


def test_an_empty_change_set_is_a_value_and_is_deleted_even_if_asked_to_keep_it(script: Script) -> None:
    script.made("FAILED", StatusReason="The submitted information didn't contain changes. Submit different")
    script.delete()
    assert script.preview(keep=True).empty


def test_a_failed_change_set_says_what_validation_found(script: Script) -> None:
    script.made("FAILED", StatusReason="Validation failed")
    event = {
        "EventType": "VALIDATION_ERROR",
        "LogicalResourceId": "Cluster",
        "ValidationPath": "/Resources/Cluster/Properties/NodeType",
        "ValidationStatusReason": "no such node type",
    }
    script.stubber.add_response(
        "describe_events", {"OperationEvents": [{"EventType": "STACK_EVENT"}], "NextToken": "t"}, {"ChangeSetName": ARN}
    )
    script.stubber.add_response(
        "describe_events", {"OperationEvents": [event]}, {"ChangeSetName": ARN, "NextToken": "t"}
    )
    script.delete()
    with pytest.raises(
        DeployError, match=r"Cluster /Resources/Cluster/Properties/NodeType: no such node type\. Nothing"
    ):
        script.preview()


def test_a_failed_change_set_has_its_reason_without_findings_of_the_validation(script: Script) -> None:
    script.made("FAILED", StatusReason="Transform X failed")
    script.stubber.add_client_error("describe_events", "AccessDenied", "no")
    script.delete()
    with pytest.raises(DeployError, match="users-data: The change set failed: Transform X failed"):
        script.preview()


def test_ctrl_c_while_the_change_set_is_made_leaves_nothing(script: Script) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    script.cloudformation = CloudFormation(script.client, Clock(now=lambda: 0.0, sleep=interrupt))
    script.made("CREATE_IN_PROGRESS")
    script.delete()
    with pytest.raises(KeyboardInterrupt):
        script.preview()


def test_a_change_set_that_never_gets_ready_is_given_up(script: Script) -> None:
    script.stack()
    script.create("UPDATE", SIZE)
    for _ in range(365):
        script.describe("CREATE_PENDING")
    script.delete()
    with pytest.raises(DeployError, match="it has been CREATE_PENDING for 30 minutes"):
        script.preview()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ExpiredToken", "The AWS session has expired"),
        ("AccessDenied", "users-data: AWS does not permit DescribeStacks"),
    ],
)
def test_an_error_of_aws_is_one_message_without_credentials(script: Script, code: str, message: str) -> None:
    script.stubber.add_client_error("describe_stacks", code, "words")
    with pytest.raises((DeployError, LocalError)) as caught:
        script.cloudformation.stack("users-data")
    assert str(caught.value).startswith(message)
    assert "secret-key" not in str(caught.value)
    assert "\n" not in str(caught.value)


def sent(script: Script, update: StackUpdate, **stack: Any) -> dict[str, Any]:
    """What CreateChangeSet is called with."""
    calls: list[dict[str, Any]] = []
    script.client.meta.events.register(
        "provide-client-params.cloudformation.CreateChangeSet", lambda params, **_: calls.append(dict(params))
    )
    script.stack(**stack)
    script.stubber.add_response("create_change_set", {"Id": ARN, "StackId": STACK_ARN})
    script.describe()
    script.delete()
    with script.cloudformation.pending_change_set(update):
        pass
    (found,) = calls
    return found


DEPLOYED_TAGS = [{"Key": "team", "Value": "a"}, {"Key": "cost", "Value": "7"}]


@pytest.mark.parametrize(
    ("given", "removed", "tags"),
    [
        # CloudFormation keeps a stack's tags where CreateChangeSet has none (API reference, CreateChangeSet, Tags).
        ({}, (), None),
        ({"team": "b"}, (), {"team": "b", "cost": "7"}),
        ({"owner": "c"}, (), {"team": "a", "cost": "7", "owner": "c"}),
        ({}, ("team",), {"cost": "7"}),
        ({"owner": "c"}, ("team", "cost"), {"owner": "c"}),
        ({}, ("team", "cost"), {}),
    ],
)
def test_tags_that_are_not_named_stay(
    script: Script, given: dict[str, str], removed: tuple[str, ...], tags: dict[str, str] | None
) -> None:
    update = StackUpdate("users-data", '{"Resources": {}}', tags=given, removed_tags=removed)
    found = sent(script, update, Tags=DEPLOYED_TAGS).get("Tags")
    assert (None if found is None else {tag["Key"]: tag["Value"] for tag in found}) == tags


@pytest.mark.parametrize(
    ("resources", "capabilities"),
    [
        ({}, None),
        ({"Role": {"Type": "AWS::IAM::Role", "Properties": {}}}, ["CAPABILITY_IAM"]),
        ({"Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "auditor"}}}, ["CAPABILITY_NAMED_IAM"]),
    ],
)
def test_the_capabilities_are_those_that_the_template_needs(
    script: Script, resources: dict[str, Any], capabilities: list[str] | None
) -> None:
    update = StackUpdate("users-data", json.dumps({"Resources": resources}))
    assert sent(script, update).get("Capabilities") == capabilities


@pytest.mark.parametrize(("status", "mode"), [("CREATE_COMPLETE", "REVERT_DRIFT"), ("REVIEW_IN_PROGRESS", None)])
def test_drift_is_reverted_where_something_is_deployed(script: Script, status: str, mode: str | None) -> None:
    update = StackUpdate("users-data", '{"Resources": {}}', revert_drift=True)
    assert sent(script, update, status=status).get("DeploymentMode") == mode


def test_resources_that_were_deleted_are_no_longer_listed(script: Script) -> None:
    listed = [
        {"LogicalResourceId": name, "ResourceType": "T", "LastUpdatedTimestamp": 0, "ResourceStatus": status}
        for name, status in (("A", "CREATE_COMPLETE"), ("B", "DELETE_COMPLETE"), ("C", "DELETE_FAILED"))
    ]
    script.stubber.add_response("list_stack_resources", {"StackResourceSummaries": listed}, {"StackName": "users-data"})
    found = script.cloudformation.resources("users-data")
    assert [resource["LogicalResourceId"] for resource in found] == ["A", "C"]


def test_a_large_template_is_sent_without_white_space(script: Script) -> None:
    template = {"Description": "é", "Resources": {}, "Metadata": {"Note": "x" * 51_000}}
    text = json.dumps(template, indent=400, ensure_ascii=False)
    assert len(text.encode()) > 51_200
    body = sent(script, StackUpdate("users-data", text))["TemplateBody"]
    assert json.loads(body) == template
    assert len(body.encode()) <= 51_200


def test_a_template_that_is_too_large_for_a_request_is_read_from_s3(script: Script) -> None:
    text = json.dumps({"Resources": {}, "Metadata": {"Note": "x" * 51_200}})
    update = StackUpdate("users-data", text, template_url="https://bucket.s3.eu-west-1.amazonaws.com/key")
    assert update.too_large
    found = sent(script, update)
    assert found["TemplateURL"] == update.template_url
    assert "TemplateBody" not in found


def test_events_are_reported_oldest_first_and_each_once(script: Script) -> None:
    script.at("CREATE_IN_PROGRESS", [an_event(3), an_event(2), an_event(1)])
    script.at("CREATE_IN_PROGRESS", [an_event(3), an_event(2), an_event(1)])
    script.at("CREATE_COMPLETE", [an_event(4), an_event(3), an_event(2), an_event(1)])
    seen: list[str] = []
    stack, events = script.cloudformation.follow(STACK_ARN, "1", lambda fresh: seen.extend(event.id for event in fresh))
    assert stack.status == "CREATE_COMPLETE"
    assert seen == [event.id for event in events] == ["2", "3", "4"]


def test_three_thousand_events_are_read_over_thirty_pages(script: Script) -> None:
    newest_first = [an_event(number) for number in range(3000, 0, -1)]
    script.at("CREATE_COMPLETE", *(newest_first[start : start + 100] for start in range(0, 3000, 100)))
    _, events = script.cloudformation.follow(STACK_ARN, "", lambda _: None)
    assert [event.id for event in events] == [str(number) for number in range(1, 3001)]


def test_reading_stops_at_the_event_that_was_seen_last(script: Script) -> None:
    script.at("CREATE_COMPLETE", [an_event(101), an_event(100)])
    _, events = script.cloudformation.follow(STACK_ARN, "100", lambda _: None)
    assert [event.id for event in events] == ["101"]


def test_a_stack_that_is_gone_has_been_deleted(script: Script) -> None:
    script.stubber.add_client_error("describe_stacks", *ABSENT)
    script.events([an_event(1)])
    stack, _ = script.cloudformation.follow(STACK_ARN, "", lambda _: None)
    assert stack.status == "DELETE_COMPLETE"


def test_a_wait_ends_after_a_day_and_a_half(script: Script) -> None:
    script.at("CREATE_IN_PROGRESS", [])
    script.at("CREATE_IN_PROGRESS", [])
    script.cloudformation = CloudFormation(
        script.client, Clock(now=lambda: script.seconds, sleep=lambda _: script.sleep(36 * 3600 + 1))
    )
    with pytest.raises(DeployError, match="has been CREATE_IN_PROGRESS for 36 hours"):
        script.cloudformation.follow(STACK_ARN, "", lambda _: None)
