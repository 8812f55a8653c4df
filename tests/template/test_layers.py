"""What must hold for the templates of every `Settings`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator import contract
from generator.layers import ecs_express_deployment
from generator.parts.network.subnets import Kind, block
from generator.regions import ECS_REGIONS, ECS_ZONE_IDS, REGIONS, ZONE_IDS
from generator.settings import Settings
from tests.layers import SHAPES, every_layer, every_shape, every_template
from tests.templates import imported, references, resources, statements, unresolved

NOWHERE = "255.255.255.255/32"
DATA, APP_RUNNER, ECS_DATA, ECS = EVERY = every_template()


def exports(template: dict[str, Any]) -> set[str]:
    return {
        output["Export"]["Name"]["Fn::Sub"].replace("${AWS::StackName}", "${DataStackName}")
        for output in template["Outputs"].values()
        if "Export" in output
    }


@every_shape
def test_every_reference_resolves_and_every_import_is_exported(settings: Settings) -> None:
    data, app_runner, for_tasks, ecs = every_template(settings)
    for below, above in ((data, app_runner), (for_tasks, ecs)):
        assert unresolved(below, set()) == []
        assert unresolved(above, exports(below)) == []


@every_shape
def test_every_parameter_condition_and_mapping_is_used(settings: Settings) -> None:
    for template in every_template(settings):
        used = {(reference.kind, reference.name) for reference in references(template)}
        assert {("Ref", name) for name in template["Parameters"]} <= used
        assert {("Condition", name) for name in template["Conditions"]} <= used
        assert set(template.get("Mappings", {})) <= {name.partition(".")[0] for kind, name in used if kind == "Mapping"}


@given(address=st.ip_addresses(v=4, network="10.0.0.0/8"), length=st.integers(16, 24))
def test_blocks_are_disjoint_and_inside_the_vpc(address: IPv4Address, length: int) -> None:
    vpc = IPv4Network((address, length), strict=False)
    blocks = [IPv4Network(block(str(vpc), kind, letter)) for kind in get_args(Kind) for letter in "ABC"]
    assert all(each.subnet_of(vpc) and each.prefixlen <= 28 for each in blocks)
    assert not any(one.overlaps(other) for one, other in combinations(blocks, 2))


@every_shape
def test_a_subnet_has_its_block_whatever_the_zones_nat_and_endpoints(settings: Settings) -> None:
    data, _, for_tasks, _ = every_template(settings)
    zones = "ABC"[: settings.zones]
    private = {f"PrivateSubnet{letter}": block(settings.vpc_cidr, "Private", letter) for letter in zones}
    public = {f"PublicSubnet{letter}": block(settings.vpc_cidr, "Public", letter) for letter in zones}
    for template, endpoints in ((data, settings.task_endpoints != "none"), (for_tasks, True)):
        has_public = settings.nat != "none" or (endpoints and not settings.private_ingress)
        found = {name: subnet["CidrBlock"] for name, subnet in resources(template, "AWS::EC2::Subnet").items()}
        assert found == (private | public if has_public else private)
        assert not any(subnet["MapPublicIpOnLaunch"] for subnet in resources(template, "AWS::EC2::Subnet").values())


@every_shape
def test_there_is_a_way_out_only_where_the_settings_ask_for_one(settings: Settings) -> None:
    data = every_template(settings)[0]
    gateways = {"none": 0, "one": 1, "per-zone": settings.zones}[settings.nat]
    public = settings.nat != "none" or (settings.task_endpoints != "none" and not settings.private_ingress)
    assert {
        kind: len(resources(data, f"AWS::EC2::{kind}"))
        for kind in ("InternetGateway", "NatGateway", "EIP", "VPCGatewayAttachment")
    } == {"InternetGateway": public, "VPCGatewayAttachment": public, "NatGateway": gateways, "EIP": gateways}


@every_shape
def test_only_the_compute_stacks_own_group_reaches_memorydb(settings: Settings) -> None:
    data, app_runner, *_ = every_template(settings)
    assert resources(data, "AWS::EC2::SecurityGroupIngress") == {}
    for group in resources(data, "AWS::EC2::SecurityGroup").values():
        assert [rule["CidrIp"] for rule in group["SecurityGroupEgress"]] == [NOWHERE]
    memorydb = imported("MemoryDbSecurityGroupId")
    rules = resources(app_runner, "AWS::EC2::SecurityGroupIngress").values()
    assert [rule for rule in rules if rule["GroupId"] == memorydb] == [
        {
            "Description": {"Fn::Sub": "App Runner, stack ${AWS::StackName}"},
            "FromPort": 6379,
            "GroupId": memorydb,
            "IpProtocol": "tcp",
            "SourceSecurityGroupId": {"Fn::GetAtt": ["ConnectorSecurityGroup", "GroupId"]},
            "ToPort": 6379,
        }
    ]


@every_shape
def test_security_groups_name_each_other_and_nothing_else(settings: Settings) -> None:
    rules = []
    for template in every_template(settings)[:2]:
        for group in resources(template, "AWS::EC2::SecurityGroup").values():
            assert "SecurityGroupIngress" not in group
            assert group["SecurityGroupEgress"], "without a rule, everything may go out"
            rules += group["SecurityGroupEgress"]
        rules += resources(template, "AWS::EC2::SecurityGroupIngress").values()
        rules += resources(template, "AWS::EC2::SecurityGroupEgress").values()
    to_addresses = [rule for rule in rules if "CidrIp" in rule and rule["CidrIp"] != NOWHERE]
    through_nat = {
        "CidrIp": "0.0.0.0/0",
        "Description": "HTTPS through NAT",
        "FromPort": 443,
        "IpProtocol": "tcp",
        "ToPort": 443,
    }
    assert to_addresses == ([] if settings.nat == "none" else [through_nat])


@every_shape
def test_no_secret_stands_in_a_template(settings: Settings) -> None:
    templates = every_template(settings)
    for template in templates:
        assert not re.search(r"NoEcho|AKIA[A-Z0-9]{16}|-----BEGIN", json.dumps(template))
    for template in templates[::2]:
        (secret,) = resources(template, "AWS::SecretsManager::Secret").values()
        assert "SecretString" not in secret
        assert secret["GenerateSecretString"] == {"ExcludePunctuation": True, "PasswordLength": 64}


@every_shape
def test_no_action_is_a_wildcard_and_only_what_takes_no_resource_is_for_every_one(settings: Settings) -> None:
    for template in every_template(settings):
        for statement in statements(template["Resources"]):
            assert "*" not in "".join(statement["Action"])
            assert "*" not in statement.get("Resource", []) or statement["Action"] in (
                ["ecr:GetAuthorizationToken"],
                ["ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeInternetGateways"],
            )


@every_shape
def test_a_template_fits_into_a_template_body_and_has_no_literal_partition(settings: Settings) -> None:
    for layer in every_layer(settings):
        assert len(layer.text().encode()) < contract.TEMPLATE_BODY_LIMIT
        assert "arn:aws" not in layer.text()


def test_the_same_settings_give_the_same_bytes_whatever_the_hash_seed() -> None:
    program = (
        "import hashlib\n"
        "from tests.layers import SHAPES, every_layer\n"
        "for shape in SHAPES:\n"
        "    for layer in every_layer(shape):\n"
        "        print(hashlib.sha256(layer.text().encode()).hexdigest())\n"
    )

    def digests(seed: int) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        return subprocess.run(
            [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
        ).stdout

    first = digests(0)
    assert first.count("\n") == 4 * len(SHAPES)
    assert digests(1) == first
    assert digests(4_294_967_295) == first


EXPORTS = (
    *("VpcId", "PrivateSubnetIds", "MemoryDbSecurityGroupId", "ClusterEndpoint", "ClusterName", "ClusterArn"),
    *("UserName", "UserArn", "PasswordSecretArn", "RepositoryUri", "RepositoryArn"),
)


def test_the_data_layer_exports_the_contract_and_nothing_else() -> None:
    assert exports(DATA) == {f"${{DataStackName}}-{name}" for name in EXPORTS}


def test_the_data_layer_of_ecs_exports_the_contracts_other_two_besides() -> None:
    more = {f"${{DataStackName}}-{name}" for name in ("TaskSubnetIds", "TaskEndpointSecurityGroupId")}
    assert exports(ECS_DATA) == exports(DATA) | more


def test_only_the_contracts_two_parameters_have_no_default() -> None:
    required = {
        name for template in EVERY for name, parameter in template["Parameters"].items() if "Default" not in parameter
    }
    assert required == {contract.DATA_STACK_NAME, contract.IMAGE_URI}


def test_every_parameter_can_be_understood_in_the_console() -> None:
    for template in EVERY:
        interface = template["Metadata"]["AWS::CloudFormation::Interface"]
        grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
        assert sorted(grouped) == sorted(interface["ParameterLabels"]) == sorted(template["Parameters"])
        for name, parameter in template["Parameters"].items():
            assert parameter["Description"], name
            if "AllowedPattern" in parameter or "MinValue" in parameter:
                assert parameter["ConstraintDescription"], name


def test_defaults_satisfy_their_own_constraints() -> None:
    for template in EVERY:
        for name, parameter in template["Parameters"].items():
            default = parameter.get("Default")
            if default is None:
                continue
            assert default in parameter.get("AllowedValues", [default]), name
            assert re.search(parameter.get("AllowedPattern", ""), str(default)), name
            if parameter["Type"] == "Number" and "MinValue" in parameter:
                assert parameter["MinValue"] <= default <= parameter["MaxValue"], name


@pytest.mark.parametrize("template", [APP_RUNNER, ECS])
def test_the_dashboard_is_json_with_names_filled_in(template: dict[str, Any]) -> None:
    text, values = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    assert set(re.findall(r"\$\{([^}]+)\}", text)) == {*values, "AWS::Region"}
    assert len(json.loads(text)["widgets"]) == 6


APP_RUNNER_RULE = ("RegionHasAppRunnerAndMemoryDb", REGIONS, "AWS App Runner is not available in this Region.")
ECS_RULE = ("RegionHasEcsExpressAndMemoryDb", ECS_REGIONS, "is not available in this Region. Choose one of ap-east-1,")


@pytest.mark.parametrize(
    ("template", "rule"),
    [(DATA, APP_RUNNER_RULE), (APP_RUNNER, APP_RUNNER_RULE), (ECS_DATA, ECS_RULE), (ECS, ECS_RULE)],
)
def test_another_region_fails_with_a_sentence(template: dict[str, Any], rule: tuple[str, tuple[str, ...], str]) -> None:
    name, regions, message = rule
    (assertion,) = template["Rules"][name]["Assertions"]
    assert assertion["Assert"] == {"Fn::Contains": [list(regions), {"Ref": "AWS::Region"}]}
    assert message in assertion["AssertDescription"]


def test_ecs_express_is_offered_wherever_app_runner_is_and_in_eight_regions_more() -> None:
    assert set(REGIONS) < set(ECS_REGIONS)
    assert len(ECS_REGIONS) == len(REGIONS) + 8 == 19


@pytest.mark.parametrize("zones", [2, 3])
def test_every_region_of_ecs_has_its_pinned_zones_and_one_with_too_few_is_not_offered(zones: int) -> None:
    data, ecs = (layer.template for layer in ecs_express_deployment(Settings(zones=zones)).layers)
    expected = {region: ",".join(ids[:zones]) for region, ids in ECS_ZONE_IDS.items() if len(ids) >= zones}
    assert data["Mappings"]["ZonesOfRegionsWithEcsExpress"] == {
        region: {"ZoneIds": ids} for region, ids in expected.items()
    }
    for template in (data, ecs):
        (assertion,) = template["Rules"]["RegionHasEcsExpressAndMemoryDb"]["Assertions"]
        assert assertion["Assert"]["Fn::Contains"][0] == list(expected)
    assert ("us-west-1" in expected) is (zones == 2)


@pytest.mark.parametrize("zones", [2, 3])
def test_every_region_has_its_pinned_zones(zones: int) -> None:
    mapping = every_template(Settings(zones=zones))[0]["Mappings"]["ZonesOfRegionsWithAppRunner"]
    assert mapping == {region: {"ZoneIds": ",".join(ids[:zones])} for region, ids in ZONE_IDS.items()}
    assert len(mapping) == 11


def test_no_zone_is_one_that_memorydb_refuses_or_fargate_lacks() -> None:
    refused, lacking = {"use1-az3", "apne1-az3", "cac1-az3"}, {"usw1-az2", "apne1-az3"}
    assert not (refused | lacking) & {zone_id for zone_ids in ECS_ZONE_IDS.values() for zone_id in zone_ids}


@every_shape
def test_no_resource_has_a_literal_physical_name(settings: Settings) -> None:
    for template in every_template(settings):
        for logical_id, resource in template["Resources"].items():
            for name, value in resource.get("Properties", {}).items():
                if name in ("Cluster", "Name") or (name.endswith("Name") and name != "MetricName"):
                    assert not isinstance(value, str), (logical_id, name)


@every_shape
def test_nothing_is_tagged_whose_tags_replace_it(settings: Settings) -> None:
    for template in every_template(settings)[1::2]:
        for resource in template["Resources"].values():
            if resource["Type"].startswith(("AWS::AppRunner::", "AWS::ECS::")):
                assert "Tags" not in resource["Properties"]


def test_a_layer_is_rendered_once() -> None:
    (layer, *_) = every_layer()
    assert layer.text() is layer.text()
    assert layer.template is layer.template
