"""The App Runner service, its parameters, and its way into the VPC.

Limits: App Runner API reference, CreateService and CreateAutoScalingConfiguration.
"""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import AWSHelperFn, GetAtt, Output, Region, Select, Split, Sub, ec2
from troposphere import apprunner as aws_apprunner

from generator import contract
from generator.parts.apprunner.observability import app_runner_alarms, app_runner_dashboard
from generator.parts.apprunner.private_ingress import private_ingress
from generator.parts.apprunner.roles import image_access_role, instance_role
from generator.parts.authentication import authentication
from generator.parts.encryption import kms_key
from generator.parts.imports import ImportedData
from generator.parts.observability import notifications
from generator.parts.service import (
    SIZE_GROUP,
    Size,
    dashboard_url,
    https_url,
    image_uri,
    scaling_inputs,
    size,
    web_acl,
)
from generator.settings import Settings
from generator.template.elements import Input, Part, whole_number, why

SIZES = {
    "256": ("512", "1024"),
    "512": ("1024",),
    "1024": ("2048", "3072", "4096"),
    "2048": ("4096", "6144"),
    "4096": ("8192", "10240", "12288"),
}
"""CPU units (1024 are one vCPU) to the MB of memory that go with them: App Runner API, InstanceConfiguration."""

MAX_INSTANCES = 25
MAX_CONCURRENCY = 200


@dataclass(frozen=True)
class ServiceInputs:
    """The parameters of the service."""

    image_uri: Input
    size: Size
    min_size: Input
    max_size: Input
    concurrency: Input


@dataclass(frozen=True)
class Connection:
    """The service's way into the VPC: a security group of its own, a VPC connector, a rule at MemoryDB's group."""

    security_group: ec2.SecurityGroup
    ingress: ec2.SecurityGroupIngress
    connector: aws_apprunner.VpcConnector


def app_runner(data: ImportedData, settings: Settings = Settings(), *, prefix: str = "") -> Part:
    """A service that runs the image ImageUri against `data`. `prefix` lets two stand in one template."""
    inputs = _inputs(prefix)
    login = authentication()
    key = kms_key()
    access_role = image_access_role(f"{prefix}AccessRole", data.repository_arn)
    role = instance_role(
        f"{prefix}InstanceRole",
        login,
        key,
        password_secret_arn=data.password_secret_arn,
        cluster_arn=data.cluster_arn,
        user_arn=data.user_arn,
    )
    connection = _connection(data, settings, prefix)
    scaling = aws_apprunner.AutoScalingConfiguration(
        f"{prefix}AutoScaling",
        Metadata=why("Every property is create-only: a change creates a new configuration and moves the service to it"),
        MinSize=inputs.min_size.ref(),
        MaxSize=inputs.max_size.ref(),
        MaxConcurrency=inputs.concurrency.ref(),
    )
    service = aws_apprunner.Service(
        f"{prefix}Service",
        Metadata=why(
            "No tags here, on the connector or on the auto scaling configuration: changing a tag replaces the resource"
        ),
        DependsOn=connection.ingress,
        SourceConfiguration=aws_apprunner.SourceConfiguration(
            AuthenticationConfiguration=aws_apprunner.AuthenticationConfiguration(
                AccessRoleArn=GetAtt(access_role, "Arn")
            ),
            # Would otherwise be on for a private repository (App Runner API, SourceConfiguration), and deploy behind
            # CloudFormation's back.
            AutoDeploymentsEnabled=False,
            ImageRepository=aws_apprunner.ImageRepository(
                ImageIdentifier=inputs.image_uri.ref(),
                ImageRepositoryType="ECR",
                ImageConfiguration=aws_apprunner.ImageConfiguration(
                    # App Runner sets the variable PORT from this, and refuses it among the variables.
                    Port=str(contract.SERVICE_PORT),
                    RuntimeEnvironmentVariables=[
                        _pair(contract.ENV_CLUSTER_ENDPOINT, data.cluster_endpoint),
                        _pair(contract.ENV_USERNAME, data.user_name),
                        login.with_iam(_pair(contract.ENV_AUTHENTICATION, contract.IAM)),
                        login.with_iam(_pair(contract.ENV_CLUSTER_NAME, data.cluster_name)),
                        # Not documented that App Runner sets it itself.
                        login.with_iam(_pair(contract.ENV_REGION, Region)),
                    ],
                    RuntimeEnvironmentSecrets=login.with_password(
                        [_pair(contract.ENV_PASSWORD, data.password_secret_arn)]
                    ),
                ),
            ),
        ),
        InstanceConfiguration=aws_apprunner.InstanceConfiguration(
            Cpu=inputs.size.cpu.ref(), Memory=inputs.size.memory.ref(), InstanceRoleArn=GetAtt(role, "Arn")
        ),
        AutoScalingConfigurationArn=GetAtt(scaling, "AutoScalingConfigurationArn"),
        HealthCheckConfiguration=aws_apprunner.HealthCheckConfiguration(
            Protocol="HTTP",
            Path=contract.HEALTH_PATH,
            Interval=5,
            Timeout=2,
            HealthyThreshold=1,
            UnhealthyThreshold=5,
        ),
        NetworkConfiguration=aws_apprunner.NetworkConfiguration(
            EgressConfiguration=aws_apprunner.EgressConfiguration(
                EgressType="VPC", VpcConnectorArn=GetAtt(connection.connector, "VpcConnectorArn")
            ),
            IngressConfiguration=aws_apprunner.IngressConfiguration(IsPubliclyAccessible=not settings.private_ingress),
        ),
        EncryptionConfiguration=key.choose(aws_apprunner.EncryptionConfiguration(KmsKey=key.arn.ref())),
    )
    service_arn = GetAtt(service, "ServiceArn")
    # The service's name has no attribute of its own: arn:…:service/<name>/<id>.
    service_name = Select(1, Split("/", service_arn))
    service_id = GetAtt(service, "ServiceId")
    ingress = private_ingress(data, service_arn, prefix) if settings.private_ingress else None
    host = GetAtt(ingress[0], "DomainName") if ingress else GetAtt(service, "ServiceUrl")
    notify = notifications(prefix)
    board = app_runner_dashboard(
        service_name=service_name, service_id=service_id, cluster_name=data.cluster_name, prefix=prefix
    )
    return (
        data.stack_name,
        inputs,
        web_acl(prefix, service_arn),
        login,
        key,
        access_role,
        role,
        connection,
        scaling,
        service,
        ingress,
        notify,
        app_runner_alarms(
            notify,
            service_name=service_name,
            service_id=service_id,
            min_size=inputs.min_size.ref(),
            max_size=inputs.max_size.ref(),
            prefix=prefix,
        ),
        board,
        https_url(prefix + contract.SERVICE_URL, host),
        Output(prefix + contract.SERVICE_ARN, Description="The ARN of the service.", Value=service_arn),
        dashboard_url(f"{prefix}DashboardUrl", board),
    )


def _pair(name: str, value: AWSHelperFn | str) -> aws_apprunner.KeyValuePair:
    return aws_apprunner.KeyValuePair(Name=name, Value=value)


def _connection(data: ImportedData, settings: Settings, prefix: str) -> Connection:
    port = contract.MEMORYDB_PORT
    to_memorydb = ec2.SecurityGroupRule(
        IpProtocol="tcp",
        FromPort=port,
        ToPort=port,
        DestinationSecurityGroupId=data.memorydb_security_group_id,
        Description="MemoryDB",
    )
    to_internet = ec2.SecurityGroupRule(
        IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="0.0.0.0/0", Description="HTTPS through NAT"
    )
    security_group = ec2.SecurityGroup(
        f"{prefix}ConnectorSecurityGroup",
        Metadata=why(
            "App Runner allows one connector for each set of security groups. The description contains the subnets, so "
            "that the group is replaced together with the connector"
        ),
        GroupDescription=Sub("App Runner VPC connector in ${SubnetIds}", SubnetIds=data.joined_private_subnet_ids),
        VpcId=data.vpc_id,
        SecurityGroupEgress=[to_memorydb, *([to_internet] if settings.nat != "none" else [])],
    )
    return Connection(
        security_group,
        ec2.SecurityGroupIngress(
            f"{prefix}MemoryDbIngress",
            Metadata=why("Opens the imported security group to this service only"),
            GroupId=data.memorydb_security_group_id,
            SourceSecurityGroupId=GetAtt(security_group, "GroupId"),
            IpProtocol="tcp",
            FromPort=port,
            ToPort=port,
            Description=Sub("App Runner, stack ${AWS::StackName}"),
        ),
        aws_apprunner.VpcConnector(
            f"{prefix}VpcConnector",
            Metadata=why(
                "For the service's own connections; App Runner fetches image and secret and writes logs outside the VPC"
            ),
            SecurityGroups=[GetAtt(security_group, "GroupId")],
            Subnets=data.private_subnet_ids,
        ),
    )


def _inputs(prefix: str) -> ServiceInputs:
    min_size, max_size = scaling_inputs(
        prefix, "instances", MAX_INSTANCES, "The number of instances that are always ready; you pay for their memory."
    )
    return ServiceInputs(
        image_uri=image_uri(prefix),
        size=size(
            prefix,
            "CPU of an instance, in CPU units; 1024 units are one vCPU.",
            "Memory of an instance, in MB. Possible sizes for each Cpu: "
            + "; ".join(f"{units}: {', '.join(sizes)}" for units, sizes in SIZES.items())
            + ".",
            SIZES,
        ),
        min_size=min_size,
        max_size=max_size,
        concurrency=whole_number(
            f"{prefix}MaxConcurrency",
            default=100,
            least=1,
            most=MAX_CONCURRENCY,
            description="How many concurrent requests an instance takes before another instance is added.",
            group=SIZE_GROUP,
            label="Concurrent requests per instance",
        ),
    )
