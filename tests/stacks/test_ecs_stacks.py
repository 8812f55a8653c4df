"""The ECS pair in the emulator: what is asked of ECS, either way to log in, private and public."""

from __future__ import annotations

import re
from typing import Any

import boto3
import pytest

from generator import contract
from generator.layers import Deployment, app_runner_deployment, ecs_express_deployment
from generator.settings import Settings
from rehearsal.emulator.process import ACCOUNT, REGION, Emulator
from tests.command import Captured, Command, output
from tests.pushed import push

IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/users:1"


@pytest.fixture
def command(aws: Emulator, capsys: Captured) -> Command:
    push(aws, IMAGE)
    return Command(lambda: [ecs_express_deployment()], capsys)


def described(stack: str) -> Any:
    """The one configuration of a stack's service that is active."""
    arn = output(stack, contract.SERVICE_ARN)
    service = boto3.client("ecs").describe_express_gateway_service(serviceArn=arn)["service"]
    (configuration,) = service["activeConfigurations"]
    return configuration


def test_with_iam_a_task_has_no_secret_and_its_role_may_connect(command: Command) -> None:
    before = boto3.client("secretsmanager").list_secrets()["SecretList"]
    iam = ("--parameter", "Authentication=iam")
    command.must("deploy", "--yes", "--name", "iam", "--image", IMAGE, "--no-verify", *iam)
    assert boto3.client("secretsmanager").list_secrets()["SecretList"] == before
    container = described("iam-ecs-express")["primaryContainer"]
    (cluster,) = boto3.client("memorydb").describe_clusters()["Clusters"]
    (user,) = boto3.client("memorydb").describe_users()["Users"]
    assert container.get("secrets", []) == []
    assert {pair["name"]: pair["value"] for pair in container["environment"]} == {
        "AWS_REGION": REGION,
        "MEMORYDB_AUTHENTICATION": "iam",
        "MEMORYDB_CLUSTER_ENDPOINT": f"{cluster['ClusterEndpoint']['Address']}:6379",
        "MEMORYDB_CLUSTER_NAME": cluster["Name"],
        "MEMORYDB_USERNAME": user["Name"],
        "PORT": "8080",
    }
    role = described("iam-ecs-express")["taskRoleArn"].rpartition("/")[2]
    client = boto3.client("iam")
    document = client.get_role_policy(RoleName=role, PolicyName="connect")["PolicyDocument"]
    assert [(each["Action"], each["Resource"]) for each in document["Statement"]] == [
        (["memorydb:Connect"], [cluster["ARN"], user["ARN"]])
    ]
    again = command.must("deploy", "--yes", "--name", "iam", "--image", IMAGE, "--no-verify")
    assert again.count("nothing to change.") == 2
    command.must("destroy", "--yes", "--name", "iam")


@pytest.mark.parametrize("zones", [2, 3])
def test_a_service_faces_the_internet_from_public_subnets(command: Command, zones: int) -> None:
    def zoned() -> list[Deployment]:
        return [ecs_express_deployment(Settings(zones=zones))]

    command.must("deploy", "--yes", "--image", IMAGE, "--no-verify", deployments=zoned)
    configuration = described("users-ecs-express")
    assert [path["accessType"] for path in configuration["ingressPaths"]] == ["PUBLIC"]
    assert len(configuration["networkConfiguration"]["subnets"]) == zones
    command.must("destroy", "--yes", deployments=zoned)


def test_a_private_service_is_reported_as_not_verified_from_outside(command: Command) -> None:
    def private() -> list[Deployment]:
        return [ecs_express_deployment(Settings(private_ingress=True))]

    said = command.must("deploy", "--yes", "--name", "private", "--image", IMAGE, deployments=private)
    assert "status           ACTIVE" in said
    assert f"image            {IMAGE}" in said
    assert "not verified from outside: the service can be reached inside its VPC only" in said
    assert [path["accessType"] for path in described("private-ecs-express")["ingressPaths"]] == ["PRIVATE"]
    command.must("destroy", "--yes", "--name", "private", deployments=private)


def test_a_service_that_was_deleted_is_not_deployed_again(command: Command) -> None:
    command.must("deploy", "--yes", "--name", "gone", "--image", IMAGE, "--no-verify")
    arn = output("gone-ecs-express", contract.SERVICE_ARN)
    command.must("destroy", "--yes", "--name", "gone")
    ecs = boto3.client("ecs")
    assert ecs.describe_express_gateway_service(serviceArn=arn)["service"]["status"]["statusCode"] == "INACTIVE"
    with pytest.raises(ecs.exceptions.ServiceNotActiveException):
        ecs.update_service(cluster="default", service=arn.rpartition("/")[2], forceNewDeployment=True)


def test_an_unnamed_service_is_named_after_its_images_repository_and_leaves_its_firewall(command: Command) -> None:
    waf = boto3.client("wafv2")
    visible = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "shared"}
    acl = waf.create_web_acl(Name="shared", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=visible)
    acl_arn = acl["Summary"]["ARN"]
    command.must(
        "deploy", "--yes", "--name", "waf", "--parameter", f"WebAclArn={acl_arn}", "--image", IMAGE, "--no-verify"
    )
    formation = boto3.client("cloudformation")
    resources = formation.list_stack_resources(StackName="waf-ecs-express")["StackResourceSummaries"]
    ids = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
    assert re.fullmatch(r"arn:aws:ecs:.*:service/default/users-[0-9a-f]{4}", ids["Service"])
    balancer = ids["WebAclAssociation"].partition("|")[0]
    shown = command.must("destroy", "--yes", "--name", "waf")
    assert "kept: WebAclAssociation" in shown
    assert waf.get_web_acl_for_resource(ResourceArn=balancer)["WebACL"]["ARN"] == acl_arn


def test_a_data_layer_that_lacks_exports_is_named_and_the_rest_is_shown(command: Command) -> None:
    service = ("preview", "--name", "lacks", "--image", IMAGE)
    command.must("deploy", "--yes", "--name", "lacks", "--layer", "data", deployments=lambda: [app_runner_deployment()])
    alone = command(*service, "--layer", "ecs-express")
    assert alone.code == 1
    assert (
        "lacks-ecs-express: could not be previewed: it imports lacks-data-TaskSubnetIds, which no stack exports."
        in alone.out
    )
    assert "+ Service  AWS::ECS::ExpressGatewayService" in alone.out
    # The data layer of this deployment exports it, and is deployed first.
    assert "could not be previewed" not in command.must(*service)
    command.must("destroy", "--yes", "--name", "lacks")
