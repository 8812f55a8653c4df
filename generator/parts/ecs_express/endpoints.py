"""What the network of ECS tasks needs beside MemoryDB's: a way to their image, their password and their log.

A task fetches these through its own network interface, and one in a public subnet need not have a public address:
docs/decisions/0041. So they come through VPC endpoints, in the task's own network, whatever addresses it has.

Which endpoints: Amazon ECR user guide, "Amazon ECR interface VPC endpoints"; Amazon ECS developer guide, "Amazon ECS
interface VPC endpoints", considerations for Fargate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from awacs import aws
from troposphere import AWSHelperFn, GetAtt, Join, Output, Sub, ec2

from generator import contract
from generator.errors import TemplateError
from generator.parts.authentication import Authentication, authentication
from generator.parts.ecs_express.roles import image_layers_policy, log_policy, pull_policy, secrets_policy
from generator.parts.network.network import Network, nowhere
from generator.settings import Settings
from generator.template.elements import export, why


@dataclass(frozen=True)
class TaskEndpoints:
    """The endpoints, the group that guards them, and what an ECS layer imports."""

    authentication: Authentication
    security_group: ec2.SecurityGroup
    image_api: ec2.VPCEndpoint
    image_registry: ec2.VPCEndpoint
    image_layers: ec2.VPCEndpoint
    logs: ec2.VPCEndpoint
    secrets: ec2.VPCEndpoint
    subnets_export: Output
    security_group_export: Output


def task_endpoints(settings: Settings, place: Network) -> TaskEndpoints:
    """The endpoints for tasks in the public subnets of `place`, or in the private ones with `private_ingress`.

    Raises TemplateError for a place without the subnets that `settings` ask for.
    """
    tasks_in, route_tables = _task_subnets(settings, place)
    security_group = ec2.SecurityGroup(
        "TaskEndpointSecurityGroup",
        Metadata=why("Closed until a compute stack adds a rule for its own security group; no outbound traffic"),
        GroupDescription="Endpoints for ECS tasks: takes HTTPS from the groups of compute stacks, sends nothing",
        VpcId=place.vpc_id,
        SecurityGroupEgress=[nowhere()],
    )
    zones = 1 if settings.task_endpoints == "one" else settings.zones

    def interface(
        logical_id: str, service: str, reason: str, policy: aws.PolicyDocument, **more: Any
    ) -> ec2.VPCEndpoint:
        return ec2.VPCEndpoint(
            logical_id,
            Metadata=why(reason),
            ServiceName=Sub(f"com.amazonaws.${{AWS::Region}}.{service}"),
            VpcEndpointType="Interface",
            VpcId=place.vpc_id,
            SubnetIds=place.private_subnet_ids[:zones],
            SecurityGroupIds=[GetAtt(security_group, "GroupId")],
            PrivateDnsEnabled=True,
            PolicyDocument=policy,
            **more,
        )

    login = authentication()
    return TaskEndpoints(
        authentication=login,
        security_group=security_group,
        image_api=interface("ImageApiEndpoint", "ecr.api", "Tasks log in to ECR here", pull_policy()),
        image_registry=interface("ImageRegistryEndpoint", "ecr.dkr", "Tasks pull their image here", pull_policy()),
        image_layers=ec2.VPCEndpoint(
            "ImageLayersEndpoint",
            Metadata=why("ECR keeps image layers in S3; this endpoint is free and leads to ECR's own bucket only"),
            ServiceName=Sub("com.amazonaws.${AWS::Region}.s3"),
            VpcEndpointType="Gateway",
            VpcId=place.vpc_id,
            RouteTableIds=route_tables,
            PolicyDocument=image_layers_policy(),
        ),
        logs=interface("LogsEndpoint", "logs", "Tasks write their log here", log_policy()),
        secrets=interface(
            "SecretsEndpoint",
            "secretsmanager",
            "Tasks read their password here; with IAM there is none",
            secrets_policy(),
            Condition=login.uses_password.name,
        ),
        subnets_export=export(
            contract.TASK_SUBNET_IDS,
            "The IDs of the subnets for ECS tasks, separated by commas; public ones make the load balancer face the "
            "internet.",
            Join(",", tasks_in),
        ),
        security_group_export=export(
            contract.TASK_ENDPOINT_SECURITY_GROUP_ID,
            "The security group of the tasks' endpoints, to which each compute stack adds its own rule.",
            GetAtt(security_group, "GroupId"),
        ),
    )


def _task_subnets(settings: Settings, place: Network) -> tuple[list[AWSHelperFn], list[AWSHelperFn]]:
    """The subnets of the tasks, and the route tables of these."""
    if settings.private_ingress:
        return place.private_subnet_ids, [private.route_table.ref() for private in place.private_subnets]
    if place.public_side is None:
        raise TemplateError("ECS tasks that face the internet need public subnets: network() makes them.")
    public = place.public_side
    return [subnet.ref() for subnet in public.subnets], [public.route_table.ref()]
