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
from generator.parts.authentication import authentication
from generator.parts.ecs_express.roles import PULL, WRITE_LOG
from generator.parts.network.egress import no_egress
from generator.parts.network.place import task_subnets_export
from generator.parts.network.vpc import Network
from generator.parts.permissions import POLICY_VERSION
from generator.settings import Settings
from generator.template.elements import Element, export, why


def task_endpoints(settings: Settings, network: Network) -> tuple[Element, ...]:
    """The endpoints for tasks in the public subnets of `network`, or in the private ones with `private_ingress`.

    Raises TemplateError for a network without the subnets that `settings` ask for.
    """
    tasks_in, route_tables = _task_subnets(settings, network)
    security_group = ec2.SecurityGroup(
        "TaskEndpointSecurityGroup",
        Metadata=why("Closed until a compute stack adds a rule for its own security group; no outbound traffic"),
        GroupDescription="Endpoints for ECS tasks: takes HTTPS from the groups of compute stacks, sends nothing",
        VpcId=network.vpc.ref(),
        SecurityGroupEgress=[no_egress()],
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
            SecurityGroupIds=[GetAtt(security_group, "GroupId")],
            PrivateDnsEnabled=True,
            PolicyDocument=policy,
            **more,
        )

    login = authentication()
    return (
        login.mode,
        login.uses_password,
        security_group,
        interface("ImageApiEndpoint", "ecr.api", "Tasks log in to ECR here", _pull_policy()),
        interface("ImageRegistryEndpoint", "ecr.dkr", "Tasks pull their image here", _pull_policy()),
        ec2.VPCEndpoint(
            "ImageLayersEndpoint",
            Metadata=why("ECR keeps image layers in S3; this endpoint is free and leads to ECR's own bucket only"),
            ServiceName=Sub("com.amazonaws.${AWS::Region}.s3"),
            VpcEndpointType="Gateway",
            VpcId=network.vpc.ref(),
            RouteTableIds=route_tables,
            PolicyDocument=_image_layers_policy(),
        ),
        interface("LogsEndpoint", "logs", "Tasks write their log here", _log_policy()),
        interface(
            "SecretsEndpoint",
            "secretsmanager",
            "Tasks read their password here; with IAM there is none",
            _secrets_policy(),
            Condition=login.uses_password.name,
        ),
        task_subnets_export(tasks_in),
        export(
            contract.TASK_ENDPOINT_SECURITY_GROUP_ID,
            "The security group of the tasks' endpoints, to which each compute stack adds its own rule.",
            GetAtt(security_group, "GroupId"),
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


def _pull_policy() -> aws.PolicyDocument:
    """Through this endpoint, images of this account may be pulled."""
    return _through_endpoint(
        _statement(PULL, "arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/*"),
        aws.Statement(
            Effect=aws.Allow, Principal=aws.Principal("*"), Action=[ecr.GetAuthorizationToken], Resource=["*"]
        ),
    )


def _image_layers_policy() -> aws.PolicyDocument:
    """Through this endpoint, ECR's image layers may be read.

    Source: Amazon ECR user guide, "Minimum Amazon S3 bucket permissions for Amazon ECR".
    """
    return _through_endpoint(
        _statement([s3.GetObject], "arn:${AWS::Partition}:s3:::prod-${AWS::Region}-starport-layer-bucket/*")
    )


def _log_policy() -> aws.PolicyDocument:
    """Through this endpoint, log groups of this account may be written."""
    return _through_endpoint(
        _statement(WRITE_LOG, "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:*")
    )


def _secrets_policy() -> aws.PolicyDocument:
    """Through this endpoint, secrets of this account may be read."""
    return _through_endpoint(
        _statement(
            [secretsmanager.GetSecretValue],
            "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:*",
        )
    )


def _through_endpoint(*statements: aws.Statement) -> aws.PolicyDocument:
    return aws.PolicyDocument(Version=POLICY_VERSION, Statement=list(statements))


def _statement(actions: Sequence[aws.Action], resource: str) -> aws.Statement:
    return aws.Statement(Effect=aws.Allow, Principal=aws.Principal("*"), Action=list(actions), Resource=[Sub(resource)])
