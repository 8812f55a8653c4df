"""What is said to CloudFormation, word for word, through a real botocore client whose answers are given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.stub import ANY, Stubber

from generator.changeset import ChangeSet
from generator.deploy import Conversation, Request, parameters, unknown_parameter
from generator.errors import DeployError, GeneratorError, UsageError

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

    def stack(self, status: str = "CREATE_COMPLETE", **fields: Any) -> None:
        stack = {"StackName": "users-data", "StackId": STACK_ARN, "StackStatus": status, "CreationTime": 0, **fields}
        self.stubber.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "users-data"})

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
    for _ in range(602):
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


def test_missing_credentials_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_an_unknown_parameter_names_the_nearest() -> None:
    assert str(unknown_parameter("NodeTyp", ["Cpu", "NodeType"])).endswith("Did you mean NodeType?")
    assert str(unknown_parameter("zzz", ["Cpu", "NodeType"])).endswith("There are Cpu, NodeType.")
    assert issubclass(UsageError, GeneratorError)
