"""The VPC endpoints through which ECS tasks reach their image, password and log.

A task fetches these through its own network interface, and one in a public subnet need not have a public address:
docs/decisions/0041. So they come through VPC endpoints, in the task's own network, whatever addresses it has.

Which endpoints: Amazon ECR user guide, "Amazon ECR interface VPC endpoints"; Amazon ECS developer guide, "Amazon ECS
interface VPC endpoints", considerations for Fargate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from awacs import aws, ecr, s3, secretsmanager
from troposphere import AWSHelperFn, GetAtt, Sub, ec2

from generator import contract
from generator.errors import TemplateError
from generator.parts.authentication import USES_PASSWORD, Login
from generator.parts.ecs_express.roles import PULL, WRITE_LOG
from generator.parts.network.place import task_subnets_export
from generator.parts.network.security_groups import security_group
from generator.parts.network.vpc import Network
from generator.parts.permissions import allow, document
from generator.settings import Settings
from generator.template.elements import Element, Value, export, why


def task_endpoints(settings: Settings, network: Network) -> tuple[Element, ...]:
    """The endpoints for tasks in the public subnets of `network`, or in the private ones with `private_ingress`.

    Raises TemplateError for a network without the subnets that `settings` ask for.
    """
    tasks_in, route_tables = _task_subnets(settings, network)
    group = security_group(
        "TaskEndpointSecurityGroup",
        "Closed until a compute stack adds a rule for its own group; no egress",
        "Endpoints for ECS tasks: takes HTTPS from the groups of compute stacks, sends nothing",
        network.vpc.ref(),
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
            VpcId=network.vpc.ref(),
            SubnetIds=[private.subnet.ref() for private in network.private_subnets[:zones]],
            SecurityGroupIds=[GetAtt(group, "GroupId")],
            PrivateDnsEnabled=True,
            PolicyDocument=policy,
            **more,
        )

    pull = _through(
        (PULL, Sub("arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/*")),
        ([ecr.GetAuthorizationToken], "*"),
    )
    # Amazon ECR user guide, "Minimum Amazon S3 bucket permissions for Amazon ECR".
    layers = Sub("arn:${AWS::Partition}:s3:::prod-${AWS::Region}-starport-layer-bucket/*")
    log_groups = Sub("arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:*")
    secrets = Sub("arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:*")
    return (
        *Login().inputs,
        group,
        interface("ImageApiEndpoint", "ecr.api", "Tasks log in to ECR here", pull),
        interface("ImageRegistryEndpoint", "ecr.dkr", "Tasks pull their image here", pull),
        ec2.VPCEndpoint(
            "ImageLayersEndpoint",
            Metadata=why("ECR keeps image layers in S3; this endpoint is free and leads to ECR's own bucket only"),
            ServiceName=Sub("com.amazonaws.${AWS::Region}.s3"),
            VpcEndpointType="Gateway",
            VpcId=network.vpc.ref(),
            RouteTableIds=route_tables,
            PolicyDocument=_through(([s3.GetObject], layers)),
        ),
        interface("LogsEndpoint", "logs", "Tasks write their log here", _through((WRITE_LOG, log_groups))),
        interface(
            "SecretsEndpoint",
            "secretsmanager",
            "Tasks read their password here; with IAM there is none",
            _through(([secretsmanager.GetSecretValue], secrets)),
            Condition=USES_PASSWORD.name,
        ),
        task_subnets_export(tasks_in),
        export(
            contract.TASK_ENDPOINT_SECURITY_GROUP_ID,
            "The security group of the tasks' endpoints, to which each compute stack adds its own rule.",
            GetAtt(group, "GroupId"),
        ),
    )


def _task_subnets(settings: Settings, network: Network) -> tuple[list[AWSHelperFn], list[AWSHelperFn]]:
    """The subnets of the tasks, and the route tables of these."""
    if settings.private_ingress:
        private = network.private_subnets
        return [each.subnet.ref() for each in private], [each.route_table.ref() for each in private]
    if network.public_side is None:
        raise TemplateError("ECS tasks that face the internet need public subnets: network() makes them.")
    public = network.public_side
    return [subnet.ref() for subnet in public.subnets], [public.route_table.ref()]


def _through(*statements: tuple[Sequence[aws.Action], Value]) -> aws.PolicyDocument:
    """Lets everyone who reaches an endpoint use it for these actions and resources only."""
    return document(*(allow(actions, arn, Principal=aws.Principal("*")) for actions, arn in statements))
