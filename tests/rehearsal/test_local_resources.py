"""Local resources for those that exported stacks name, and values for what an export does not have."""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import pytest

from generator.errors import UsageError
from generator.layers import Deployment, Layer, app_runner_deployment
from generator.operations import ExportedStack
from rehearsal.before import given, of_export
from rehearsal.emulator.process import ACCOUNT, REGION, Emulator
from rehearsal.local_resources import LocalResources

THEIRS = "999988887777"
SECRET = f"arn:aws:secretsmanager:us-east-1:{THEIRS}:secret:team/orders-AbCdEf"


def test_the_same_id_is_the_same_resource_wherever_it_is(aws: Emulator) -> None:
    local_resources = LocalResources()
    one = local_resources.of("subnet-0a1b2c3d4e5f60718,subnet-0b1c2d3e4f5061728")
    template = local_resources.in_template(
        {
            "Description": "Such as subnet-0a1b2c3d4e5f60718.",
            "Parameters": {"Subnet": {"Type": "String", "Default": "subnet-0b1c2d3e4f5061728"}},
            "Resources": {"Group": {"Properties": {"SubnetIds": ["subnet-0a1b2c3d4e5f60718", {"Ref": "Subnet"}]}}},
        }
    )
    first, second = one.split(",")
    assert template["Resources"]["Group"]["Properties"]["SubnetIds"] == [first, {"Ref": "Subnet"}]
    assert template["Parameters"]["Subnet"]["Default"] == second
    assert template["Description"] == "Such as subnet-0a1b2c3d4e5f60718."
    found = boto3.client("ec2").describe_subnets(SubnetIds=[first, second])["Subnets"]
    assert len({subnet["CidrBlock"] for subnet in found}) == 2
    assert len({subnet["AvailabilityZone"] for subnet in found}) == 2
    assert local_resources.of(one) == one


@pytest.mark.parametrize(
    ("arn", "pattern"),
    [
        (SECRET, rf"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:secret-team-orders-AbCdEf-\w+"),
        (f"arn:aws:iam::{THEIRS}:role/team/worker", rf"arn:aws:iam::{ACCOUNT}:role/role-team-worker"),
        (f"arn:aws:iam::{THEIRS}:policy/boundary", rf"arn:aws:iam::{ACCOUNT}:policy/policy-boundary"),
        (f"arn:aws:sns:us-east-1:{THEIRS}:alarms", rf"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"),
        (f"arn:aws:kms:us-east-1:{THEIRS}:key/{'0' * 8}-0000", rf"arn:aws:kms:{REGION}:{ACCOUNT}:key/\S+"),
        (f"arn:aws:acm:us-east-1:{THEIRS}:certificate/1-2", rf"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/\S+"),
        (
            f"arn:aws:wafv2:us-east-1:{THEIRS}:regional/webacl/a/1-2",
            rf"arn:aws:wafv2:{REGION}:{ACCOUNT}:regional/webacl/\S+",
        ),
        (
            f"arn:aws:lambda:us-east-1:{THEIRS}:function:ledger",
            rf"arn:aws:lambda:{REGION}:{ACCOUNT}:function:\S+ledger",
        ),
        ("arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:all", rf"arn:aws:sns:{REGION}:{ACCOUNT}:all"),
        # Nothing is created for these.
        (
            f"arn:aws:secretsmanager:us-east-1:{THEIRS}:secret:a/*",
            rf"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:a/\*",
        ),
        (f"arn:aws:sqs:us-east-1:{THEIRS}:orders", rf"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
    ],
)
def test_an_arn_becomes_one_of_its_kind(aws: Emulator, arn: str, pattern: str) -> None:
    assert re.fullmatch(pattern, LocalResources().of(arn))


@pytest.mark.parametrize(
    "arn",
    [
        "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:orders",
        "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/ecs.amazonaws.com/*",
        "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/team-${Name}",
    ],
)
def test_an_arn_of_whatever_account_the_stack_is_in_stays(arn: str) -> None:
    local_resources = LocalResources()
    assert local_resources.of(arn) == arn
    assert local_resources.notes == []


def test_a_parameter_without_a_value_gets_an_id_where_its_type_is_one(aws: Emulator) -> None:
    types = {
        "Vpc": "AWS::EC2::VPC::Id",
        "Subnets": "List<AWS::EC2::Subnet::Id>",
        "Group": "AWS::EC2::SecurityGroup::Id",
    }
    declared: dict[str, Any] = {name: {"Type": kind} for name, kind in types.items()}
    declared |= {"Owner": {"Type": "String"}, "Other": {"Type": "AWS::EC2::VPC::Id", "Default": ""}}
    layers = tuple(given(Layer(name, "", ()), json.dumps({"Parameters": declared})) for name in ("one", "two"))
    local_resources = LocalResources()
    values = local_resources.parameters(Deployment("any", layers), {"one.Vpc": "vpc-1"}, ["two.Group"])
    assert sorted(values) == ["one.Group", "one.Subnets", "one.Vpc", "two.Subnets", "two.Vpc"]
    assert (values["one.Vpc"], values["one.Subnets"]) == ("vpc-1", values["two.Subnets"])
    found = boto3.client("ec2").describe_subnets(SubnetIds=values["one.Subnets"].split(","))["Subnets"]
    assert {subnet["VpcId"] for subnet in found} == {values["two.Vpc"]}
    assert f"Vpc has no value: {values['two.Vpc']} was created for it." in local_resources.notes


def test_what_is_known_is_replaced_as_a_whole_word() -> None:
    local = LocalResources({"users-data": "rehearsal-data"})
    assert local.of("users-data, users-data-2, my-users-data") == "rehearsal-data, users-data-2, my-users-data"


def stack(**fields: Any) -> ExportedStack:
    return ExportedStack(**{"layer": "data", "name": "users-data", "template": {"Resources": {}}, **fields})


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ({}, "MadeUp0MadeUp0MadeUp"),
        ({"MinLength": 30}, "MadeUp0MadeUp0MadeUp0MadeUp0Ma"),
        ({"MaxLength": "4"}, "Made"),
        ({"AllowedValues": ["a", "b"]}, "a"),
        ({"Type": "Number", "MinValue": 5}, "5"),
    ],
)
def test_a_value_that_was_withheld_is_made_up(declared: dict[str, Any], value: str) -> None:
    template = {"Parameters": {"Word": {"Type": "String", "NoEcho": True, **declared}}, "Resources": {}}
    before = of_export(app_runner_deployment(), [stack(template=template, withheld=("Word",))], "it")
    assert before.parameters == {"data.Word": value}
    assert "data.Word is made up: its value was not exported." in before.notes


def test_what_a_rehearsal_cannot_have_is_replaced_and_noted() -> None:
    (data, *_) = app_runner_deployment().layers
    given = {"Authentication": "iam", "SnapshotName": "final-1", "NodeType": "db.t4g.small"}
    before = of_export(app_runner_deployment(), [stack(template=data.template, parameters=given)], "it")
    assert before.parameters == {
        "data.Authentication": "password",
        "data.SnapshotName": "",
        "data.NodeType": "db.t4g.small",
    }
    assert before.notes == (
        "The layer apprunner is new.",
        "data.Authentication is password, because the cluster here checks no IAM tokens.",
        "data.SnapshotName is empty, because the snapshot is not here.",
    )


@pytest.mark.parametrize(
    ("value", "here"),
    [
        ("use1-az1,use1-az2", ""),
        ("us-east-1a", ""),
        ("euw1-az1,euw1-az3", "euw1-az1,euw1-az3"),
        ("eu-west-1b", "eu-west-1b"),
    ],
)
def test_zones_of_another_region_are_left_out(value: str, here: str) -> None:
    template = {"Parameters": {"ZoneIds": {"Type": "CommaDelimitedList", "Default": ""}}, "Resources": {}}
    exported = [stack(template=template, parameters={"ZoneIds": value})]
    assert of_export(app_runner_deployment(), exported, "it").parameters == {"data.ZoneIds": here}


def test_an_export_of_another_deployment_is_refused() -> None:
    other = Deployment("shop", (Layer("storage", "", ()),))
    with pytest.raises(UsageError, match=r"it has the layers data, and the deployment shop has storage\. Pass --dep"):
        of_export(other, [stack()], "it")


def test_a_given_template_is_the_layers_own() -> None:
    (data, *_) = app_runner_deployment().layers
    before = of_export(app_runner_deployment(), [stack(template=data.template)], "it")
    (layer,) = before.deployment.layers
    assert (layer.template, layer.exports) == (json.loads(data.text()), data.exports)
