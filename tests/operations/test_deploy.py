"""What is said to CloudFormation, word for word, through a real botocore client whose answers are given."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.stub import ANY, Stubber

from generator.cli.deploy import Deployment, deploy_reviewed
from generator.errors import DeployError, UsageError
from generator.layers import default_layers
from generator.stacks.change_set import ChangeSet
from generator.stacks.cloudformation import Conversation, Request, parameters

ARN = "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/preview-1/5"
STACK_ARN = "arn:aws:cloudformation:eu-west-1:123456789012:stack/users-data/51af3dc0"
TEMPLATE = json.dumps({"Parameters": {"Size": {"Type": "String"}, "Days": {"Default": 7}}, "Resources": {}})
REQUEST = Request("users-data", TEMPLATE, {"Size": "1"}, {"team": "a"})
ABSENT = ("ValidationError", "Stack with id users-data does not exist")
ADD = {"Type": "Resource", "ResourceChange": {"Action": "Add", "LogicalResourceId": "A", "ResourceType": "T"}}


class Script:
    """The answers in their order, and a clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "cloudformation", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="secret-key"
        )
        self.stubber = Stubber(self.client)
        self.seconds = 0.0
        self.talk = Conversation(self.client, sleep=self.sleep, now=lambda: self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def stack(self, status: str = "CREATE_COMPLETE", asked: str = "users-data", **fields: Any) -> None:
        stack = {"StackName": "users-data", "StackId": STACK_ARN, "StackStatus": status, "CreationTime": 0, **fields}
        self.stubber.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": asked})

    def events(self, *pages: list[dict[str, Any]]) -> None:
        for number, page in enumerate(pages):
            expected = {"StackName": STACK_ARN} | ({"NextToken": f"p{number}"} if number else {})
            following = {"NextToken": f"p{number + 1}"} if number + 1 < len(pages) else {}
            self.stubber.add_response("describe_stack_events", {"StackEvents": page, **following}, expected)

    def at(self, status: str, *pages: list[dict[str, Any]]) -> None:
        """What is asked while the stack is followed."""
        self.stack(status, STACK_ARN)
        self.events(*pages)

    def absent(self) -> None:
        self.stubber.add_client_error("describe_stacks", *ABSENT, http_status_code=400)

    def create(self, kind: str, values: list[dict[str, Any]]) -> None:
        expected = {
            "StackName": "users-data",
            "ChangeSetName": ANY,
            "ChangeSetType": kind,
            "TemplateBody": TEMPLATE,
            "Parameters": values,
            "Tags": [{"Key": "team", "Value": "a"}],
            "Capabilities": ["CAPABILITY_IAM"],
        } | ({"OnStackFailure": "ROLLBACK"} if kind == "CREATE" else {})
        self.stubber.add_response("create_change_set", {"Id": ARN, "StackId": STACK_ARN}, expected)

    def describe(self, status: str = "CREATE_COMPLETE", token: str = "", **answer: Any) -> None:
        expected = {"ChangeSetName": ARN, "IncludePropertyValues": True} | ({"NextToken": token} if token else {})
        self.stubber.add_response("describe_change_set", {"Status": status, "ChangeSetId": ARN, **answer}, expected)

    def delete(self) -> None:
        self.stubber.add_response("delete_change_set", {}, {"ChangeSetName": ARN})

    def waiting(self, *arns: str) -> None:
        summaries = [{"ChangeSetId": arn} for arn in arns]
        self.stubber.add_response("list_change_sets", {"Summaries": summaries}, {"StackName": "users-data"})

    def delete_stack(self) -> None:
        self.stubber.add_response("delete_stack", {}, {"StackName": STACK_ARN})

    def preview(self, *, keep: bool = False) -> ChangeSet:
        with self.talk.prepared(REQUEST) as prepared:
            if keep:
                prepared.keep()
            return prepared.change_set


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    with made.stubber:
        yield made
        made.stubber.assert_no_pending_responses()


SIZE = [{"ParameterKey": "Size", "ParameterValue": "1"}]


def test_a_first_preview_leaves_nothing_behind(script: Script) -> None:
    script.absent()
    script.create("CREATE", SIZE)
    script.describe("CREATE_IN_PROGRESS")
    script.describe(Changes=[ADD])
    script.delete()
    script.waiting(ARN)
    script.waiting()
    script.waiting()
    script.stack("REVIEW_IN_PROGRESS")
    script.delete_stack()
    assert [change.logical_id for change in script.preview().changes] == ["A"]


def test_a_stack_in_which_somebody_elses_change_set_waits_is_left(script: Script) -> None:
    script.absent()
    script.create("CREATE", SIZE)
    script.describe(Changes=[ADD])
    script.delete()
    script.waiting("arn:theirs")
    script.waiting("arn:theirs")
    script.stack("REVIEW_IN_PROGRESS")
    script.preview()


def test_an_empty_stack_that_was_there_before_is_left(script: Script) -> None:
    script.stack("REVIEW_IN_PROGRESS")
    script.create("CREATE", SIZE)
    script.describe(Changes=[ADD])
    script.delete()
    script.preview()


def test_a_stack_is_updated_and_parameters_that_nobody_names_stay(script: Script) -> None:
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
    script.absent()
    script.create("CREATE", SIZE)
    script.describe(Changes=[ADD])
    assert script.preview(keep=True).arn == ARN


def test_an_empty_change_set_is_a_value_and_is_deleted_even_if_asked_to_keep_it(script: Script) -> None:
    script.stack()
    script.create("UPDATE", SIZE)
    script.describe("FAILED", StatusReason="The submitted information didn't contain changes. Submit different")
    script.delete()
    assert script.preview(keep=True).empty


def test_a_failed_change_set_says_what_validation_found(script: Script) -> None:
    script.stack()
    script.create("UPDATE", SIZE)
    script.describe("FAILED", StatusReason="Validation failed")
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


def test_a_failed_change_set_says_its_reason_where_validation_is_silent(script: Script) -> None:
    script.stack()
    script.create("UPDATE", SIZE)
    script.describe("FAILED", StatusReason="Transform X failed")
    script.stubber.add_client_error("describe_events", "AccessDenied", "no")
    script.delete()
    with pytest.raises(DeployError, match="users-data: The change set failed: Transform X failed"):
        script.preview()


def test_ctrl_c_while_the_change_set_is_made_leaves_nothing(script: Script) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    script.talk = Conversation(script.client, sleep=interrupt, now=lambda: 0.0)
    script.stack()
    script.create("UPDATE", SIZE)
    script.describe("CREATE_IN_PROGRESS")
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
    ("code", "sentence"),
    [
        ("ExpiredToken", "users-data: The AWS session has expired"),
        ("AccessDenied", "users-data: AWS does not permit DescribeStacks"),
        ("Throttling", "users-data: AWS throttles DescribeStacks"),
        ("InvalidClientTokenId", "users-data: AWS does not accept the credentials"),
        ("SomethingNew", "users-data: DescribeStacks failed: SomethingNew: words"),
    ],
)
def test_an_error_of_aws_is_one_sentence_without_credentials(script: Script, code: str, sentence: str) -> None:
    script.stubber.add_client_error("describe_stacks", code, "words")
    with pytest.raises(DeployError) as caught:
        script.talk.stack("users-data")
    assert str(caught.value).startswith(sentence)
    assert "secret-key" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_credentials_are_one_sentence() -> None:
    class Client:
        def describe_stacks(self, **_: str) -> None:
            raise botocore.exceptions.NoCredentialsError

    with pytest.raises(DeployError, match=r"There are no AWS credentials: .*aws sso login"):
        Conversation(Client()).stack("users-data")


def test_a_template_beyond_the_limit_is_refused_before_anything_is_said(script: Script) -> None:
    script.stack()
    with (
        pytest.raises(DeployError, match="it has 51,201 bytes and CloudFormation takes 51,200"),
        script.talk.prepared(Request("users-data", "x" * 51_201)),
    ):
        pass


def test_a_parameter_without_a_value_is_named() -> None:
    with pytest.raises(UsageError, match="users-data needs a value for Size: --parameter Size=VALUE"):
        parameters(Request("users-data", TEMPLATE), None)


def an_event(number: int, status: str = "CREATE_COMPLETE", logical_id: str = "A", **fields: Any) -> dict[str, Any]:
    return {
        "EventId": str(number),
        "StackId": STACK_ARN,
        "StackName": "users-data",
        "Timestamp": number,
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": "x",
        "ResourceType": "T",
        "ResourceStatus": status,
        **fields,
    }


def test_events_are_told_oldest_first_and_each_once(script: Script) -> None:
    script.at("CREATE_IN_PROGRESS", [an_event(3), an_event(2), an_event(1)])
    script.at("CREATE_IN_PROGRESS", [an_event(3), an_event(2), an_event(1)])
    script.at("CREATE_COMPLETE", [an_event(4), an_event(3), an_event(2), an_event(1)])
    told: list[str] = []
    stack, events = script.talk.follow(STACK_ARN, "1", lambda fresh: told.extend(event.id for event in fresh))
    assert stack.status == "CREATE_COMPLETE"
    assert told == [event.id for event in events] == ["2", "3", "4"]


def test_three_thousand_events_are_read_over_thirty_pages(script: Script) -> None:
    newest_first = [an_event(number) for number in range(3000, 0, -1)]
    script.at("CREATE_COMPLETE", *(newest_first[start : start + 100] for start in range(0, 3000, 100)))
    _, events = script.talk.follow(STACK_ARN, "", lambda _: None)
    assert [event.id for event in events] == [str(number) for number in range(1, 3001)]


def test_reading_stops_at_the_event_that_was_seen_last(script: Script) -> None:
    script.at("CREATE_COMPLETE", [an_event(101), an_event(100)])
    _, events = script.talk.follow(STACK_ARN, "100", lambda _: None)
    assert [event.id for event in events] == ["101"]


def test_a_stack_that_is_gone_has_been_deleted(script: Script) -> None:
    script.stubber.add_client_error("describe_stacks", *ABSENT)
    script.events([an_event(1)])
    stack, _ = script.talk.follow(STACK_ARN, "", lambda _: None)
    assert stack.status == "DELETE_COMPLETE"


def test_a_wait_ends_after_a_day_and_a_half(script: Script) -> None:
    script.at("CREATE_IN_PROGRESS", [])
    script.at("CREATE_IN_PROGRESS", [])
    script.talk = Conversation(script.client, sleep=lambda _: script.sleep(36 * 3600 + 1), now=lambda: script.seconds)
    with pytest.raises(DeployError, match="has been CREATE_IN_PROGRESS for 36 hours"):
        script.talk.follow(STACK_ARN, "", lambda _: None)


OPTIONS = argparse.Namespace(
    name="users",
    data_stack=None,
    yes=True,
    no_wait=False,
    recreate=False,
    disable_rollback=False,
    allow_replacement=[],
    change_set=None,
)


def options(**changed: Any) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(OPTIONS), **changed})


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("ROLLBACK_COMPLETE", "repeat with --recreate"),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name users-data"),
        ("DELETE_FAILED", "See its events for what stopped its deletion"),
    ],
)
def test_a_stack_that_cannot_be_deployed_to_says_what_to_type(script: Script, status: str, sentence: str) -> None:
    script.stack(status, StackStatusReason="It broke")
    with pytest.raises(DeployError) as caught:
        Deployment(script.talk, "data", options()).deploy(REQUEST)
    assert str(caught.value).startswith(f"users-data: The stack is {status}: It broke. ")
    assert sentence in str(caught.value)


def test_nothing_to_change_is_success_and_leaves_nothing(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script.stack()
    script.stack()
    script.create("UPDATE", SIZE)
    script.describe("FAILED", StackName="users-data", StatusReason="No updates are to be performed.")
    script.delete()
    assert Deployment(script.talk, "data", options()).deploy(REQUEST) == 0
    assert capsys.readouterr().out.startswith("users-data: nothing to change.")


def test_a_change_to_data_is_refused_with_3_and_the_change_set_deleted(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.stack()
    script.stack()
    script.create("UPDATE", SIZE)
    cluster = {"Action": "Modify", "Replacement": "True", "LogicalResourceId": "Cluster"}
    change = {"Type": "Resource", "ResourceChange": {**cluster, "ResourceType": "AWS::MemoryDB::Cluster"}}
    script.describe(StackName="users-data", Changes=[change])
    script.delete()
    assert Deployment(script.talk, "data", options()).deploy(REQUEST) == 3
    assert "refused: Cluster: replaces the database" in capsys.readouterr().out


def test_somebody_elses_operation_is_left_alone_with_no_wait(script: Script) -> None:
    script.stack("UPDATE_IN_PROGRESS")
    assert Deployment(script.talk, "data", options(no_wait=True)).deploy(REQUEST) is None


@pytest.mark.parametrize("lost", [False, True])
def test_a_change_set_that_is_not_executed_is_deleted_unless_only_the_answer_was_lost(
    script: Script, *, lost: bool
) -> None:
    script.stack()
    script.stack()
    script.create("UPDATE", SIZE)
    script.describe(StackName="users-data", StackId=STACK_ARN, Changes=[ADD])
    script.events([])
    script.stubber.add_client_error("execute_change_set", "AccessDenied", "no", http_status_code=403)
    if lost:
        script.stubber.add_client_error("delete_change_set", "InvalidChangeSetStatus", "EXECUTE_IN_PROGRESS")
    else:
        script.delete()
    with pytest.raises(DeployError, match="AccessDenied"):
        Deployment(script.talk, "data", options()).deploy(REQUEST)


def test_a_stale_change_set_is_refused(script: Script) -> None:
    script.describe(StackName="users-data", ExecutionStatus="OBSOLETE")
    with pytest.raises(DeployError, match="it is OBSOLETE, because another one was executed since"):
        deploy_reviewed(script.talk, default_layers(), options(change_set=ARN))


def test_a_change_set_of_another_deployment_is_refused(script: Script) -> None:
    script.describe(StackName="prod-data")
    with pytest.raises(UsageError, match="for the stack prod-data, which is none of users-data, users-apprunner"):
        deploy_reviewed(script.talk, default_layers(), options(change_set=ARN))


def test_ctrl_c_while_following_says_that_it_goes_on_and_is_130(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    script.talk = Conversation(script.client, sleep=interrupt, now=lambda: 0.0)
    script.stack()
    script.stack()
    script.create("UPDATE", SIZE)
    script.describe(StackName="users-data", StackId=STACK_ARN, Changes=[ADD])
    script.events([an_event(1)])
    script.stubber.add_response("execute_change_set", {}, {"ChangeSetName": ARN, "DisableRollback": False})
    script.at("UPDATE_IN_PROGRESS", [an_event(1)])
    assert Deployment(script.talk, "data", options()).deploy(REQUEST) == 130
    assert (
        "CloudFormation goes on with users-data. To follow it again, run the same command again."
        in capsys.readouterr().err
    )
