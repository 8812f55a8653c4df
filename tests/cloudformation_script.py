"""What is said to CloudFormation, word for word, through a real botocore client whose answers are prepared."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from botocore.stub import ANY, Stubber

from generator.aws.calls import Clock
from generator.stacks.change_set import ChangeSet
from generator.stacks.cloudformation import CloudFormation, StackUpdate
from tests.stubbed import client

ARN = "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/preview-1/5"
STACK_ARN = "arn:aws:cloudformation:eu-west-1:123456789012:stack/users-data/51af3dc0"
TEMPLATE = json.dumps({"Parameters": {"Size": {"Type": "String"}, "Days": {"Default": 7}}, "Resources": {}})
UPDATE = StackUpdate("users-data", TEMPLATE, {"Size": "1"}, {"team": "a"})
ABSENT = ("ValidationError", "Stack with id users-data does not exist")
ADD = {"Type": "Resource", "ResourceChange": {"Action": "Add", "LogicalResourceId": "A", "ResourceType": "T"}}
SIZE = [{"ParameterKey": "Size", "ParameterValue": "1"}]


class Script:
    """The answers in their order, and a clock that moves only by sleeping."""

    def __init__(self) -> None:
        self.client = client("cloudformation")
        self.stubber = Stubber(self.client)
        self.seconds = 0.0
        self.clock = Clock(now=lambda: self.seconds, sleep=self.sleep)
        self.cloudformation = CloudFormation(self.client, self.clock)

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
        } | ({"OnStackFailure": "ROLLBACK"} if kind == "CREATE" else {})
        self.stubber.add_response("create_change_set", {"Id": ARN, "StackId": STACK_ARN}, expected)

    def made(self, status: str = "CREATE_COMPLETE", *, new: bool = False, **answer: Any) -> None:
        """A change set is created for the stack, or for a new one, and described."""
        if new:
            self.absent()
        else:
            self.stack()
        self.create("CREATE" if new else "UPDATE", SIZE)
        self.describe(status, **answer)

    def describe(self, status: str = "CREATE_COMPLETE", token: str = "", **answer: Any) -> None:
        expected = {"ChangeSetName": ARN, "IncludePropertyValues": True} | ({"NextToken": token} if token else {})
        self.stubber.add_response("describe_change_set", {"Status": status, "ChangeSetId": ARN, **answer}, expected)

    def planned(
        self,
        *events: dict[str, Any],
        new: dict[str, Any] | None = None,
        old: dict[str, Any] | None = None,
        **stack: Any,
    ) -> None:
        """What a plan asks of a change set that updates the stack: both templates, then the change set's events."""
        for template, named in ((new, "ChangeSetName"), (old, "StackName")):
            template = template or {"Resources": {}}
            if named == "StackName":
                self.stack(asked=STACK_ARN, **stack)
            self.stubber.add_response(
                "get_template",
                {"TemplateBody": json.dumps(template)},
                {named: ARN if named == "ChangeSetName" else STACK_ARN, "TemplateStage": "Processed"},
            )
        self.stubber.add_response("describe_events", {"OperationEvents": list(events)}, {"ChangeSetName": ARN})

    def delete(self) -> None:
        self.stubber.add_response("delete_change_set", {}, {"ChangeSetName": ARN})

    def waiting(self, *arns: str) -> None:
        summaries = [{"ChangeSetId": arn} for arn in arns]
        self.stubber.add_response("list_change_sets", {"Summaries": summaries}, {"StackName": "users-data"})

    def delete_stack(self) -> None:
        self.stubber.add_response("delete_stack", {}, {"StackName": STACK_ARN})

    def preview(self, *, keep: bool = False) -> ChangeSet:
        with self.cloudformation.pending_change_set(UPDATE) as pending:
            if keep:
                pending.keep()
            return pending.change_set


def an_event(number: int, status: str = "CREATE_COMPLETE", logical_id: str = "A", **fields: Any) -> dict[str, Any]:
    return {
        "EventId": str(number),
        "StackId": STACK_ARN,
        "StackName": "users-data",
        "Timestamp": datetime.fromtimestamp(number, UTC),
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": "x",
        "ResourceType": "T",
        "ResourceStatus": status,
        **fields,
    }
