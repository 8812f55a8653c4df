"""The App Runner service, its parameters, and its connection into the VPC.

Limits: App Runner API reference, CreateService and CreateAutoScalingConfiguration.
"""

from __future__ import annotations

import re

from troposphere import GetAtt, Sub, ec2
from troposphere import apprunner as aws_apprunner

from generator.errors import TemplateError
from generator.parts.apprunner.observability import app_runner_alarms, app_runner_dashboard
from generator.parts.apprunner.private_ingress import private_ingress
from generator.parts.apprunner.roles import image_access_role, instance_role
from generator.parts.basis import Basis, basis
from generator.parts.encryption import kms_key
from generator.parts.image import PUBLIC_ECR, image_input, repository_arn
from generator.parts.imports import imported_place
from generator.parts.network.place import joined
from generator.parts.network.security_groups import egress, memorydb_ingress, security_group
from generator.parts.observability import notifications
from generator.parts.service import outputs, web_acl
from generator.parts.size import SIZE_GROUP, scaling_inputs, size
from generator.settings import Settings
from generator.template.elements import Element, Part, Value, given, why
from generator.template.inputs import whole_number
from generator.workload import Workload

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


def app_runner(settings: Settings = Settings(), workload: Workload = Workload()) -> Part:
    """A service that runs `workload`, with its roles, alarms, dashboard and connection into a VPC.

    Raises TemplateError for a workload that App Runner cannot run.
    """
    _check(workload)
    on = basis(workload, imported_place(), reserved="AWSAPPRUNNER", needs_place=settings.private_ingress)
    image = image_input(workload)
    sizes = size(workload, "an instance", SIZES, ", ".join)
    min_size, max_size = scaling_inputs(
        workload, "instances", MAX_INSTANCES, "The number of instances that are always ready; you pay for their memory."
    )
    concurrency = whole_number(
        "MaxConcurrency",
        default=workload.concurrency or DEFAULT_CONCURRENCY,
        least=1,
        most=MAX_CONCURRENCY,
        description="How many concurrent requests an instance takes before another instance is added.",
        group=SIZE_GROUP,
        label="Concurrent requests per instance",
    )
    key = kms_key()
    repository = repository_arn(workload)
    access_role = image_access_role(repository) if repository is not None else None
    role = instance_role(on, key)
    connector, connection = _connection(on, settings) if on.place else (None, ())
    scaling = aws_apprunner.AutoScalingConfiguration(
        "AutoScaling",
        Metadata=why("Every property is create-only: a change creates a new configuration and moves the service to it"),
        MinSize=min_size.ref(),
        MaxSize=max_size.ref(),
        MaxConcurrency=concurrency.ref(),
    )
    ingress_rule = [element for element in connection if isinstance(element, ec2.SecurityGroupIngress)]
    service = aws_apprunner.Service(
        "Service",
        Metadata=why(
            "No tags here, on the connector or on the auto scaling configuration: changing a tag replaces the resource"
        ),
        **given(DependsOn=ingress_rule[0] if ingress_rule else None),
        SourceConfiguration=aws_apprunner.SourceConfiguration(
            **given(
                AuthenticationConfiguration=aws_apprunner.AuthenticationConfiguration(
                    AccessRoleArn=GetAtt(access_role, "Arn")
                )
                if access_role
                else None
            ),
            # Would otherwise be on for a private repository (App Runner API, SourceConfiguration), and deploy behind
            # CloudFormation's back.
            AutoDeploymentsEnabled=False,
            ImageRepository=aws_apprunner.ImageRepository(
                ImageIdentifier=image.ref() if image else workload.image,
                ImageRepositoryType="ECR_PUBLIC" if repository is None else "ECR",
                ImageConfiguration=_image_configuration(on),
            ),
        ),
        InstanceConfiguration=aws_apprunner.InstanceConfiguration(
            Cpu=sizes.cpu.ref(), Memory=sizes.memory.ref(), InstanceRoleArn=GetAtt(role, "Arn")
        ),
        AutoScalingConfigurationArn=GetAtt(scaling, "AutoScalingConfigurationArn"),
        HealthCheckConfiguration=_health_check(workload),
        NetworkConfiguration=aws_apprunner.NetworkConfiguration(
            EgressConfiguration=aws_apprunner.EgressConfiguration(
                EgressType="VPC", VpcConnectorArn=GetAtt(connector, "VpcConnectorArn")
            )
            if connector
            else aws_apprunner.EgressConfiguration(EgressType="DEFAULT"),
            IngressConfiguration=aws_apprunner.IngressConfiguration(IsPubliclyAccessible=not settings.private_ingress),
        ),
        EncryptionConfiguration=key.choose(aws_apprunner.EncryptionConfiguration(KmsKey=key.ref())),
    )
    service_arn = GetAtt(service, "ServiceArn")
    ingress = private_ingress(on.place, service_arn) if settings.private_ingress and on.place else None
    notify = notifications()
    board = app_runner_dashboard(service, on.cluster_name)
    return (
        image,
        sizes,
        min_size,
        max_size,
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
        app_runner_alarms(notify, service, min_size=min_size.ref(), max_size=max_size.ref()),
        board,
        outputs(
            GetAtt(ingress[0], "DomainName") if ingress else GetAtt(service, "ServiceUrl"),
            service_arn,
            board,
        ),
    )


def _check(workload: Workload) -> None:
    """Raises TemplateError for what App Runner would refuse and cfn-lint does not see."""
    if any(re.search(r"""[\s"'\\]""", word) or not word for word in workload.command):
        # The API takes one string; how it is split is not documented.
        raise TemplateError("Workload.command: App Runner takes words without spaces, quotes or backslashes only.")
    if not 1 <= (workload.concurrency or DEFAULT_CONCURRENCY) <= MAX_CONCURRENCY:
        raise TemplateError(f"Workload.concurrency must be between 1 and {MAX_CONCURRENCY}.")
    health = workload.health
    if not all(1 <= n <= MAX_CHECK for n in (health.interval, health.timeout, health.healthy, health.unhealthy)):
        raise TemplateError(f"The numbers of Workload.health must be between 1 and {MAX_CHECK}.")
    if (
        isinstance(workload.image, str)
        and repository_arn(workload) is None
        and not workload.image.startswith(PUBLIC_ECR)
    ):
        raise TemplateError(f"App Runner runs images of Amazon ECR only, not {workload.image}.")


def _image_configuration(on: Basis) -> aws_apprunner.ImageConfiguration:
    return aws_apprunner.ImageConfiguration(
        # App Runner sets the variable PORT from this, and refuses it among the variables.
        Port=str(on.workload.port),
        **given(
            StartCommand=" ".join(on.workload.command) or None,
            RuntimeEnvironmentVariables=on.variables(_pair) or None,
            RuntimeEnvironmentSecrets=on.secrets(_pair),
        ),
    )


def _health_check(workload: Workload) -> aws_apprunner.HealthCheckConfiguration:
    health = workload.health
    return aws_apprunner.HealthCheckConfiguration(
        **({"Protocol": "HTTP", "Path": health.path} if health.path else {"Protocol": "TCP"}),
        Interval=health.interval,
        Timeout=health.timeout,
        HealthyThreshold=health.healthy,
        UnhealthyThreshold=health.unhealthy,
    )


def _pair(name: str, value: Value) -> aws_apprunner.KeyValuePair:
    return aws_apprunner.KeyValuePair(Name=name, Value=value)


def _connection(on: Basis, settings: Settings) -> tuple[aws_apprunner.VpcConnector, tuple[Element, ...]]:
    """The connector, and all of the service's way into the VPC: its security group, and a rule at MemoryDB's group."""
    assert on.place
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
    connector = aws_apprunner.VpcConnector(
        "VpcConnector",
        Metadata=why(
            "For the service's own connections; App Runner fetches image and secret and writes logs outside the VPC"
        ),
        SecurityGroups=[GetAtt(group, "GroupId"), *workload.security_groups],
        Subnets=on.place.private_subnet_ids,
    )
    if on.cluster_group_id is None:
        return connector, (group, connector)
    ingress = memorydb_ingress(on.cluster_group_id, group, Sub("App Runner, stack ${AWS::StackName}"))
    return connector, (group, ingress, connector)
