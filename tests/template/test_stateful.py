"""Which resources hold data, as the guard reads it from a template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cfnlint
import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from troposphere import dynamodb, sns

from generator.layers import default_deployments
from generator.template.assemble import assemble
from generator.template.elements import ForEach, why
from generator.template.render import render
from generator.template.stateful import STATEFUL, data_resources, holds_data

LIST = Path(cfnlint.__file__).parent / "data" / "AdditionalSpecs" / "StatefulResources.json"


def test_what_cfn_lint_lists_is_stateful_but_for_logs() -> None:
    assert set(json.loads(LIST.read_text())["ResourceTypes"]) - STATEFUL == {"AWS::Logs::LogGroup"}


@pytest.mark.parametrize("kind", sorted(STATEFUL))
def test_a_type_exists(kind: str) -> None:
    regions = ("us-east-1", "us-west-2")
    assert any(kind in PROVIDER_SCHEMA_MANAGER.get_resource_types(region) for region in regions)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({"Type": "AWS::SNS::Topic"}, False),
        ({"Type": "AWS::SNS::Topic", "Metadata": {"HoldsData": True}}, True),
        ({"Type": "AWS::DynamoDB::Table", "Metadata": {"HoldsData": False}}, False),
        ({"Type": "AWS::DynamoDB::Table", "Metadata": {"HoldsData": "false"}}, False),
        ({"Type": "AWS::DynamoDB::Table", "Metadata": {"Other": False}}, True),
        ({"Type": "AWS::DynamoDB::Table", "Metadata": None}, True),
        ({"Type": "AWS::Logs::LogGroup"}, False),
        ({"Type": "Custom::Ledger", "Metadata": {"HoldsData": "true"}}, True),
        ({}, False),
    ],
)
def test_metadata_decide_and_else_the_type(resource: dict[str, Any], expected: bool) -> None:
    assert holds_data(resource) is expected


def test_the_layers_hold_their_data_where_one_expects_it() -> None:
    found = {
        layer.file_name: set(data_resources(json.loads(layer.text())))
        for deployment in default_deployments()
        for layer in deployment.layers
    }
    data = {"Cluster", "PasswordSecret", "Repository"}
    assert found == {
        "data-layer.json": data,
        "ecs-express-data-layer.json": data,
        "apprunner-layer.json": set(),
        "ecs-express-layer.json": set(),
    }


def test_a_mark_reaches_the_template_and_a_loop_is_looked_into() -> None:
    table = dynamodb.Table(
        "Cache", Metadata=why("Filled again at any time", holds_data=False), KeySchema=[], BillingMode="PAY_PER_REQUEST"
    )
    topic = sns.Topic("Ledger", Metadata=why("Subscribers cannot be listed again", holds_data=True))
    loop = ForEach("Buckets", "Name", ["A", "B"], {"Bucket${Name}": {"Type": "AWS::S3::Bucket"}})
    template = json.loads(render(assemble("", table, topic, loop)))
    assert data_resources(template) == {"Bucket${Name}": "AWS::S3::Bucket", "Ledger": "AWS::SNS::Topic"}
