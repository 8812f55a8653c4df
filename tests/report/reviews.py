"""Three previews as a reviewer gets them: a small one, a risky one with 36 changes, one that is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from generator.report.comment import Heading, comment
from generator.report.results import Plan
from generator.review.quantities import Prices, difference, price_list
from generator.review.rights import Right, rights
from generator.stacks.change_set import KNOWN_AFTER_DEPLOYMENT, Change, PropertyChange
from generator.stacks.events import Finding
from generator.stacks.guard import refusals
from tests.review.changes import APP_RUNNER, LIST, TEMPLATES, deployment

IMAGE_URI = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/users-data-repository-8s5qk1:9f2b6c1d"
HEADING = Heading("users", "apprunner", "4f1c2d9")
EFFECTS: dict[str, dict[str, Any]] = {
    "loses-data": {
        "action": "Modify",
        "replacement": "True",
        "policy_action": "ReplaceAndDelete",
        "holds_data": True,
    },
    "replaces": {"action": "Modify", "replacement": "True", "policy_action": "ReplaceAndDelete"},
    "removes": {"action": "Remove", "policy_action": "Delete"},
    "unknown": {"action": "Dynamic"},
    "modifies": {"action": "Modify", "replacement": "False"},
    "adds": {"action": "Add"},
    "imports": {"action": "Import"},
}
"""The fields of a change with each effect; only what holds data loses data."""


@dataclass(frozen=True)
class Preview:
    """What a command shows: the plans, and what else a comment says."""

    plans: tuple[Plan, ...]
    heading: Heading = HEADING
    prices: Prices | None = None

    def comment(self, limit: int = 65_536) -> str:
        return comment(self.plans, self.heading, self.prices, limit)


def stack(layer: str, *changes: Change, **fields: Any) -> Plan:
    arn = f"arn:aws:cloudformation:eu-west-1:111122223333:stack/users-{layer}/51af3dc0"
    image = IMAGE_URI if layer == "apprunner" else ""
    return Plan(layer, f"users-{layer}", changes, **{"stack_id": arn, "image": image, **fields})


def changed(path: str, before: str | None, after: str | None, recreation: str = "", cause: str = "") -> PropertyChange:
    return PropertyChange(path, before, after, recreation, cause)


def change(
    logical_id: str, resource_type: str, effect: str, *properties: PropertyChange, physical_id: str = ""
) -> Change:
    return Change(
        logical_id=logical_id,
        resource_type=resource_type,
        physical_id=physical_id,
        properties=properties,
        **EFFECTS[effect],
    )


def alarm(name: str, *properties: PropertyChange) -> Change:
    return change(name, "AWS::CloudWatch::Alarm", "modifies", *properties)


ALARMS = ("AuthenticationFailuresAlarm", "CommandAuthorizationFailuresAlarm", "CpuAlarm", "MemoryUsageAlarm")
"""Of the data layer."""
BEFORE = '["subnet-0a1","subnet-0b2"]'
AFTER = '["subnet-0a1","subnet-0c3"]'
CLUSTER_NAME = "db-51af3dc0aa6e11f0"
NETWORK = {
    "InternetGateway": "InternetGateway",
    "InternetGatewayAttachment": "VPCGatewayAttachment",
    "PublicDefaultRoute": "Route",
    "PublicRouteTable": "RouteTable",
    "ServiceEndpoint": "VPCEndpoint",
    "ServiceEndpointIngress": "SecurityGroupIngress",
    "ServiceEndpointSecurityGroup": "SecurityGroup",
    **{f"NatAddress{zone}": "EIP" for zone in "AB"},
    **{f"NatGateway{zone}": "NatGateway" for zone in "AB"},
    **{f"PrivateDefaultRoute{zone}": "Route" for zone in "AB"},
    **{f"PublicRouteTableAssociation{zone}": "SubnetRouteTableAssociation" for zone in "AB"},
    **{f"PublicSubnet{zone}": "Subnet" for zone in "AB"},
}
"""What public subnets and NAT gateways add to the data layer, by logical ID."""
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ENCRYPTION = json.dumps({"EncryptionType": "KMS", "KmsKey": KEY})
IMAGE = "SourceConfiguration.ImageRepository.ImageIdentifier"
REPOSITORY = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/users-data-repository-8s5qk1@sha256:"

NEW_IMAGE = changed(IMAGE, f"{REPOSITORY}{'3b' * 32}", f"{REPOSITORY}{'9f' * 32}", cause="parameter ImageUri")
SERVICE_ARN = "arn:aws:apprunner:eu-west-1:111122223333:service/Service-p2zr/0c4e"
SMALL = Preview(
    (
        stack("data"),
        stack(
            "apprunner", change("Service", "AWS::AppRunner::Service", "modifies", NEW_IMAGE, physical_id=SERVICE_ARN)
        ),
    ),
)


def template(layer: str) -> dict[str, Any]:
    return dict(json.loads((TEMPLATES / f"{layer}-layer.json").read_text()))


def _document(layer: str, logical_id: str, change: Mapping[str, str]) -> tuple[PropertyChange, list[Right]]:
    """A role of a template with some texts in its policies replaced: the property, and what becomes of its rights."""
    properties = template(layer)["Resources"][logical_id]["Properties"]
    after = json.dumps(properties)
    for old, new in change.items():
        assert old in after
        after = after.replace(old, new)
    wanted = json.loads(after)
    path = next(name for name in properties if properties[name] != wanted[name])
    found = rights(logical_id, "AWS::IAM::Role", properties, wanted)
    return changed(path, json.dumps(properties[path]), json.dumps(wanted[path])), found


def _risky() -> Preview:
    policy, broader = _document("apprunner", "InstanceRole", {'"secretsmanager:GetSecretValue"': '"secretsmanager:*"'})
    opened = rights(
        "MemoryDbIngress",
        "AWS::EC2::SecurityGroupIngress",
        {"GroupId": "sg-0d1", "IpProtocol": "tcp", "FromPort": 6379, "ToPort": 6379, "CidrIp": "10.0.0.0/16"},
        {"GroupId": "sg-0d1", "IpProtocol": "tcp", "FromPort": 6379, "ToPort": 6379, "CidrIp": "0.0.0.0/0"},
    )
    topic = rights("AlarmTopicPolicy", "AWS::SNS::TopicPolicy", _properties("AlarmTopicPolicy"), None)
    dashboard = _properties("Dashboard")["DashboardBody"]["Fn::Sub"][0]
    compute = [
        change(
            "VpcConnector",
            "AWS::AppRunner::VpcConnector",
            "replaces",
            changed("Subnets", BEFORE, AFTER, "Always", "follows PrivateSubnetB"),
            physical_id="arn:aws:apprunner:eu-west-1:111122223333:vpcconnector/VpcConnector-x/1/0a",
        ),
        change("AlarmTopicPolicy", "AWS::SNS::TopicPolicy", "removes"),
        change(
            "Service",
            "AWS::AppRunner::Service",
            "modifies",
            NEW_IMAGE,
            changed("InstanceConfiguration.Memory", "2048", "4096", cause="parameter Memory"),
        ),
        change("InstanceRole", "AWS::IAM::Role", "modifies", policy),
        change(
            "MemoryDbIngress",
            "AWS::EC2::SecurityGroupIngress",
            "modifies",
            changed("CidrIp", "10.0.0.0/16", "0.0.0.0/0"),
        ),
        change(
            "Dashboard",
            "AWS::CloudWatch::Dashboard",
            "modifies",
            changed("DashboardBody", dashboard, dashboard.replace('"stat": "Sum"', '"stat": "Average"')),
        ),
        *(
            alarm(f"{name}Alarm", changed("AlarmDescription", "Look at the logs.", "Look at the logs first."))
            for name in ("InstanceMemory", "InstancesAtMaximum", "Latency", "ServerErrors")
        ),
    ]
    data = [
        change(
            "PrivateSubnetB",
            "AWS::EC2::Subnet",
            "replaces",
            changed("AvailabilityZoneId", "euw1-az2", "euw1-az3", "Always", "parameter ZoneIds"),
            physical_id="subnet-0b2",
        ),
        change(
            "Cluster",
            "AWS::MemoryDB::Cluster",
            "modifies",
            changed("NumShards", "1", "2", cause="parameter Shards"),
            physical_id=CLUSTER_NAME,
        ),
        *(alarm(name, changed("Threshold", "80", "90")) for name in ALARMS),
        *(change(name, f"AWS::EC2::{kind}", "adds") for name, kind in sorted(NETWORK.items())),
        *(change(f"OrdersTable{name}", "AWS::DynamoDB::Table", "adds") for name in ("ByDay", "ByUser", "Items")),
    ]
    way = rights(
        "PublicDefaultRoute", "AWS::EC2::Route", None, {"GatewayId": "igw-0e5", "DestinationCidrBlock": "0.0.0.0/0"}
    )
    own: dict[str, dict[str, Any]] = {
        **{f"NatAddress{zone}": {"Type": "AWS::EC2::EIP"} for zone in "AB"},
        **{f"NatGateway{zone}": {"Type": "AWS::EC2::NatGateway"} for zone in "AB"},
        "OrdersTableItems": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {"ProvisionedThroughput": {"ReadCapacityUnits": 10, "WriteCapacityUnits": 5}},
        },
    }
    before = deployment(*APP_RUNNER)
    after = {**deployment(*APP_RUNNER, Shards=2, Memory="4096"), **own}
    return Preview(
        (
            stack(
                "data",
                *data,
                billed=difference(before, after),
                rights=tuple(way),
                outputs=(changed("PrivateSubnetIds", "subnet-0a1,subnet-0b2", "subnet-0a1,subnet-0c3"),),
                findings=(
                    Finding(
                        "OrdersTableItems",
                        "SERVICE_QUOTA",
                        "the account's quota for tables is nearly used up (DynamoDB, 2,498 of 2,500).",
                        blocking=False,
                    ),
                ),
            ),
            stack("apprunner", *compute, rights=(*broader, *opened, *topic)),
        ),
        prices=price_list(LIST, "prices.json"),
    )


def _properties(logical_id: str, layer: str = "apprunner") -> dict[str, Any]:
    return dict(template(layer)["Resources"][logical_id]["Properties"])


RISKY = _risky()


def _refused() -> Preview:
    """What KmsKeyArn does to the data layer: what follows the cluster, and what its templates keep, as they have it."""
    cluster = change(
        "Cluster",
        "AWS::MemoryDB::Cluster",
        "loses-data",
        changed("KmsKeyId", None, KEY, "Always", "parameter KmsKeyArn"),
        changed("SnapshotRetentionLimit", "7", "14", cause="parameter SnapshotRetentionDays"),
        physical_id=CLUSTER_NAME,
    )
    repository = replace(
        change(
            "Repository",
            "AWS::ECR::Repository",
            "replaces",
            changed("EncryptionConfiguration", None, ENCRYPTION, "Always", "parameter KmsKeyArn"),
            physical_id="users-data-repository-8s5qk1",
        ),
        policy_action=f"ReplaceAnd{template('data')['Resources']['Repository']['UpdateReplacePolicy']}",
        holds_data=True,
    )
    follows = changed("Dimensions.ClusterName.Value", CLUSTER_NAME, KNOWN_AFTER_DEPLOYMENT, cause="follows Cluster")
    alarms = [alarm(name, follows) for name in ALARMS]
    key = changed("KmsKeyId", None, KEY, cause="parameter KmsKeyArn")
    secret = change("PasswordSecret", "AWS::SecretsManager::Secret", "modifies", key)
    changes = (cluster, repository, *alarms, secret)
    return Preview((stack("data", *changes, refusals=refusals(changes)), stack("apprunner")))


REFUSED = _refused()
REVIEWS = {"small": SMALL, "risky": RISKY, "refused": REFUSED}
