"""What a stack policy protects, and which policies are recognized."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.stacks.stack_policy import protected, protected_by, stack_policy, without

TABLE = {"Type": "AWS::DynamoDB::Table"}


@pytest.mark.parametrize(
    ("resources", "names"),
    [
        ({"Orders": TABLE, "Alarms": {"Type": "AWS::SNS::Topic"}}, {"Orders"}),
        ({"Ledger": {"Type": "Custom::Ledger", "Metadata": {"HoldsData": True}}}, {"Ledger"}),
        ({"Orders": {**TABLE, "Metadata": {"HoldsData": False}}}, set()),
        # The guard protects the network under data too.
        ({"Orders": TABLE, "Vpc": {"Type": "AWS::EC2::VPC"}}, {"Orders", "Vpc"}),
        ({"Vpc": {"Type": "AWS::EC2::VPC"}}, set()),
        ({"Fn::ForEach::Tables": ["Name", ["A", "B"], {"Orders${Name}": TABLE}]}, {"Orders*"}),
    ],
)
def test_what_holds_data_is_protected(resources: dict[str, Any], names: set[str]) -> None:
    assert protected({"Resources": resources}) == names


def test_the_denial_is_the_last_statement() -> None:
    """So that it holds whether a denial overrides or the last statement does."""
    allowed, denied = json.loads(stack_policy(["Orders"]))["Statement"]
    assert (allowed["Effect"], denied["Effect"]) == ("Allow", "Deny")
    assert denied["Action"] == ["Update:Delete", "Update:Replace"]


@given(st.frozensets(st.from_regex(r"[A-Za-z0-9]{1,20}\*?", fullmatch=True)))
def test_a_policy_that_is_made_here_is_recognized(names: frozenset[str]) -> None:
    assert protected_by(stack_policy(names)) == names


@pytest.mark.parametrize(
    "text", ["", "{}", '{"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}']
)
def test_a_policy_that_denies_nothing_protects_nothing(text: str) -> None:
    assert protected_by(text) == frozenset()


def changed(**denial: Any) -> str:
    policy = json.loads(stack_policy(["Orders"]))
    policy["Statement"][1] |= denial
    return json.dumps(policy)


@pytest.mark.parametrize(
    "text",
    [
        '{"Statement": []}',
        '{"Statement": [{"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}',
        changed(Action="Update:*"),
        changed(Resource=["*"]),
        changed(Resource="LogicalResourceId/Orders"),
        changed(Condition={"StringEquals": {"ResourceType": ["AWS::DynamoDB::Table"]}}),
        json.dumps({"Statement": [*json.loads(stack_policy(["Orders"]))["Statement"], {"Effect": "Allow"}]}),
    ],
)
def test_a_policy_of_another_form_is_not_ours_to_change(text: str) -> None:
    assert protected_by(text) is None


def test_a_wildcard_is_lifted_for_each_name_that_it_matches() -> None:
    assert without({"Orders*", "Cluster"}, ["OrdersEu"]) == {"Cluster"}
