from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from generator.errors import UsageError
from generator.review.quantities import HOURS, UNITS, billed, difference, price_list
from tests.review.changes import APP_RUNNER, CHANGES, EXPRESS, LIST, Change, cost_table, deployment

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "prices.schema.json").read_text())


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.what)
def test_a_change_adds_and_removes_quantities(change: Change) -> None:
    found = change.found()
    assert {name: f"{number:+f}" for name, number in found.quantities.items()} == change.said
    if change.usage or change.unknown:
        assert tuple(f"{name}: {text}" for name, text in found.usage.items()) == change.usage
        assert tuple(f"{name}: {text}" for name, text in found.unknown.items()) == change.unknown


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.what)
def test_the_page_has_the_change(change: Change) -> None:
    assert f"\n{change.row()}\n" in (ROOT / "docs" / "review.md").read_text()


@pytest.mark.parametrize("layers", [APP_RUNNER, EXPRESS])
def test_of_our_own_templates_everything_is_known(layers: tuple[str, ...]) -> None:
    assert billed(deployment(*layers)).unknown == {}


def test_the_cost_page_is_what_the_model_and_the_price_list_say() -> None:
    assert "\n".join(cost_table()) in (ROOT / "docs" / "cost.md").read_text()


def test_the_example_and_the_schema_agree_with_the_model() -> None:
    assert list(Draft202012Validator(SCHEMA).iter_errors(json.loads(LIST))) == []
    assert SCHEMA["properties"]["prices"]["propertyNames"]["pattern"] == f"^({'|'.join(UNITS)})(:.+)?$"


def test_an_hourly_price_is_multiplied_and_a_monthly_one_is_not() -> None:
    prices = price_list(LIST, "prices.json")
    money = prices.money({"nat-gateway": Decimal(2), "secret": Decimal(-3), "rds-instance:x": Decimal(1)})
    assert money == {"nat-gateway": 2 * Decimal("0.045") * HOURS, "secret": Decimal("-1.20")}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"region": "r", "currency": "USD", "date": "2026-11-25"}',
        '{"region": "r", "currency": "USD", "date": "2026-11-25", "prices": {"secret": "cheap"}}',
        '{"region": "r", "currency": "USD", "date": "2026-11-25", "prices": {"secret": -1}}',
        '{"region": "r", "currency": "USD", "date": "2026-11-25", "prices": {"secret": "NaN"}}',
        '{"region": "r", "currency": "USD", "date": "2026-11-25", "prices": {"secrets": 1}}',
    ],
)
def test_what_is_no_price_list_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^p\.json"):
        price_list(text, "p.json")


REDIS = "ElastiCache::ReplicationGroup"


def one(resource_type: str, **properties: Any) -> dict[str, Any]:
    return {"X": {"Type": f"AWS::{resource_type}", "Properties": properties}}


@pytest.mark.parametrize(
    ("resources", "quantities"),
    [
        (one("MemoryDB::Cluster", NodeType="db.r7g.large"), {"memorydb-node:db.r7g.large": 2}),
        (one("AppRunner::Service"), {"apprunner-memory-gb": 2}),
        (one("AppRunner::Service", InstanceConfiguration={"Memory": "3 GB"}), {"apprunner-memory-gb": 3}),
        (one("EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a", "b"]), {"interface-endpoint": 2}),
        (one("EC2::VPCEndpoint", VpcEndpointType="Gateway"), {}),
        (one("EC2::Instance", InstanceType="t4g.nano"), {"ec2-instance:t4g.nano": 1}),
        (one(REDIS, CacheNodeType="n", NumNodeGroups="2", ReplicasPerNodeGroup=1), {"elasticache-node:n": 4}),
        (one(REDIS, CacheNodeType="n", NumCacheClusters=3), {"elasticache-node:n": 3}),
        (one("CloudWatch::Alarm", Metrics=[{"Expression": "a+b"}, *[{"MetricStat": {}}] * 2]), {"alarm": 2}),
        (one("WAFv2::WebACL", Rules=[{}, {}]), {"web-acl": 1, "web-acl-rule": 2}),
        (one("IAM::Role"), {}),
    ],
)  # fmt: skip
def test_a_type_is_counted_with_its_defaults(resources: Any, quantities: dict[str, int]) -> None:
    found = billed(resources)
    assert found.quantities == quantities
    assert found.unknown == {}


@pytest.mark.parametrize(
    "resources",
    [
        one("MemoryDB::Cluster", NodeType={"Ref": "NodeType"}),
        one("MemoryDB::Cluster", NodeType="db.r7g.large", NumShards={"Ref": "Shards"}),
        one("AppRunner::Service", AutoScalingConfigurationArn="arn:another"),
        one("EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds={"Ref": "Subnets"}),
        one("AppRunner::Service", InstanceConfiguration="{{changeSet:KNOWN_AFTER_APPLY}}"),
        one("DynamoDB::Table", ProvisionedThroughput={"Ref": "Throughput"}),
        one("RDS::DBInstance", DBInstanceClass={"Ref": "Class"}),
        one("ECS::Service", TaskDefinition="arn:another"),
        one("Other::Type"),
    ],
)
def test_what_cannot_be_counted_is_unknown_and_not_nothing(resources: Any) -> None:
    found = billed(resources)
    assert found.quantities == {}
    assert list(found.unknown) == ["X"]


def test_what_goes_is_below_zero() -> None:
    assert difference(one("EC2::EIP"), {}).quantities == {"public-ipv4": -1}
    assert difference(one("SNS::Topic"), {}).usage == {"X": "no longer: messages"}
