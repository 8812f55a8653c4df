"""The stack policy, on the emulator: it guards against every other tool, and stands again however a run ends."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from troposphere import dynamodb, s3, sns

from generator.errors import DataLossError, DeployError, GeneratorError
from generator.layers import Deployment, Layer, default_deployments
from generator.operations import DeployOptions, Session, deploy, preview
from generator.stacks.stack_policy import protected_by, stack_policy
from rehearsal.emulator.process import ACCOUNT, REGION, Emulator, Fault
from tests.command import Captured, Command
from tests.running import ROOT
from tests.ui import ListUI

STACK = "users-data"


def table(name: str, logical_id: str = "Orders") -> dynamodb.Table:
    """A table; another name replaces it."""
    return dynamodb.Table(
        logical_id,
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[dynamodb.AttributeDefinition(AttributeName="id", AttributeType="S")],
        KeySchema=[dynamodb.KeySchema(AttributeName="id", KeyType="HASH")],
    )


def orders(*parts: Any) -> Deployment:
    return Deployment("orders", (Layer("data", "Orders.", (sns.Topic("Alarms"), *parts)),))


class Cloud:
    """The stack `users-data`, and deployments to it. `cut` is called before and after every call to CloudFormation."""

    def __init__(self) -> None:
        self.client = boto3.client("cloudformation")
        self.ui = ListUI()
        self.cut: Callable[[str, str], None] = lambda when, operation: None
        events = self.client.meta.events
        events.register("before-call", lambda model, **_: self.cut("before", model.name))
        events.register("after-call", lambda model, **_: self.cut("after", model.name))

    def deploy(self, deployment: Deployment, **options: Any) -> None:
        self.ui.said.clear()
        session = Session(self.ui, clients={"cloudformation": self.client}.__getitem__)
        deploy(deployment, session, DeployOptions(**options))

    @property
    def guarded(self) -> set[str]:
        policy = boto3.client("cloudformation").get_stack_policy(StackName=STACK)
        return set(protected_by(policy.get("StackPolicyBody", "")) or ())

    def settled(self) -> str:
        client = boto3.client("cloudformation")
        while (status := str(client.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"])).endswith("PROGRESS"):
            time.sleep(0.02)
        return status

    def update(self, deployment: Deployment) -> tuple[str, list[str]]:
        """UpdateStack as any other tool calls it: the stack's status, and why resources failed."""
        client = boto3.client("cloudformation")
        client.update_stack(StackName=STACK, TemplateBody=deployment.layers[0].text())
        status = self.settled()
        events = client.describe_stack_events(StackName=STACK)["StackEvents"]
        latest = list(itertools.takewhile(lambda event: event.get("ResourceStatusReason") != "User Initiated", events))
        failed = [event["ResourceStatusReason"] for event in latest if event["ResourceStatus"] == "UPDATE_FAILED"]
        return status, failed


@pytest.fixture
def cloud(aws: Emulator) -> Iterator[Cloud]:
    """A stack with a table, of this test alone."""
    made = Cloud()
    made.deploy(orders(table("orders")))
    yield made
    client = boto3.client("cloudformation")
    made.settled()
    client.update_termination_protection(StackName=STACK, EnableTerminationProtection=False)
    client.delete_stack(StackName=STACK)
    while any(stack["StackStatus"] != "DELETE_COMPLETE" for stack in client.describe_stacks()["Stacks"]):
        time.sleep(0.02)


def test_a_new_stack_that_holds_data_gets_its_policy(cloud: Cloud) -> None:
    assert cloud.guarded == {"Orders"}
    assert f"{STACK}: the stack policy protects Orders now" in cloud.ui.said


@pytest.mark.parametrize(
    ("deployment", "action"),
    [(orders(table("orders-2")), "Update:Replace"), (orders(), "Update:Delete")],
    ids=["replaced", "removed"],
)
def test_another_tool_can_neither_replace_nor_delete_what_holds_data(
    cloud: Cloud, deployment: Deployment, action: str
) -> None:
    client = boto3.client("dynamodb")
    tables = client.list_tables()["TableNames"]
    status, failed = cloud.update(deployment)
    assert (status, client.list_tables()["TableNames"]) == ("UPDATE_ROLLBACK_COMPLETE", tables)
    denied = "Action denied by stack policy: Statement [#2] does not allow"
    assert failed == [f"{denied} [{action}] for resource [LogicalResourceId/Orders]"]
    # It was the policy: without one, the same update goes through.
    cloud.client.set_stack_policy(StackName=STACK, StackPolicyBody=stack_policy(()))
    assert cloud.update(deployment) == ("UPDATE_COMPLETE", [])
    assert client.list_tables()["TableNames"] != tables


def test_other_updates_from_outside_go_through(cloud: Cloud) -> None:
    alarms = sns.Topic("Alarms", DisplayName="orders")
    changed = Deployment("orders", (Layer("data", "Orders.", (alarms, table("orders"))),))
    assert cloud.update(changed) == ("UPDATE_COMPLETE", [])


def test_a_replacement_is_let_through_by_name_and_then_guarded_again(cloud: Cloud) -> None:
    with pytest.raises(DataLossError):
        cloud.deploy(orders(table("orders-2")))
    assert cloud.guarded == {"Orders"}
    cloud.deploy(orders(table("orders-2")), allow_replacement=("Orders",))
    lifted, again = (line for line in cloud.ui.said if "policy" in line)
    assert lifted == f"{STACK}: the stack policy is lifted for Orders"
    assert again == f"{STACK}: the stack policy protects Orders now"
    assert cloud.guarded == {"Orders"}


def test_what_is_removed_by_name_needs_no_protection_any_more(cloud: Cloud) -> None:
    cloud.deploy(orders(table("orders"), table("invoices", "Invoices")))
    assert cloud.guarded == {"Orders", "Invoices"}
    assert f"{STACK}: the stack policy protects Invoices now" in cloud.ui.said
    cloud.deploy(orders(table("invoices", "Invoices")), allow_replacement=("Orders",))
    assert cloud.guarded == {"Invoices"}


def test_a_failed_update_leaves_the_policy_as_it_was(cloud: Cloud, aws: Emulator) -> None:
    more = orders(table("orders-2"), table("invoices", "Invoices"))
    with aws.faults(Fault("Orders", "update", reason="No capacity")), pytest.raises(DeployError, match="No capacity"):
        cloud.deploy(more, allow_replacement=("Orders",))
    assert cloud.guarded == {"Orders"}


def test_a_lifted_policy_needs_the_end_of_the_update(cloud: Cloud) -> None:
    with pytest.raises(DeployError, match=r"the stack policy has to be lifted .* Deploy without --no-wait\."):
        cloud.deploy(orders(table("orders-2")), allow_replacement=("Orders",), wait=False)
    assert cloud.guarded == {"Orders"}


@pytest.mark.parametrize("deployment", [orders(table("orders")), orders(table("orders"), sns.Topic("More"))])
def test_a_policy_that_was_left_lifted_is_closed_by_the_next_run(cloud: Cloud, deployment: Deployment) -> None:
    cloud.client.set_stack_policy(StackName=STACK, StackPolicyBody=stack_policy(()))
    cloud.deploy(deployment)
    assert cloud.guarded == {"Orders"}
    assert f"{STACK}: the stack policy protects Orders now" in cloud.ui.said


OWN = {"Statement": [{"Effect": "Allow", "Action": "Update:Modify", "Principal": "*", "Resource": "*"}]}


@pytest.mark.parametrize("allowed", [(), ("Orders",)])
def test_a_policy_of_your_own_stays(cloud: Cloud, allowed: tuple[str, ...]) -> None:
    cloud.client.set_stack_policy(StackName=STACK, StackPolicyBody=json.dumps(OWN))
    cloud.deploy(orders(table("orders"), sns.Topic("More")), allow_replacement=allowed)
    assert json.loads(cloud.client.get_stack_policy(StackName=STACK)["StackPolicyBody"]) == OWN
    assert f"{STACK} has a stack policy of its own, which stays as it is." in cloud.ui.said


def test_what_a_policy_protects_beside_is_kept(cloud: Cloud) -> None:
    cloud.client.set_stack_policy(StackName=STACK, StackPolicyBody=stack_policy(["Alarms"]))
    cloud.deploy(orders(table("orders-2")), allow_replacement=("Orders",))
    assert cloud.guarded == {"Alarms", "Orders"}


class Interruption:
    """Raises an error before or after the nth call of an operation, counted from when the policy is lifted."""

    def __init__(self, error: BaseException, when: str, operation: str, number: int) -> None:
        self.error, self.at = error, (when, operation, number)
        self.counts: Counter[tuple[str, str]] = Counter()

    def __call__(self, when: str, operation: str) -> None:
        if self.counts["before", "SetStackPolicy"] or operation == "SetStackPolicy":
            self.counts[when, operation] += 1
            if (when, operation, self.counts[when, operation]) == self.at:
                raise self.error


# In this order: lifted, executed, followed, put back.
STEPS = (
    ("SetStackPolicy", 1),
    ("DescribeStackEvents", 1),
    ("ExecuteChangeSet", 1),
    ("DescribeStacks", 1),
    ("DescribeStackEvents", 2),
    ("SetStackPolicy", 2),
)


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt(), EndpointConnectionError(endpoint_url="https://cloudformation")],
    ids=["Ctrl-C", "lost connection"],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interruption_at_any_step_leaves_the_policy_in_force_or_to_the_next_run(
    cloud: Cloud, when: str, error: BaseException
) -> None:
    for number, step in enumerate(STEPS):
        cloud.cut = Interruption(error, when, *step)
        with pytest.raises((KeyboardInterrupt, GeneratorError)):
            cloud.deploy(orders(table(f"orders-{number}")), allow_replacement=("Orders",))
        cloud.cut = lambda when, operation: None
        # Only the call that puts it back can leave it open, and only if it did not arrive.
        left_open = cloud.guarded != {"Orders"}
        assert left_open is ((when, *step) == ("before", *STEPS[-1]))
        cloud.settled()
        if left_open:
            cloud.deploy(orders(table(f"orders-{number}")))
            assert f"{STACK}: the stack policy protects Orders now" in cloud.ui.said
        assert cloud.guarded == {"Orders"}


def test_a_bucket_that_is_not_empty_is_warned_of(cloud: Cloud) -> None:
    """What CloudFormation's validation finds in a change set that succeeds."""
    cloud.deploy(orders(table("orders"), s3.Bucket("Papers", BucketName="papers")))
    boto3.client("s3").put_object(Bucket="papers", Key="1", Body=b"1")
    session = Session(cloud.ui, clients={"cloudformation": cloud.client}.__getitem__)
    (plan,) = preview(orders(table("orders")), session)
    (found,) = plan.findings
    assert (found.where, found.rule, found.blocking) == ("Papers", "BUCKET_EMPTINESS_VALIDATION", False)
    assert found.reason.startswith("The bucket 'papers' is not empty.")
    boto3.client("s3").delete_object(Bucket="papers", Key="1")
    (plan,) = preview(orders(table("orders")), session)
    assert plan.findings == ()


def test_the_cluster_cannot_be_replaced_from_outside(aws: Emulator, capsys: Captured) -> None:
    """The data layer as it is, and its policy as `build` writes it."""
    command = Command(default_deployments, capsys)
    command.must("deploy", "--yes", "--name", "shop", "--layer", "data")
    client = boto3.client("cloudformation")
    policy = client.get_stack_policy(StackName="shop-data")["StackPolicyBody"]
    assert json.loads(policy) == json.loads(Path(ROOT, "templates", "data-stack-policy.json").read_text())
    (cluster,) = boto3.client("memorydb").describe_clusters()["Clusters"]
    (stack,) = client.describe_stacks(StackName="shop-data")["Stacks"]
    names = [parameter["ParameterKey"] for parameter in stack["Parameters"] if parameter["ParameterKey"] != "KmsKeyArn"]
    client.update_stack(
        StackName="shop-data",
        UsePreviousTemplate=True,
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[
            {
                "ParameterKey": "KmsKeyArn",
                "ParameterValue": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            },
            *({"ParameterKey": name, "UsePreviousValue": True} for name in names),
        ],
    )
    while (status := client.describe_stacks(StackName="shop-data")["Stacks"][0]["StackStatus"]).endswith("PROGRESS"):
        time.sleep(0.02)
    reasons = {
        event.get("ResourceStatusReason", "")
        for event in client.describe_stack_events(StackName="shop-data")["StackEvents"]
    }
    assert status == "UPDATE_ROLLBACK_COMPLETE"
    denied = {reason for reason in reasons if reason.startswith("Action denied by stack policy: Statement [#2]")}
    assert denied
    assert boto3.client("memorydb").describe_clusters()["Clusters"] == [cluster]
    command.must("destroy", "--yes", "--name", "shop", "--layer", "data")
