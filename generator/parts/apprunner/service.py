"""The App Runner service, its parameters, and its connection into the VPC.

Limits: App Runner API reference, CreateService and CreateAutoScalingConfiguration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from troposphere import GetAtt, Sub, ec2, iam
from troposphere import apprunner as aws_apprunner

from generator.errors import TemplateError
from generator.parts.apprunner.observability import app_runner_alarms, app_runner_dashboard
from generator.parts.apprunner.private_ingress import private_ingress
from generator.parts.apprunner.roles import image_access_role, instance_role
from generator.parts.basis import Basis, basis
from generator.parts.encryption import kms_key
from generator.parts.image import PUBLIC_ECR, repository_arn
from generator.parts.imports import imported_place
from generator.parts.network.place import joined
from generator.parts.network.security_groups import egress, memorydb_ingress, security_group
from generator.parts.observability import notifications
from generator.parts.service import outputs, web_acl
from generator.parts.size import SIZE_GROUP, size
from generator.settings import Settings
from generator.template.elements import Part, Value, given, why
from generator.workload import HealthCheck, Workload

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
DEFAULT_CONCURRENCY = 100
# Of a health check (App Runner API, HealthCheckConfiguration).
MAX_CHECK = 20


@dataclass(frozen=True)
class Connection:
    """A service's way into a VPC: its security group, the rules that name it in others, and the connector."""

    group: ec2.SecurityGroup
    rules: tuple[ec2.SecurityGroupIngress, ...]
    connector: aws_apprunner.VpcConnector


def app_runner(settings: Settings = Settings(), workload: Workload = Workload()) -> Part:
    """A service that runs `workload`, with its roles, alarms, dashboard and connection into a VPC.

    Raises TemplateError for a workload that App Runner cannot run.
    """
    _check(workload)
    on = basis(workload, imported_place(), reserved="AWSAPPRUNNER", needs_place=settings.private_ingress)
    sizes = size(
        workload,
        "an instance",
        "instances",
        memory_of_cpu=SIZES,
        most=MAX_INSTANCES,
        ready="The number of instances that are always ready; you pay for their memory.",
    )
    concurrency = SIZE_GROUP.whole_number(
        "MaxConcurrency",
        default=workload.concurrency or DEFAULT_CONCURRENCY,
        least=1,
        most=MAX_CONCURRENCY,
        description="How many concurrent requests an instance takes before another instance is added.",
        label="Concurrent requests per instance",
    )
    scaling = aws_apprunner.AutoScalingConfiguration(
        "AutoScaling",
        Metadata=why("Every property is create-only: a change creates a new configuration and moves the service to it"),
        MinSize=sizes.min_size.ref(),
        MaxSize=sizes.max_size.ref(),
        MaxConcurrency=concurrency.ref(),
    )
    key = kms_key()
    repository = repository_arn(workload)
    access_role = image_access_role(repository) if repository is not None else None
    role = instance_role(on, key)
    connection = _connection(on, settings)
    service = aws_apprunner.Service(
        "Service",
        Metadata=why(
            "No tags here, on the connector or on the auto scaling configuration: changing a tag replaces the resource"
        ),
        **given(DependsOn=connection.rules[0] if connection and connection.rules else None),
        SourceConfiguration=_source(on, access_role),
        InstanceConfiguration=aws_apprunner.InstanceConfiguration(
            Cpu=sizes.cpu.ref(), Memory=sizes.memory.ref(), InstanceRoleArn=GetAtt(role, "Arn")
        ),
        AutoScalingConfigurationArn=GetAtt(scaling, "AutoScalingConfigurationArn"),
        HealthCheckConfiguration=_health_check(workload.health),
        NetworkConfiguration=_network(connection, public=not settings.private_ingress),
        EncryptionConfiguration=key.choose(aws_apprunner.EncryptionConfiguration(KmsKey=key.ref())),
    )
    service_arn = GetAtt(service, "ServiceArn")
    ingress = private_ingress(on.place, service_arn) if settings.private_ingress and on.place else None
    host = GetAtt(ingress[0], "DomainName") if ingress else GetAtt(service, "ServiceUrl")
    notify = notifications()
    board = app_runner_dashboard(service, on.cluster_name)
    return (
        on.image,
        sizes,
        concurrency,
        web_acl(service_arn),
        on.inputs,
        key,
        access_role,
        role,
        connection,
        scaling,
        service,
        ingress,
        notify,
        app_runner_alarms(notify, service, min_size=sizes.min_size.ref(), max_size=sizes.max_size.ref()),
        board,
        outputs(host, service_arn, board),
    )


def _check(workload: Workload) -> None:
    """Raises TemplateError for what App Runner would refuse and cfn-lint does not see."""
    if any(re.search(r"""[\s"'\\]""", word) or not word for word in workload.command):
        # The API takes one string; how it is split is not documented.
        raise TemplateError("Workload.command: App Runner takes words without spaces, quotes or backslashes only.")
    if not 1 <= (workload.concurrency or DEFAULT_CONCURRENCY) <= MAX_CONCURRENCY:
        raise TemplateError(f"Workload.concurrency must be between 1 and {MAX_CONCURRENCY}.")
    if workload.log_retention != Workload.log_retention:
        raise TemplateError("Workload.log_retention is ECS Express's: App Runner makes its log groups itself.")
    health = workload.health
    if not all(1 <= n <= MAX_CHECK for n in (health.interval, health.timeout, health.healthy, health.unhealthy)):
        raise TemplateError(f"The numbers of Workload.health must be between 1 and {MAX_CHECK}.")
    if (
        isinstance(workload.image, str)
        and repository_arn(workload) is None
        and not workload.image.startswith(PUBLIC_ECR)
    ):
        raise TemplateError(f"App Runner runs images of Amazon ECR only, not {workload.image}.")


def _source(on: Basis, access_role: iam.Role | None) -> aws_apprunner.SourceConfiguration:
    """The image, with the role that pulls it from a private repository, and the container."""
    access = access_role and aws_apprunner.AuthenticationConfiguration(AccessRoleArn=GetAtt(access_role, "Arn"))
    return aws_apprunner.SourceConfiguration(
        **given(AuthenticationConfiguration=access),
        # Would otherwise be on for a private repository (App Runner API, SourceConfiguration), and deploy behind
        # CloudFormation's back.
        AutoDeploymentsEnabled=False,
        ImageRepository=aws_apprunner.ImageRepository(
            ImageIdentifier=on.image_uri,
            ImageRepositoryType="ECR" if access_role else "ECR_PUBLIC",
            ImageConfiguration=aws_apprunner.ImageConfiguration(
                # App Runner sets the variable PORT from this, and refuses it among the variables.
                Port=str(on.workload.port),
                **given(
                    StartCommand=" ".join(on.workload.command) or None,
                    RuntimeEnvironmentVariables=on.variables(_pair) or None,
                    RuntimeEnvironmentSecrets=on.secrets(_pair),
                ),
            ),
        ),
    )


def _pair(name: str, value: Value) -> aws_apprunner.KeyValuePair:
    return aws_apprunner.KeyValuePair(Name=name, Value=value)


def _health_check(health: HealthCheck) -> aws_apprunner.HealthCheckConfiguration:
    return aws_apprunner.HealthCheckConfiguration(
        **({"Protocol": "HTTP", "Path": health.path} if health.path else {"Protocol": "TCP"}),
        Interval=health.interval,
        Timeout=health.timeout,
        HealthyThreshold=health.healthy,
        UnhealthyThreshold=health.unhealthy,
    )


def _network(connection: Connection | None, *, public: bool) -> aws_apprunner.NetworkConfiguration:
    connector_arn = connection and GetAtt(connection.connector, "VpcConnectorArn")
    return aws_apprunner.NetworkConfiguration(
        EgressConfiguration=aws_apprunner.EgressConfiguration(
            EgressType="VPC" if connection else "DEFAULT", **given(VpcConnectorArn=connector_arn)
        ),
        IngressConfiguration=aws_apprunner.IngressConfiguration(IsPubliclyAccessible=public),
    )


def _connection(on: Basis, settings: Settings) -> Connection | None:
    """The service's way into its VPC, if it has one."""
    if on.place is None:
        return None
    workload = on.workload
    has_nat = settings.nat != "none" and workload.network is None
    internet = has_nat if workload.internet is None else workload.internet
    group = security_group(
        "ConnectorSecurityGroup",
        "App Runner allows one connector for each set of security groups. The description contains the subnets, so "
        "that the group is replaced together with the connector",
        Sub("App Runner VPC connector in ${SubnetIds}", SubnetIds=joined(on.place.private_subnet_ids)),
        on.place.vpc_id,
        egress(on.cluster_group_id, "HTTPS through NAT" if internet else ""),
    )
    rules = () if on.cluster_group_id is None else (memorydb_ingress(on.cluster_group_id, group, "App Runner"),)
    connector = aws_apprunner.VpcConnector(
        "VpcConnector",
        Metadata=why(
            "For the service's own connections; App Runner fetches image and secret and writes logs outside the VPC"
        ),
        SecurityGroups=[GetAtt(group, "GroupId"), *workload.security_groups],
        Subnets=on.place.private_subnet_ids,
    )
    return Connection(group, rules, connector)
