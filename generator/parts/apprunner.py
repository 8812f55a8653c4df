"""The App Runner service, its roles, its way into the VPC, and optionally its private way in.

Limits: App Runner API reference, CreateService and CreateAutoScalingConfiguration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from troposphere import (
    AWSHelperFn,
    Equals,
    GetAtt,
    Not,
    Output,
    Parameter,
    Region,
    Select,
    Split,
    Sub,
    cloudwatch,
    ec2,
    iam,
    wafv2,
)
from troposphere import apprunner as aws_apprunner

from generator import contract
from generator.parts.access import KmsKey, image_access_role, instance_role, kms_key
from generator.parts.authentication import Authentication, authentication
from generator.parts.data import Data
from generator.parts.network import nowhere
from generator.parts.observability import (
    AppRunnerAlarms,
    Notifications,
    app_runner_alarms,
    dashboard,
    notifications,
)
from generator.parts.service_inputs import (
    SIZE_GROUP,
    dashboard_url,
    https_url,
    image_uri,
    size,
    size_rules,
    web_acl_arn,
)
from generator.settings import Settings
from generator.template import Condition, Input, Rule, why

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
    cpu: Input
    memory: Input
    min_size: Input
    max_size: Input
    concurrency: Input
    web_acl_arn: Input
    sizes: tuple[Rule, ...]


@dataclass(frozen=True)
class Connection:
    """The service's way into the VPC: a security group of its own, a VPC connector, a rule at MemoryDB's group."""

    security_group: ec2.SecurityGroup
    ingress: ec2.SecurityGroupIngress
    connector: aws_apprunner.VpcConnector


@dataclass(frozen=True)
class PrivateIngress:
    """The only way to a private service: an endpoint in the VPC that answers the members of one security group."""

    client_group: ec2.SecurityGroup
    client_egress: ec2.SecurityGroupEgress
    endpoint_group: ec2.SecurityGroup
    endpoint_ingress: ec2.SecurityGroupIngress
    endpoint: ec2.VPCEndpoint
    connection: aws_apprunner.VpcIngressConnection
    client_group_output: Output


@dataclass(frozen=True)
class AppRunner:
    """An App Runner service that talks to one MemoryDB cluster as one user."""

    data: tuple[Input, ...]
    inputs: ServiceInputs
    authentication: Authentication
    key: KmsKey
    access_role: iam.Role
    instance_role: iam.Role
    connection: Connection
    scaling: aws_apprunner.AutoScalingConfiguration
    service: aws_apprunner.Service
    has_web_acl: Condition
    web_acl: wafv2.WebACLAssociation
    private_ingress: PrivateIngress | None
    notifications: Notifications
    alarms: AppRunnerAlarms
    dashboard: cloudwatch.Dashboard
    url_output: Output
    arn_output: Output
    dashboard_output: Output


def app_runner(data: Data, settings: Settings = Settings(), *, prefix: str = "") -> AppRunner:
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
        Metadata=why("Every property is create-only: a change makes a new configuration and moves the service to it"),
        MinSize=inputs.min_size.ref(),
        MaxSize=inputs.max_size.ref(),
        MaxConcurrency=inputs.concurrency.ref(),
    )
    service = aws_apprunner.Service(
        f"{prefix}Service",
        Metadata=why("No tags here, on the connector or on the scaling: changing one replaces the resource"),
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
            Cpu=inputs.cpu.ref(), Memory=inputs.memory.ref(), InstanceRoleArn=GetAtt(role, "Arn")
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
    has_web_acl = Condition(f"{prefix}HasWebAcl", Not(Equals(inputs.web_acl_arn.ref(), "")))
    private_ingress = _private_ingress(data, service_arn, prefix) if settings.private_ingress else None
    host = GetAtt(private_ingress.connection, "DomainName") if private_ingress else GetAtt(service, "ServiceUrl")
    notify = notifications(prefix)
    board = dashboard(service_name=service_name, service_id=service_id, cluster_name=data.cluster_name, prefix=prefix)
    return AppRunner(
        data.inputs,
        inputs,
        login,
        key,
        access_role,
        role,
        connection,
        scaling,
        service,
        has_web_acl,
        wafv2.WebACLAssociation(
            f"{prefix}WebAclAssociation",
            Metadata=why("In front of the service, whose API has no authentication"),
            Condition=has_web_acl.name,
            ResourceArn=service_arn,
            WebACLArn=inputs.web_acl_arn.ref(),
        ),
        private_ingress,
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


def _connection(data: Data, settings: Settings, prefix: str) -> Connection:
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
            "App Runner takes one connector for each set of groups: the description names the subnets so that the "
            "group is replaced together with the connector"
        ),
        GroupDescription=Sub("App Runner VPC connector in ${SubnetIds}", SubnetIds=data.joined_private_subnet_ids),
        VpcId=data.vpc_id,
        SecurityGroupEgress=[to_memorydb, *([to_internet] if settings.nat != "none" else [])],
    )
    return Connection(
        security_group,
        ec2.SecurityGroupIngress(
            f"{prefix}MemoryDbIngress",
            Metadata=why("Opens the imported group to this service and to nobody else"),
            GroupId=data.memorydb_security_group_id,
            SourceSecurityGroupId=GetAtt(security_group, "GroupId"),
            IpProtocol="tcp",
            FromPort=port,
            ToPort=port,
            Description=Sub("App Runner, stack ${AWS::StackName}"),
        ),
        aws_apprunner.VpcConnector(
            f"{prefix}VpcConnector",
            Metadata=why("The service's own calls go through here; image, secret and logs do not"),
            SecurityGroups=[GetAtt(security_group, "GroupId")],
            Subnets=data.private_subnet_ids,
        ),
    )


def _private_ingress(data: Data, service_arn: AWSHelperFn, prefix: str) -> PrivateIngress:
    client_group = ec2.SecurityGroup(
        f"{prefix}ClientSecurityGroup",
        Metadata=why("Members may call the service; the endpoint knows no other caller"),
        GroupDescription="Members may call the App Runner service",
        VpcId=data.vpc_id,
        SecurityGroupEgress=[nowhere()],
    )
    endpoint_group = ec2.SecurityGroup(
        f"{prefix}EndpointSecurityGroup",
        Metadata=why("App Runner takes no endpoint policy: this group is the access control"),
        GroupDescription="The App Runner service: takes HTTPS from the group of its clients, sends nothing",
        VpcId=data.vpc_id,
        SecurityGroupEgress=[nowhere()],
    )
    client_group_id, endpoint_group_id = GetAtt(client_group, "GroupId"), GetAtt(endpoint_group, "GroupId")
    https: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    endpoint = ec2.VPCEndpoint(
        f"{prefix}ServiceEndpoint",
        Metadata=why("The private service's way in, in every zone of the cluster"),
        ServiceName=Sub("com.amazonaws.${AWS::Region}.apprunner.requests"),
        VpcEndpointType="Interface",
        VpcId=data.vpc_id,
        SubnetIds=data.private_subnet_ids,
        SecurityGroupIds=[endpoint_group_id],
        # The service's own domain name resolves through the VpcIngressConnection (App Runner developer guide,
        # "Enabling private endpoint for incoming traffic").
        PrivateDnsEnabled=False,
    )
    return PrivateIngress(
        client_group,
        ec2.SecurityGroupEgress(
            f"{prefix}ClientEgress",
            Metadata=why("Clients to endpoint, by group"),
            GroupId=client_group_id,
            DestinationSecurityGroupId=endpoint_group_id,
            Description="The App Runner service",
            **https,
        ),
        endpoint_group,
        ec2.SecurityGroupIngress(
            f"{prefix}EndpointIngress",
            Metadata=why("Endpoint from clients, by group"),
            GroupId=endpoint_group_id,
            SourceSecurityGroupId=client_group_id,
            Description="Clients of the App Runner service",
            **https,
        ),
        endpoint,
        aws_apprunner.VpcIngressConnection(
            f"{prefix}VpcIngressConnection",
            Metadata=why("Ties the service to the endpoint and gives it its private domain name"),
            ServiceArn=service_arn,
            IngressVpcConfiguration=aws_apprunner.IngressVpcConfiguration(
                VpcId=data.vpc_id, VpcEndpointId=endpoint.ref()
            ),
        ),
        Output(
            f"{prefix}ClientSecurityGroupId",
            Description="Attach this security group to whatever in the VPC calls the service.",
            Value=client_group_id,
        ),
    )


def _inputs(prefix: str) -> ServiceInputs:
    cpu, memory = size(
        prefix,
        "CPU of an instance, in units of which 1024 are one vCPU.",
        "Memory of an instance, in MB. Each CPU size takes "
        + "; ".join(f"{units}: {', '.join(sizes)}" for units, sizes in SIZES.items())
        + ".",
        SIZES,
    )
    return ServiceInputs(
        image_uri=image_uri(prefix),
        cpu=cpu,
        memory=memory,
        min_size=Input(
            Parameter(
                f"{prefix}MinSize",
                Type="Number",
                Default=1,
                MinValue=1,
                MaxValue=MAX_INSTANCES,
                ConstraintDescription=f"A whole number from 1 to {MAX_INSTANCES}.",
                Description="How many instances are always ready; their memory is paid for. At most MaxSize.",
            ),
            group=SIZE_GROUP,
            label="Instances, at least",
        ),
        max_size=Input(
            Parameter(
                f"{prefix}MaxSize",
                Type="Number",
                Default=5,
                MinValue=1,
                MaxValue=MAX_INSTANCES,
                ConstraintDescription=f"A whole number from 1 to {MAX_INSTANCES}.",
                Description="How many instances serve requests at most.",
            ),
            group=SIZE_GROUP,
            label="Instances, at most",
        ),
        concurrency=Input(
            Parameter(
                f"{prefix}MaxConcurrency",
                Type="Number",
                Default=100,
                MinValue=1,
                MaxValue=MAX_CONCURRENCY,
                ConstraintDescription=f"A whole number from 1 to {MAX_CONCURRENCY}.",
                Description="How many requests an instance takes at once before another one is added.",
            ),
            group=SIZE_GROUP,
            label="Requests at once per instance",
        ),
        web_acl_arn=web_acl_arn(prefix),
        sizes=size_rules(prefix, cpu, memory, SIZES),
    )
