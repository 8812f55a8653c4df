"""What the ECS Express layer's parts promise beyond what holds for every template."""

from __future__ import annotations

from typing import Any

import pytest

from generator import contract
from generator.parts.ecs_express.service import MAX_TASKS
from tests.layers import every_template
from tests.templates import chosen, imported, statements

_, APP_RUNNER, _, ECS = every_template()
WITH_PASSWORD = chosen(ECS)
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


def test_the_execution_role_may_do_just_this() -> None:
    allowed: dict[str, Any] = {
        "ecr:BatchCheckLayerAvailability ecr:BatchGetImage ecr:GetDownloadUrlForLayer": imported("RepositoryArn"),
        "ecr:GetAuthorizationToken": "*",
        "logs:CreateLogStream logs:PutLogEvents": {"Fn::GetAtt": ["ServiceLogGroup", "Arn"]},
        "secretsmanager:GetSecretValue": imported("PasswordSecretArn"),
    }
    assert statements(WITH_PASSWORD["Resources"]["ExecutionRole"]["Properties"]["Policies"]) == [
        {"Action": actions.split(), "Effect": "Allow", "Resource": [resource]} for actions, resource in allowed.items()
    ]


def test_only_the_infrastructure_role_has_a_policy_of_aws() -> None:
    managed = {
        logical_id: resource["Properties"]["ManagedPolicyArns"]
        for logical_id, resource in ECS["Resources"].items()
        if "ManagedPolicyArns" in resource.get("Properties", {})
    }
    arn = "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonECSInfrastructureRoleforExpressGatewayServices"
    assert managed == {"InfrastructureRole": [{"Fn::Sub": arn}]}


def test_the_infrastructure_role_suffices_in_an_account_without_a_load_balancer() -> None:
    actions = ["ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeInternetGateways"]
    assert statements(properties("InfrastructureRole")["Policies"]) == [
        {"Action": actions, "Effect": "Allow", "Resource": ["*"]}
    ]


@pytest.mark.parametrize(
    ("logical_id", "words"),
    [
        ("InfrastructureRole", "AWS's own policy: "),
        ("InfrastructureRole", "never had a load balancer"),
        ("Service", "stays taken while a deleted service drains"),
    ],
)
def test_a_reader_of_the_template_learns_why(logical_id: str, words: str) -> None:
    assert words in ECS["Resources"][logical_id]["Metadata"]["com.aws.cloudformation.Context"]["why"]


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
    (dimension,) = properties(alarm)["Dimensions"]
    assert dimension["Name"] == "LoadBalancer"
    assert evaluate(dimension["Value"]) == "app/ecs-express-gateway-alb-02b5/39be7414652fcb27"
    assert properties(alarm)["Namespace"] == "AWS/ApplicationELB"


@pytest.mark.parametrize("alarm", ["TaskCpuAlarm", "TaskMemoryAlarm"])
def test_an_alarm_on_the_tasks_names_cluster_and_service(alarm: str) -> None:
    dimensions = {dimension["Name"]: evaluate(dimension["Value"]) for dimension in properties(alarm)["Dimensions"]}
    assert dimensions == {"ClusterName": "default", "ServiceName": "users-9dbd"}
    assert properties(alarm)["Namespace"] == "AWS/ECS"


def test_the_outputs_are_those_of_the_app_runner_layer() -> None:
    assert ECS["Outputs"].keys() == APP_RUNNER["Outputs"].keys()
    assert ECS["Outputs"]["ServiceUrl"]["Value"] == {
        "Fn::Sub": ["https://${Host}", {"Host": {"Fn::GetAtt": ["Service", "Endpoint"]}}]
    }


def test_a_web_acl_protects_the_load_balancer() -> None:
    association = ECS["Resources"]["WebAclAssociation"]
    assert association["Condition"] == "HasWebAcl"
    assert association["Properties"]["ResourceArn"] == BALANCER_ARN


@pytest.mark.parametrize(("template", "policy"), [(ECS, "Retain"), (APP_RUNNER, None)], ids=["shared", "own"])
def test_deleting_one_stack_leaves_the_firewall_on_a_shared_load_balancer(template: Any, policy: str | None) -> None:
    association = template["Resources"]["WebAclAssociation"]
    assert association.get("DeletionPolicy") == policy
    assert association.get("UpdateReplacePolicy") == policy
