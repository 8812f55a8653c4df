"""What resources bill: quantities from their properties, their difference, and money per month with a price list.

A quantity is what stands there while nothing is used. What a type bills by usage is named, not counted; of a type that
is not listed here, nothing is known, and the answer says so.

Facts: each service's pricing page, for what it bills; the CloudFormation page of each type, for defaults. Prices are
never here: they come from a file (docs/prices.schema.json).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from generator.errors import UsageError

HOURS = 730
"""Hours of a month."""

Properties = Mapping[str, Any]
Resources = Mapping[str, Mapping[str, Any]]
"""As in a template: logical ID to a mapping with Type and Properties."""

HOURLY = (
    *("apprunner-memory-gb", "dynamodb-read-unit", "dynamodb-write-unit", "ec2-instance", "eks-cluster"),
    *("elasticache-node", "fargate-memory-gb", "fargate-vcpu", "interface-endpoint", "kinesis-shard", "load-balancer"),
    *("memorydb-node", "nat-gateway", "opensearch-node", "public-ipv4", "rds-instance", "redshift-node"),
)
MONTHLY = (
    *("alarm", "dashboard", "ebs-gb", "hosted-zone", "kms-key", "rds-storage-gb", "secret", "web-acl", "web-acl-rule"),
)
UNITS = dict(sorted((dict.fromkeys(HOURLY, "hour") | dict.fromkeys(MONTHLY, "month")).items()))
"""Quantities and what one is billed by. Of nodes and instances the type follows: `memorydb-node:db.t4g.small`."""

# Types that bill nothing themselves, by the beginnings of their names.
FREE = re.compile(
    "AWS::("
    "AppRunner::(AutoScaling|Vpc)|ApplicationAutoScaling::|CloudFormation::|"
    "EC2::(InternetGateway|LaunchTemplate|NetworkAcl|Route|Security|Subnet|VPCCidr|VPCGateway)|ECS::(Cluster|TaskDef)|"
    "ElastiCache::(SubnetGroup|User)|ElasticLoadBalancingV2::(Listener|TargetGroup)|IAM::|KMS::Alias|"
    "Lambda::Permission|MemoryDB::(ACL|ParameterGroup|SubnetGroup|User)|RDS::DBSubnetGroup|S3::BucketPolicy|"
    "SNS::(Subscription|TopicPolicy)|SQS::QueuePolicy|SecretsManager::ResourcePolicy|WAFv2::WebACLAssociation)"
)
USAGE = {
    "AppRunner::Service": "vCPUs while serving requests",
    "CloudFront::Distribution": "requests and transfer",
    "DynamoDB::Table": "storage, and requests unless provisioned",
    "EC2::FlowLog": "GB of logs taken in",
    "EC2::Instance": "volumes and transfer",
    "EC2::NatGateway": "GB processed",
    "EC2::VPCEndpoint": "GB processed",
    "ECR::Repository": "GB of images kept",
    "ECS::ExpressGatewayService": "tasks above the minimum; a load balancer, shared by the Express services of the VPC",
    "ElasticLoadBalancingV2::LoadBalancer": "capacity units",
    "Events::Rule": "events",
    "Lambda::Function": "requests and duration",
    "Logs::LogGroup": "GB taken in, and GB kept",
    "MemoryDB::Cluster": "GB written, and snapshots beyond the free allowance",
    "RDS::DBCluster": "storage and requests",
    "S3::Bucket": "storage and requests",
    "SNS::Topic": "messages",
    "SQS::Queue": "requests",
    "StepFunctions::StateMachine": "transitions",
}
"""What a type bills by usage, which depends on no property."""


@dataclass(frozen=True)
class Billed:
    """What some resources bill: quantities while idle; by logical ID, what depends on usage and what is not known."""

    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    usage: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)


def billed(resources: Resources) -> Billed:
    """What resources bill together. Values are to be resolved; one that is not makes its quantity unknown."""
    known: list[tuple[str, Decimal]] = []
    usage: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for logical_id, resource in resources.items():
        resource_type, properties = resource["Type"], resource.get("Properties", {})
        name = resource_type.removeprefix("AWS::")
        try:
            bill = list(BILLS.get(name, _nothing)(properties, resources))
        except (AttributeError, TypeError):
            # A reference or an intrinsic function in place of properties.
            bill = [("its quantities", UNKNOWN)]
        doubtful = [(quantity, number) for quantity, number in bill if number.is_nan() or "?" in quantity]
        known += (pair for pair in bill if pair not in doubtful)
        if text := _usage(name, properties):
            usage[logical_id] = text
        elif name not in BILLS and not FREE.match(resource_type):
            unknown[logical_id] = f"nothing is known of what {resource_type} bills"
        if doubtful:
            unknown[logical_id] = f"{', '.join(quantity for quantity, _ in doubtful)}: not known before the deployment"
    return Billed(_sums(known), usage, unknown)


def _usage(name: str, properties: Properties) -> str:
    if name == "EC2::VPCEndpoint" and properties.get("VpcEndpointType") != "Interface":
        return ""
    days = properties.get("RetentionInDays")
    kept = (f" for {days} days" if days else " forever") if name == "Logs::LogGroup" else ""
    return USAGE.get(name, "") + kept


def difference(before: Resources, after: Resources) -> Billed:
    """What a change adds, and, below zero, removes. Of usage and the unknown it has what is new, other, or goes."""
    old, new = billed(before), billed(after)
    removed = [(name, -number) for name, number in old.quantities.items()]
    return Billed(
        _sums([*new.quantities.items(), *removed]),
        _changed(old.usage, new.usage),
        dict(sorted({**_changed(old.unknown, new.unknown), **new.unknown}.items())),
    )


def total(several: Iterable[Billed]) -> Billed:
    """The sum of several."""
    parts = list(several)
    return Billed(
        _sums(pair for each in parts for pair in each.quantities.items()),
        {name: text for each in parts for name, text in each.usage.items()},
        {name: text for each in parts for name, text in each.unknown.items()},
    )


def _sums(pairs: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for name, number in pairs:
        found[name] += number
    return {name: number for name, number in sorted(found.items()) if number}


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    texts = {name: (old.get(name), new.get(name)) for name in sorted({*old, *new})}
    return {
        name: f"{now} (was: {was})" if was and now else now or f"no longer: {was}"
        for name, (was, now) in texts.items()
        if was != now
    }


@dataclass(frozen=True)
class Prices:
    """A price list: the price of one of each quantity, per its unit, in one Region on one date."""

    region: str
    currency: str
    date: str
    prices: Mapping[str, Decimal]

    def money(self, quantities: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """Money per month of each quantity that has a price."""
        return {
            name: number * self.prices[name] * (HOURS if UNITS[name.partition(":")[0]] == "hour" else 1)
            for name, number in quantities.items()
            if name in self.prices
        }


def price_list(text: str, file: str) -> Prices:
    """A price list from JSON; UsageError says what is wrong with it."""
    try:
        document = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        prices = {name: Decimal(price) for name, price in document["prices"].items()}
        found = Prices(str(document["region"]), str(document["currency"]), str(document["date"]), prices)
    except (AttributeError, InvalidOperation, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{file} is not a price list ({type(error).__name__}: {error}). See docs/cost.md.") from error
    for name, price in prices.items():
        if name.partition(":")[0] not in UNITS or not price.is_finite() or price < 0:
            raise UsageError(f"{file}: {name}: {price} is not the price of a quantity. See docs/cost.md.")
    return found


Bill = Iterable[tuple[str, Decimal]]
BillOf = Callable[[Properties, Resources], Bill]
UNKNOWN = Decimal("NaN")
"""A number that is not known before the deployment, and what is calculated with it."""


def _number(value: Any) -> Decimal:
    """A number, also as text; UNKNOWN if it is a reference."""
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return UNKNOWN


def _typed(name: str, value: Any) -> str:
    return f"{name}:{value if isinstance(value, str) and '{{' not in value else '?'}"


def _units(value: Any, unit: str) -> Decimal:
    """vCPUs or GB, which are written as such ("1 vCPU", "2 GB") or as their 1024ths."""
    if isinstance(value, str) and value.lower().endswith(unit.lower()):
        return _number(value[: -len(unit)].strip())
    return _number(value) / 1024


def _referred(value: Any, resources: Resources) -> Properties | None:
    """The properties of the resource that a value refers to, if it is among these."""
    match value:
        case {"Ref": str() as name} | {"Fn::GetAtt": [str() as name, _]} if name in resources:
            return dict(resources[name].get("Properties", {}))
    return None


def _nothing(properties: Properties, resources: Resources) -> Bill:
    return ()


def _count(quantity: str, number: str = "", default: Any = 1, *, kind: str = "", usually: str = "?") -> BillOf:
    """One, or as many as the property `number` says; of the type that the property `kind` says."""

    def bill(properties: Properties, resources: Resources) -> Bill:
        name = _typed(quantity, properties.get(kind, usually)) if kind else quantity
        yield name, _number(properties.get(number, default))

    return bill


def _app_runner(properties: Properties, resources: Resources) -> Bill:
    scaling = properties.get("AutoScalingConfigurationArn")
    configuration: Properties | None = {} if scaling is None else _referred(scaling, resources)
    instances = UNKNOWN if configuration is None else _number(configuration.get("MinSize", 1))
    memory = _units(properties.get("InstanceConfiguration", {}).get("Memory", "2 GB"), "GB")
    yield "apprunner-memory-gb", memory * instances


def _tasks(task: Properties, number: Any) -> Bill:
    yield "fargate-vcpu", _units(task.get("Cpu"), "vCPU") * _number(number)
    yield "fargate-memory-gb", _units(task.get("Memory"), "GB") * _number(number)


def _ecs_express(properties: Properties, resources: Resources) -> Bill:
    return _tasks(properties, properties.get("ScalingTarget", {}).get("MinTaskCount", 1))


def _ecs_service(properties: Properties, resources: Resources) -> Bill:
    if properties.get("LaunchType") == "EC2":
        return ()
    return _tasks(_referred(properties.get("TaskDefinition"), resources) or {}, properties.get("DesiredCount", 1))


def _dynamodb(properties: Properties, resources: Resources) -> Bill:
    if properties.get("BillingMode") != "PAY_PER_REQUEST":
        for table in (properties, *properties.get("GlobalSecondaryIndexes", ())):
            provisioned = table.get("ProvisionedThroughput", {})
            yield "dynamodb-read-unit", _number(provisioned.get("ReadCapacityUnits"))
            yield "dynamodb-write-unit", _number(provisioned.get("WriteCapacityUnits"))


def _alarm(properties: Properties, resources: Resources) -> Bill:
    # An alarm on a metric-math expression is billed for each of its metrics.
    yield "alarm", Decimal(sum("MetricStat" in metric for metric in properties.get("Metrics", ())) or 1)


def _endpoint(properties: Properties, resources: Resources) -> Bill:
    if properties.get("VpcEndpointType") == "Interface":
        subnets = properties.get("SubnetIds")
        yield "interface-endpoint", Decimal(len(subnets)) if isinstance(subnets, list) else UNKNOWN


def _replication_group(properties: Properties, resources: Resources) -> Bill:
    nodes = _number(properties.get("NumNodeGroups", 1)) * (_number(properties.get("ReplicasPerNodeGroup", 0)) + 1)
    number = _number(properties["NumCacheClusters"]) if "NumCacheClusters" in properties else nodes
    yield _typed("elasticache-node", properties.get("CacheNodeType")), number


def _memorydb(properties: Properties, resources: Resources) -> Bill:
    number = _number(properties.get("NumShards", 1)) * (_number(properties.get("NumReplicasPerShard", 1)) + 1)
    yield _typed("memorydb-node", properties.get("NodeType")), number


def _rds(properties: Properties, resources: Resources) -> Bill:
    zones = Decimal(2 if str(properties.get("MultiAZ", False)).lower() == "true" else 1)
    yield _typed("rds-instance", properties.get("DBInstanceClass")), zones
    if "AllocatedStorage" in properties:
        yield "rds-storage-gb", _number(properties["AllocatedStorage"]) * zones


def _opensearch(properties: Properties, resources: Resources) -> Bill:
    return _count("opensearch-node", "InstanceCount", kind="InstanceType")(
        properties.get("ClusterConfig", {}), resources
    )


def _web_acl(properties: Properties, resources: Resources) -> Bill:
    yield "web-acl", Decimal(1)
    yield "web-acl-rule", Decimal(len(properties.get("Rules", ())))


BILLS: dict[str, BillOf] = {
    "AppRunner::Service": _app_runner,
    "CloudWatch::Alarm": _alarm,
    "CloudWatch::Dashboard": _count("dashboard"),
    "DynamoDB::Table": _dynamodb,
    "EC2::EIP": _count("public-ipv4"),
    "EC2::Instance": _count("ec2-instance", kind="InstanceType"),
    "EC2::NatGateway": _count("nat-gateway"),
    "EC2::VPC": _nothing,
    "EC2::VPCEndpoint": _endpoint,
    "EC2::Volume": _count("ebs-gb", "Size", None),
    "ECS::ExpressGatewayService": _ecs_express,
    "ECS::Service": _ecs_service,
    "EKS::Cluster": _count("eks-cluster"),
    "ElastiCache::CacheCluster": _count("elasticache-node", "NumCacheNodes", None, kind="CacheNodeType"),
    "ElastiCache::ReplicationGroup": _replication_group,
    "ElasticLoadBalancingV2::LoadBalancer": _count("load-balancer", kind="Type", usually="application"),
    "KMS::Key": _count("kms-key"),
    "Kinesis::Stream": _count("kinesis-shard", "ShardCount", 0),
    "MemoryDB::Cluster": _memorydb,
    "OpenSearchService::Domain": _opensearch,
    "RDS::DBInstance": _rds,
    "Redshift::Cluster": _count("redshift-node", "NumberOfNodes", kind="NodeType"),
    "Route53::HostedZone": _count("hosted-zone"),
    "SecretsManager::Secret": _count("secret"),
    "WAFv2::WebACL": _web_acl,
}
