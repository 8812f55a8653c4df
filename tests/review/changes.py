"""Changes of what our templates, and resources of one's own, bill. docs/review.md shows them as a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generator.review.intrinsics import resources
from generator.review.quantities import UNITS, Billed, billed, difference, price_list

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
LIST = (ROOT / "examples" / "prices.json").read_text()
Resources = dict[str, dict[str, Any]]


def deployment(*layers: str, **parameters: Any) -> Resources:
    """The resources of layers, with these parameters."""
    found: Resources = {}
    for layer in layers:
        found |= resources(json.loads((TEMPLATES / f"{layer}-layer.json").read_text()), parameters)
    return found


APP_RUNNER = ("data", "apprunner")
EXPRESS = ("ecs-express-data", "ecs-express")


@dataclass(frozen=True)
class Change:
    """A deployment before and after: with other parameters, other layers, or resources of one's own beside it."""

    what: str
    before: Callable[[], Resources]
    after: Callable[[], Resources]
    said: dict[str, str] = field(default_factory=dict)
    usage: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def row(self) -> str:
        """The line of the table."""
        numbers = ", ".join(f"{number} {name}" for name, number in self.said.items())
        return f"| {self.what} | {'; '.join(part for part in (numbers, *self.usage, *self.unknown) if part)} |"

    def found(self) -> Billed:
        return difference(self.before(), self.after())


def _parameters(what: str, layers: tuple[str, ...], said: dict[str, str], **parameters: Any) -> Change:
    return Change(what, lambda: deployment(*layers), lambda: deployment(*layers, **parameters), said)


def _beside(what: str, said: dict[str, str], *others: Any, **more: tuple[str, ...]) -> Change:
    """Resources of one's own, as pairs of a type and its properties."""
    own = {f"Own{index}": {"Type": f"AWS::{kind}", "Properties": values} for index, (kind, values) in enumerate(others)}
    return Change(what, lambda: deployment(*APP_RUNNER), lambda: {**deployment(*APP_RUNNER), **own}, said, **more)


CHANGES = (
    _parameters("A second shard", APP_RUNNER, {"memorydb-node:db.t4g.small": "+2"}, Shards=2),
    _parameters(
        "Another node type",
        APP_RUNNER,
        {"memorydb-node:db.r7g.large": "+2", "memorydb-node:db.t4g.small": "-2"},
        NodeType="db.r7g.large",
    ),
    _parameters("No replica", APP_RUNNER, {"memorydb-node:db.t4g.small": "-1"}, ReplicasPerShard=0),
    _parameters("Three provisioned App Runner instances", APP_RUNNER, {"apprunner-memory-gb": "+4"}, MinSize=3),
    _parameters("App Runner instances of 4 GB", APP_RUNNER, {"apprunner-memory-gb": "+2"}, Memory="4096"),
    _parameters(
        "ECS tasks of 2 vCPU and 4 GB, two at least",
        EXPRESS,
        {"fargate-memory-gb": "+6", "fargate-vcpu": "+3"},
        Cpu="2048",
        Memory="4096",
        MinSize=2,
    ),
    _parameters("IAM authentication instead of a password", APP_RUNNER, {"secret": "-1"}, Authentication="iam"),
    Change(
        "ECS Express instead of App Runner",
        lambda: deployment(*APP_RUNNER),
        lambda: deployment(*EXPRESS),
        {
            "alarm": "+1",
            "apprunner-memory-gb": "-2",
            "fargate-memory-gb": "+2",
            "fargate-vcpu": "+1",
            "interface-endpoint": "+4",
        },
    ),
    Change(
        "Logs are never deleted",
        lambda: deployment(*APP_RUNNER),
        lambda: {**deployment(*APP_RUNNER), "FlowLogGroup": {"Type": "AWS::Logs::LogGroup"}},
        usage=("FlowLogGroup: GB taken in, and GB kept forever (was: GB taken in, and GB kept for 30 days)",),
    ),
    _beside(
        "A NAT gateway and its address",
        {"nat-gateway": "+1", "public-ipv4": "+1"},
        ("EC2::NatGateway", {"SubnetId": "s"}),
        ("EC2::EIP", {"Domain": "vpc"}),
        usage=("Own0: GB processed",),
    ),
    _beside(
        "A provisioned table with an index, and one on demand",
        {"dynamodb-read-unit": "+7", "dynamodb-write-unit": "+3"},
        (
            "DynamoDB::Table",
            {
                "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": "1"},
                "GlobalSecondaryIndexes": [
                    {"ProvisionedThroughput": {"ReadCapacityUnits": 2, "WriteCapacityUnits": 2}}
                ],
            },
        ),
        ("DynamoDB::Table", {"BillingMode": "PAY_PER_REQUEST"}),
        usage=tuple(f"Own{n}: storage, and requests unless provisioned" for n in range(2)),
    ),
    _beside(
        "A database in two zones, a load balancer, a key",
        {
            "kms-key": "+1",
            "load-balancer:application": "+1",
            "rds-instance:db.t4g.medium": "+2",
            "rds-storage-gb": "+40",
        },
        ("RDS::DBInstance", {"DBInstanceClass": "db.t4g.medium", "MultiAZ": True, "AllocatedStorage": "20"}),
        ("ElasticLoadBalancingV2::LoadBalancer", {}),
        ("KMS::Key", {}),
        usage=("Own1: capacity units",),
    ),
    _beside(
        "A task of Fargate whose number is a parameter, and a type that is not known",
        {},
        ("ECS::Service", {"TaskDefinition": {"Ref": "Own1"}, "DesiredCount": {"Ref": "Tasks"}}),
        ("ECS::TaskDefinition", {"Cpu": "1 vCPU", "Memory": "2 GB"}),
        ("Braket::Quantum", {}),
        unknown=(
            "Own0: fargate-vcpu, fargate-memory-gb: not known before the deployment",
            "Own2: nothing is known of what AWS::Braket::Quantum bills",
        ),
    ),
)


def cost_table() -> Iterator[str]:
    """What the default templates bill, as docs/cost.md has it: quantities, prices, and money where there is a price."""
    prices = price_list(LIST, "prices.json")
    sides = [billed(deployment(*layers)).quantities for layers in (APP_RUNNER, EXPRESS)]
    yield "| quantity | App Runner | ECS Express | price | per month | per month |"
    yield "|---|---|---|---|---|---|"
    for name in sorted({*sides[0], *sides[1]}):
        numbers = [f"{side[name]:f}" if name in side else "" for side in sides]
        money = [f"{prices.money(side)[name]:,.2f}" if name in prices.money(side) else "" for side in sides]
        price = f"{prices.prices[name]} per {UNITS[name]}" if name in prices.prices else "no price"
        yield f"| `{name}` | {' | '.join((*numbers, price, *money))} |"
    totals = [f"**{sum(prices.money(side).values()):,.2f}**" for side in sides]
    yield f"| **what has a price** | | | | {' | '.join(totals)} |"
