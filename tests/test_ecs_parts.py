"""What the ECS Express layer's parts promise beyond what holds for every template."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from generator import contract
from generator.layers import ecs_express_layers
from generator.parts.data import imported_data
from generator.parts.ecs_express import MAX_TASKS, SIZES, ecs_express
from generator.template import assemble, render
from tests.templates import chosen, imported, statements

DATA, ECS = (json.loads(layer.text()) for layer in ecs_express_layers())
WITH_PASSWORD = chosen(ECS)
PASSWORD = imported("PasswordSecretArn")
BALANCER_ARN = {"Fn::GetAtt": ["Service", "ECSManagedResourceArns.IngressPath.LoadBalancerArn"]}
SERVICE_ARN = "arn:aws:ecs:eu-west-1:123456789012:service/default/users-9dbd"
BALANCER = (
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/ecs-express-gateway-alb-02b5/39be7414652fcb27"
)


def properties(logical_id: str) -> Any:
    return ECS["Resources"][logical_id]["Properties"]


def evaluate(node: Any) -> str:
    """A value as CloudFormation makes it for the two ARNs above."""
    match node:
        case {"Fn::Select": [index, {"Fn::Split": [by, value]}]}:
            return evaluate(value).split(by)[int(index)]
        case {"Fn::GetAtt": ["Service", "ServiceArn"]}:
            return SERVICE_ARN
        case {"Fn::GetAtt": ["Service", "ECSManagedResourceArns.IngressPath.LoadBalancerArn"]}:
            return BALANCER
    raise AssertionError(node)


def test_the_container_reads_what_the_contract_names_and_its_port() -> None:
    container = WITH_PASSWORD["Resources"]["Service"]["Properties"]["PrimaryContainer"]
    assert [variable["Name"] for variable in container["Environment"]] == [
        contract.ENV_CLUSTER_ENDPOINT,
        contract.ENV_USERNAME,
        contract.ENV_PORT,
    ]
    assert container["Secrets"] == [{"Name": contract.ENV_PASSWORD, "ValueFrom": PASSWORD}]
    assert container["ContainerPort"] == contract.SERVICE_PORT


def test_the_health_check_is_the_contracts_path() -> None:
    assert properties("Service")["HealthCheckPath"] == contract.HEALTH_PATH
    assert contract.HEALTH_PATH.startswith("/")


def test_nothing_that_is_create_only_is_set_but_the_role_that_must_be() -> None:
    create_only = {"ServiceName", "Cluster", "Tags", "InfrastructureRoleArn"}
    assert create_only & properties("Service").keys() == {"InfrastructureRoleArn"}
    assert "RoleName" not in properties("InfrastructureRole")


def test_the_log_is_the_stacks_own_and_expires() -> None:
    assert properties("Service")["PrimaryContainer"]["AwsLogsConfiguration"] == {
        "LogGroup": {"Ref": "ServiceLogGroup"},
        "LogStreamPrefix": "service",
    }
    assert properties("ServiceLogGroup")["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize(
    ("role", "actions", "resource"),
    [
        (
            "ExecutionRole",
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            imported("RepositoryArn"),
        ),
        ("ExecutionRole", ["ecr:GetAuthorizationToken"], "*"),
        ("ExecutionRole", ["logs:CreateLogStream", "logs:PutLogEvents"], {"Fn::GetAtt": ["ServiceLogGroup", "Arn"]}),
        ("ExecutionRole", ["secretsmanager:GetSecretValue"], PASSWORD),
    ],
)
def test_a_role_may_do_just_this(role: str, actions: list[str], resource: Any) -> None:
    assert {"Action": actions, "Effect": "Allow", "Resource": [resource]} in statements(properties(role)["Policies"])


def test_the_execution_role_may_do_nothing_else() -> None:
    assert len(statements(WITH_PASSWORD["Resources"]["ExecutionRole"]["Properties"]["Policies"])) == 4


def test_the_task_role_is_for_this_accounts_tasks_and_does_nothing_with_a_password() -> None:
    role = WITH_PASSWORD["Resources"]["TaskRole"]["Properties"]
    assert role.keys() == {"AssumeRolePolicyDocument"}
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": ["ecs-tasks.amazonaws.com"]}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}


def test_only_the_infrastructure_role_has_a_policy_of_aws_and_says_why() -> None:
    managed = {
        logical_id: resource["Properties"]["ManagedPolicyArns"]
        for logical_id, resource in ECS["Resources"].items()
        if "ManagedPolicyArns" in resource.get("Properties", {})
    }
    arn = "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonECSInfrastructureRoleforExpressGatewayServices"
    assert managed == {"InfrastructureRole": [{"Fn::Sub": arn}]}
    reason = ECS["Resources"]["InfrastructureRole"]["Metadata"]["com.aws.cloudformation.Context"]["why"]
    assert reason.startswith("AWS's own policy: ")
    assert "Policies" not in properties("InfrastructureRole")


def test_no_action_is_a_wildcard_and_only_the_ecr_token_is_for_every_resource() -> None:
    everywhere = set()
    for statement in statements(DATA) + statements(ECS):
        assert "*" not in "".join(statement["Action"])
        if statement.get("Resource") == ["*"]:
            everywhere |= set(statement["Action"])
    assert everywhere == {"ecr:GetAuthorizationToken"}


@pytest.mark.parametrize("cpu", SIZES)
def test_the_rules_take_just_the_pairs_that_fargate_has(cpu: str) -> None:
    (rule,) = (
        rule for rule in ECS["Rules"].values() if rule.get("RuleCondition") == {"Fn::Equals": [{"Ref": "Cpu"}, cpu]}
    )
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {"Fn::Contains": [list(SIZES[cpu]), {"Ref": "Memory"}]}
    *others, last = SIZES[cpu]
    sizes = f"{', '.join(others)} or {last}" if cpu in ("256", "512") else f"{SIZES[cpu][0]} to {last} in steps of 1024"
    assert assertion["AssertDescription"] == f"With Cpu {cpu}, Memory must be {sizes}."


def test_every_memory_size_goes_with_some_cpu_and_the_defaults_with_each_other() -> None:
    memory = ECS["Parameters"]["Memory"]
    assert set(memory["AllowedValues"]) == {size for sizes in SIZES.values() for size in sizes}
    assert memory["Default"] in SIZES[ECS["Parameters"]["Cpu"]["Default"]]


def test_scaling_aims_below_what_the_alarm_calls_busy() -> None:
    target = properties("Service")["ScalingTarget"]
    assert target == {
        "AutoScalingMetric": "AVERAGE_CPU",
        "AutoScalingTargetValue": {"Ref": "CpuTarget"},
        "MaxTaskCount": {"Ref": "MaxSize"},
        "MinTaskCount": {"Ref": "MinSize"},
    }
    assert ECS["Parameters"]["CpuTarget"]["MaxValue"] < properties("TaskCpuAlarm")["Threshold"]
    assert ECS["Parameters"]["MaxSize"]["MaxValue"] == MAX_TASKS


@pytest.mark.parametrize("alarm", ["ServerErrorsAlarm", "LoadBalancerErrorsAlarm", "LatencyAlarm"])
def test_an_alarm_on_the_load_balancer_names_no_target_group(alarm: str) -> None:
    ((dimension),) = properties(alarm)["Dimensions"]
    assert dimension["Name"] == "LoadBalancer"
    assert evaluate(dimension["Value"]) == "app/ecs-express-gateway-alb-02b5/39be7414652fcb27"
    assert properties(alarm)["Namespace"] == "AWS/ApplicationELB"


@pytest.mark.parametrize("alarm", ["TaskCpuAlarm", "TaskMemoryAlarm"])
def test_an_alarm_on_the_tasks_names_cluster_and_service(alarm: str) -> None:
    dimensions = {dimension["Name"]: evaluate(dimension["Value"]) for dimension in properties(alarm)["Dimensions"]}
    assert dimensions == {"ClusterName": "default", "ServiceName": "users-9dbd"}
    assert properties(alarm)["Namespace"] == "AWS/ECS"


def test_the_dashboard_is_json_with_names_filled_in() -> None:
    text, values = properties("Dashboard")["DashboardBody"]["Fn::Sub"]
    assert set(re.findall(r"\$\{([^}]+)\}", text)) == {*values, "AWS::Region"}
    assert len(json.loads(text)["widgets"]) == 6


def test_the_outputs_are_those_of_the_app_runner_layer() -> None:
    assert ECS["Outputs"].keys() == {"ServiceUrl", "ServiceArn", "DashboardUrl"}
    assert ECS["Outputs"]["ServiceUrl"]["Value"] == {
        "Fn::Sub": ["https://${Host}", {"Host": {"Fn::GetAtt": ["Service", "Endpoint"]}}]
    }


def test_a_web_acl_protects_the_load_balancer() -> None:
    association = ECS["Resources"]["WebAclAssociation"]
    assert association["Condition"] == "HasWebAcl"
    assert association["Properties"]["ResourceArn"] == BALANCER_ARN


def test_two_services_may_stand_in_one_template() -> None:
    orders = ecs_express(imported_data("Orders"), prefix="Orders")
    template = json.loads(render(assemble("", ecs_express(imported_data()), orders)))
    services = [
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::ECS::ExpressGatewayService"
    ]
    assert sorted(services) == ["OrdersService", "Service"]
    container = chosen(template)["Resources"]["OrdersService"]["Properties"]["PrimaryContainer"]
    assert container["Secrets"][0]["ValueFrom"] == imported("OrdersPasswordSecretArn")
    assert {"ImageUri", "OrdersImageUri", "DataStackName"} <= set(template["Parameters"])
