"""Three previews as a reviewer gets them: a small one, a risky one with 36 changes, one that is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from generator.review.comment import Property, Refused, Review, Row, Stack
from generator.review.quantities import difference, price_list
from generator.review.rights import Right, rights
from tests.review.changes import APP_RUNNER, LIST, TEMPLATES, deployment

FACTS = {
    "account": "111122223333",
    "Region": "eu-west-1",
    "commit": "4f1c2d9",
    "compute": "apprunner",
    "image": "111122223333.dkr.ecr.eu-west-1.amazonaws.com/users-data-repository-8s5qk1:9f2b6c1d",
}
SIDE_BY_SIDE = (
    "Deploy a second data stack with the new value, restored from a snapshot of this one (SnapshotName); move "
    "DataStackName of the compute stacks to it; destroy the old one."
)
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ENCRYPTION = json.dumps({"EncryptionType": "KMS", "KmsKey": KEY})
IMAGE = "SourceConfiguration.ImageRepository.ImageIdentifier"
REPOSITORY = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/users-data-repository-8s5qk1@sha256:"

SMALL = Review(
    "users",
    FACTS,
    (
        Stack("users-data"),
        Stack(
            "users-apprunner",
            (
                Row(
                    "Service",
                    "AWS::AppRunner::Service",
                    "modifies",
                    physical_id="arn:aws:apprunner:eu-west-1:111122223333:service/Service-p2zr/0c4e",
                    properties=(
                        Property(
                            IMAGE, f"{REPOSITORY}{'3b' * 32}", f"{REPOSITORY}{'9f' * 32}", cause="parameter ImageUri"
                        ),
                    ),
                ),
            ),
        ),
    ),
)


def template(layer: str) -> dict[str, Any]:
    return dict(json.loads((TEMPLATES / f"{layer}-layer.json").read_text()))


def _document(layer: str, logical_id: str, change: Mapping[str, str]) -> tuple[Property, list[Right]]:
    """A role of a template with some texts in its policies replaced: the property, and what becomes of its rights."""
    properties = template(layer)["Resources"][logical_id]["Properties"]
    after = json.dumps(properties)
    for old, new in change.items():
        assert old in after
        after = after.replace(old, new)
    changed = json.loads(after)
    path = next(name for name in properties if properties[name] != changed[name])
    found = rights(logical_id, "AWS::IAM::Role", properties, changed)
    return Property(path, json.dumps(properties[path]), json.dumps(changed[path])), found


def _risky() -> Review:
    policy, broader = _document("apprunner", "InstanceRole", {'"secretsmanager:GetSecretValue"': '"secretsmanager:*"'})
    opened = rights(
        "MemoryDbIngress",
        "AWS::EC2::SecurityGroupIngress",
        {"GroupId": "sg-0d1", "IpProtocol": "tcp", "FromPort": 6379, "ToPort": 6379, "CidrIp": "10.0.0.0/16"},
        {"GroupId": "sg-0d1", "IpProtocol": "tcp", "FromPort": 6379, "ToPort": 6379, "CidrIp": "0.0.0.0/0"},
    )
    topic = rights("AlarmTopicPolicy", "AWS::SNS::TopicPolicy", _properties("AlarmTopicPolicy"), None)
    dashboard = _properties("Dashboard")["DashboardBody"]["Fn::Sub"][0]
    description = "AlarmDescription"
    compute = [
        Row(
            "VpcConnector",
            "AWS::AppRunner::VpcConnector",
            "replaces",
            "is replaced, the old one is deleted",
            "arn:aws:apprunner:eu-west-1:111122223333:vpcconnector/VpcConnector-x/1/0a",
            (
                Property(
                    "Subnets",
                    '["subnet-0a1","subnet-0b2"]',
                    '["subnet-0a1","subnet-0c3"]',
                    "Always",
                    "follows PrivateSubnetB",
                ),
            ),
        ),
        Row("AlarmTopicPolicy", "AWS::SNS::TopicPolicy", "removes", "is deleted"),
        Row(
            "Service",
            "AWS::AppRunner::Service",
            "modifies",
            properties=(
                Property(IMAGE, f"{REPOSITORY}{'3b' * 32}", f"{REPOSITORY}{'9f' * 32}", cause="parameter ImageUri"),
                Property("InstanceConfiguration.Memory", "2048", "4096", cause="parameter Memory"),
            ),
        ),
        Row("InstanceRole", "AWS::IAM::Role", "modifies", properties=(policy,)),
        Row(
            "MemoryDbIngress",
            "AWS::EC2::SecurityGroupIngress",
            "modifies",
            properties=(Property("CidrIp", "10.0.0.0/16", "0.0.0.0/0"),),
        ),
        Row(
            "Dashboard",
            "AWS::CloudWatch::Dashboard",
            "modifies",
            properties=(Property("DashboardBody", dashboard, dashboard.replace('"stat": "Sum"', '"stat": "Average"')),),
        ),
        *(
            Row(
                name,
                "AWS::CloudWatch::Alarm",
                "modifies",
                properties=(Property(description, "Look at the logs.", "Look at the logs first."),),
            )
            for name in ("InstanceMemoryAlarm", "InstancesAtMaximumAlarm", "LatencyAlarm", "ServerErrorsAlarm")
        ),
    ]
    data = [
        Row(
            "PrivateSubnetB",
            "AWS::EC2::Subnet",
            "replaces",
            "is replaced, the old one is deleted",
            "subnet-0b2",
            (Property("AvailabilityZoneId", "euw1-az2", "euw1-az3", "Always", "parameter ZoneIds"),),
        ),
        Row(
            "Cluster",
            "AWS::MemoryDB::Cluster",
            "modifies",
            physical_id="db-51af3dc0aa6e11f0",
            properties=(Property("NumShards", "1", "2", cause="parameter Shards"),),
        ),
        *(
            Row(name, "AWS::CloudWatch::Alarm", "modifies", properties=(Property("Threshold", "80", "90"),))
            for name in (
                "AuthenticationFailuresAlarm",
                "CommandAuthorizationFailuresAlarm",
                "EngineCpuAlarm",
                "MemoryUsageAlarm",
            )
        ),
        *(
            Row(name, f"AWS::EC2::{kind}", "adds")
            for name, kind in (
                ("InternetGateway", "InternetGateway"),
                ("InternetGatewayAttachment", "VPCGatewayAttachment"),
                ("NatAddressA", "EIP"),
                ("NatAddressB", "EIP"),
                ("NatGatewayA", "NatGateway"),
                ("NatGatewayB", "NatGateway"),
                ("PrivateDefaultRouteA", "Route"),
                ("PrivateDefaultRouteB", "Route"),
                ("PublicDefaultRoute", "Route"),
                ("PublicRouteTable", "RouteTable"),
                ("PublicRouteTableAssociationA", "SubnetRouteTableAssociation"),
                ("PublicRouteTableAssociationB", "SubnetRouteTableAssociation"),
                ("PublicSubnetA", "Subnet"),
                ("PublicSubnetB", "Subnet"),
                ("ServiceEndpoint", "VPCEndpoint"),
                ("ServiceEndpointIngress", "SecurityGroupIngress"),
                ("ServiceEndpointSecurityGroup", "SecurityGroup"),
            )
        ),
        *(Row(f"OrdersTable{name}", "AWS::DynamoDB::Table", "adds") for name in ("ByDay", "ByUser", "Items")),
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
    return Review(
        "users",
        FACTS,
        (
            Stack(
                "users-data",
                tuple(data),
                rights=tuple(way),
                outputs=(Property("PrivateSubnetIds", "subnet-0a1,subnet-0b2", "subnet-0a1,subnet-0c3"),),
                warnings=(
                    "OrdersTableItems: the account's quota for tables is nearly used up (DynamoDB, 2,498 of 2,500).",
                ),
            ),
            Stack("users-apprunner", tuple(compute), rights=(*broader, *opened, *topic)),
        ),
        difference(before, after),
        price_list(LIST, "prices.json"),
    )


def _properties(logical_id: str, layer: str = "apprunner") -> dict[str, Any]:
    return dict(template(layer)["Resources"][logical_id]["Properties"])


RISKY = _risky()
REFUSED = Review(
    "users",
    FACTS,
    (
        Stack(
            "users-data",
            (
                Row(
                    "Cluster",
                    "AWS::MemoryDB::Cluster",
                    "loses-data",
                    "is replaced, the old one is deleted",
                    "db-51af3dc0aa6e11f0",
                    (
                        Property("KmsKeyId", None, KEY, "Always", "parameter KmsKeyArn"),
                        Property("SnapshotRetentionLimit", "7", "14", cause="parameter SnapshotRetentionDays"),
                    ),
                ),
                Row(
                    "Repository",
                    "AWS::ECR::Repository",
                    "loses-data",
                    "is replaced, the old one is deleted",
                    "users-data-repository-8s5qk1",
                    (Property("EncryptionConfiguration", None, ENCRYPTION, "Always", "parameter KmsKeyArn"),),
                ),
                Row(
                    "PasswordSecret",
                    "AWS::SecretsManager::Secret",
                    "modifies",
                    properties=(Property("KmsKeyId", None, KEY, cause="parameter KmsKeyArn"),),
                ),
            ),
            (
                Refused("Cluster", "replaces the database", "KmsKeyId", SIDE_BY_SIDE, "--allow-replacement Cluster"),
                Refused(
                    "Repository",
                    "replaces the images",
                    "EncryptionConfiguration",
                    "Deploy a second data stack with the new value; move DataStackName of the compute stacks to it, "
                    "which pushes their images there; destroy the old one.",
                    "--allow-replacement Repository",
                ),
            ),
        ),
        Stack("users-apprunner", note="cannot be previewed before the data stack is deployed."),
    ),
)

REVIEWS = {"small": SMALL, "risky": RISKY, "refused": REFUSED}
