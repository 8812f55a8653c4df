"""What must hold for the layers of ECS Express Mode, whatever the `Settings`."""

from __future__ import annotations

from typing import Any

import pytest

from generator.errors import TemplateError
from generator.layers import Layer, app_runner_deployment, data_layer, ecs_express_deployment
from generator.parts.ecs_express.endpoints import task_endpoints
from generator.parts.network.vpc import network
from generator.settings import Settings
from tests.layers import every_shape, every_template
from tests.templates import imported, resources


@every_shape
def test_tasks_stand_in_public_subnets_unless_ingress_is_private(settings: Settings) -> None:
    *_, data, ecs = every_template(settings)
    kind = "Private" if settings.private_ingress else "Public"
    subnets = [{"Ref": f"{kind}Subnet{letter}"} for letter in "ABC"[: settings.zones]]
    assert data["Outputs"]["TaskSubnetIds"]["Value"] == {"Fn::Join": [",", subnets]}
    network_configuration = ecs["Resources"]["Service"]["Properties"]["NetworkConfiguration"]
    assert network_configuration["Subnets"] == {"Fn::Split": [",", imported("TaskSubnetIds")]}


@every_shape
def test_memorydb_stays_in_private_subnets(settings: Settings) -> None:
    *_, data, _ = every_template(settings)
    (group,) = resources(data, "AWS::MemoryDB::SubnetGroup").values()
    assert group["SubnetIds"] == [{"Ref": f"PrivateSubnet{letter}"} for letter in "ABC"[: settings.zones]]


@every_shape
def test_image_password_and_log_come_through_endpoints_in_as_many_zones_as_asked(settings: Settings) -> None:
    *_, data, _ = every_template(settings)
    endpoints = resources(data, "AWS::EC2::VPCEndpoint").values()
    interfaces = [endpoint for endpoint in endpoints if endpoint["VpcEndpointType"] == "Interface"]
    services = {endpoint["ServiceName"]["Fn::Sub"].partition("${AWS::Region}.")[2] for endpoint in interfaces}
    assert services == {"ecr.api", "ecr.dkr", "logs", "secretsmanager"}
    zones = settings.zones if settings.task_endpoints == "per-zone" else 1
    for endpoint in interfaces:
        assert endpoint["PrivateDnsEnabled"] is True
        assert endpoint["SubnetIds"] == [{"Ref": f"PrivateSubnet{letter}"} for letter in "ABC"[:zones]]


@every_shape
def test_every_task_subnet_has_the_way_to_image_layers(settings: Settings) -> None:
    *_, data, _ = every_template(settings)
    (gateway,) = (
        endpoint
        for endpoint in resources(data, "AWS::EC2::VPCEndpoint").values()
        if endpoint["VpcEndpointType"] == "Gateway"
    )
    assert gateway["ServiceName"] == {"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"}
    tables = {
        association["SubnetId"]["Ref"]: association["RouteTableId"]
        for association in resources(data, "AWS::EC2::SubnetRouteTableAssociation").values()
    }
    _, tasks_in = data["Outputs"]["TaskSubnetIds"]["Value"]["Fn::Join"]
    used: list[Any] = []
    for subnet in tasks_in:
        if tables[subnet["Ref"]] not in used:
            used.append(tables[subnet["Ref"]])
    assert gateway["RouteTableIds"] == used


@every_shape
def test_no_endpoint_leads_to_another_account(settings: Settings) -> None:
    *_, data, _ = every_template(settings)
    for endpoint in resources(data, "AWS::EC2::VPCEndpoint").values():
        for statement in endpoint["PolicyDocument"]["Statement"]:
            if statement["Action"] == ["ecr:GetAuthorizationToken"]:
                assert statement["Resource"] == ["*"]
                continue
            ((arn,),) = (resource.values() for resource in statement["Resource"])
            assert "${AWS::AccountId}" in arn or arn.endswith(":::prod-${AWS::Region}-starport-layer-bucket/*")


@every_shape
def test_the_tasks_group_takes_nothing_and_sends_to_memorydb_and_https(settings: Settings) -> None:
    *_, ecs = every_template(settings)
    (group,) = resources(ecs, "AWS::EC2::SecurityGroup").values()
    assert "SecurityGroupIngress" not in group
    rules = [
        (rule["FromPort"], rule["ToPort"], rule.get("DestinationSecurityGroupId", rule.get("CidrIp")))
        for rule in group["SecurityGroupEgress"]
    ]
    assert rules == [(6379, 6379, imported("MemoryDbSecurityGroupId")), (443, 443, "0.0.0.0/0")]


@every_shape
def test_the_ecs_stack_opens_memorydb_and_the_endpoints_to_its_own_group_alone(settings: Settings) -> None:
    *_, ecs = every_template(settings)
    own = {"Fn::GetAtt": ["TaskSecurityGroup", "GroupId"]}
    opened = [
        (rule["GroupId"], rule["FromPort"], rule["ToPort"], rule["IpProtocol"], rule["SourceSecurityGroupId"])
        for rule in resources(ecs, "AWS::EC2::SecurityGroupIngress").values()
    ]
    assert opened == [
        (imported("MemoryDbSecurityGroupId"), 6379, 6379, "tcp", own),
        (imported("TaskEndpointSecurityGroupId"), 443, 443, "tcp", own),
    ]
    assert ecs["Resources"]["Service"]["DependsOn"] == ["MemoryDbIngress", "TaskEndpointIngress"]


@every_shape
def test_the_ecs_layer_is_the_same_whatever_the_network_but_for_the_regions(settings: Settings) -> None:
    _, ecs = ecs_express_deployment(settings).layers
    _, default = ecs_express_deployment(Settings(zones=settings.zones)).layers
    assert ecs.text() == default.text()


def test_a_data_layer_for_ecs_is_the_usual_one_with_more() -> None:
    usual, _, for_tasks, _ = every_template()
    zoned = {"PrivateSubnetA", "PrivateSubnetB"}
    for logical_id, resource in usual["Resources"].items():
        if logical_id not in zoned:
            assert for_tasks["Resources"][logical_id].get("Properties") == resource.get("Properties")
    assert zoned < for_tasks["Resources"].keys()


def test_endpoints_in_one_zone_are_the_default_of_the_ecs_layers() -> None:
    assert ecs_express_deployment().layers[0].text() == data_layer(Settings(task_endpoints="one")).text()


def test_a_network_without_public_subnets_is_refused_for_tasks_that_face_the_internet() -> None:
    with pytest.raises(TemplateError, match="need public subnets"):
        task_endpoints(Settings(task_endpoints="one"), network(Settings()))


def test_a_stack_has_its_layers_name_whatever_the_compute() -> None:
    assert [layer.name for layer in app_runner_deployment().layers] == ["data", "apprunner"]
    assert [layer.name for layer in ecs_express_deployment().layers] == ["data", "ecs-express"]
    assert Layer("orders", "Orders.", ()).file_name == "orders-layer.json"
