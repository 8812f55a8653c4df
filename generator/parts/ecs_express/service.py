"""The service on Amazon ECS Express Mode: its roles, its security group, its log.

Express Mode makes and keeps the load balancer, its certificate and address, the security groups between it and the
tasks, and the scaling (Amazon ECS developer guide, "Resources created by Amazon ECS Express Mode services"). The load
balancer stands in the subnets of the tasks: public ones make it face the internet, private ones the VPC.
"""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import AWSHelperFn, GetAtt, Output, Region, Sub, ec2
from troposphere import ecs as aws_ecs

from generator import contract
from generator.parts.authentication import authentication
from generator.parts.ecs_express.observability import ecs_alarms, ecs_dashboard, ecs_metrics, load_balancer_arn
from generator.parts.ecs_express.roles import execution_role, infrastructure_role, task_role
from generator.parts.encryption import kms_key
from generator.parts.imports import ImportedData
from generator.parts.observability import log_group, notifications
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
from generator.template.elements import Input, Part, whole_number, why


def _megabytes(least: int, most: int) -> tuple[str, ...]:
    return tuple(str(size) for size in range(least, most + 1, 1024))


SIZES = {
    "256": ("512", "1024", "2048"),
    "512": _megabytes(1024, 4096),
    "1024": _megabytes(2048, 8192),
    "2048": _megabytes(4096, 16384),
    "4096": _megabytes(8192, 30720),
}
"""CPU units (1024 are one vCPU) to the MB of memory that go with them on Fargate: ECS API, TaskDefinition, memory.

8 and 16 vCPU are left out: the service is one process, and its CPU time Python's.
"""

MAX_TASKS = 100


@dataclass(frozen=True)
class TaskInputs:
    """The parameters of the service."""

    image_uri: Input
    size: Size
    min_size: Input
    max_size: Input
    cpu_target: Input


@dataclass(frozen=True)
class TaskConnection:
    """The tasks' security group, and its rules at the groups of MemoryDB and of the endpoints."""

    security_group: ec2.SecurityGroup
    memorydb_ingress: ec2.SecurityGroupIngress
    endpoint_ingress: ec2.SecurityGroupIngress


def ecs_express(data: ImportedData, *, prefix: str = "") -> Part:
    """A service that runs the image ImageUri against `data`. `prefix` lets two stand in one template."""
    inputs = _inputs(prefix)
    login = authentication()
    key = kms_key()
    retention, log = log_group(f"{prefix}ServiceLogGroup")
    infrastructure = infrastructure_role(f"{prefix}InfrastructureRole")
    execution = execution_role(
        f"{prefix}ExecutionRole",
        repository_arn=data.repository_arn,
        login=login,
        password_secret_arn=data.password_secret_arn,
        log_group=log,
        key=key,
    )
    task = task_role(f"{prefix}TaskRole", login, cluster_arn=data.cluster_arn, user_arn=data.user_arn)
    connection = _connection(data, prefix)
    service = aws_ecs.ExpressGatewayService(
        f"{prefix}Service",
        Metadata=why(
            "No tags and no name: changing one replaces the service and its address, and a name stays taken while a "
            "deleted service drains. Runs in the account's default cluster, which ECS creates if there is none"
        ),
        DependsOn=[connection.memorydb_ingress, connection.endpoint_ingress],
        InfrastructureRoleArn=GetAtt(infrastructure, "Arn"),
        ExecutionRoleArn=GetAtt(execution, "Arn"),
        TaskRoleArn=GetAtt(task, "Arn"),
        # Both, because the documented defaults disagree: 256 and 512 in the schema, 1024 and 2048 in the guide.
        Cpu=inputs.size.cpu.ref(),
        Memory=inputs.size.memory.ref(),
        HealthCheckPath=contract.HEALTH_PATH,
        NetworkConfiguration=aws_ecs.ExpressGatewayServiceNetworkConfiguration(
            Subnets=data.task_subnet_ids, SecurityGroups=[GetAtt(connection.security_group, "GroupId")]
        ),
        PrimaryContainer=aws_ecs.ExpressGatewayContainer(
            Image=inputs.image_uri.ref(),
            ContainerPort=contract.SERVICE_PORT,
            Environment=[
                _variable(contract.ENV_CLUSTER_ENDPOINT, data.cluster_endpoint),
                _variable(contract.ENV_USERNAME, data.user_name),
                _variable(contract.ENV_PORT, str(contract.SERVICE_PORT)),
                login.with_iam(_variable(contract.ENV_AUTHENTICATION, contract.IAM)),
                login.with_iam(_variable(contract.ENV_CLUSTER_NAME, data.cluster_name)),
                # As ECS sets it itself (developer guide, "Amazon ECS environment variables").
                login.with_iam(_variable(contract.ENV_REGION, Region)),
            ],
            Secrets=login.with_password(
                [aws_ecs.Secret(Name=contract.ENV_PASSWORD, ValueFrom=data.password_secret_arn)]
            ),
            AwsLogsConfiguration=aws_ecs.ExpressGatewayServiceAwsLogsConfiguration(
                LogGroup=log.ref(), LogStreamPrefix="service"
            ),
        ),
        ScalingTarget=aws_ecs.ExpressGatewayScalingTarget(
            AutoScalingMetric="AVERAGE_CPU",
            AutoScalingTargetValue=inputs.cpu_target.ref(),
            MinTaskCount=inputs.min_size.ref(),
            MaxTaskCount=inputs.max_size.ref(),
        ),
    )
    notify = notifications(prefix)
    metrics = ecs_metrics(service)
    board = ecs_dashboard(metrics, cluster_name=data.cluster_name, prefix=prefix)
    return (
        data.stack_name,
        inputs,
        web_acl(
            prefix,
            load_balancer_arn(service),
            "A WAF web ACL to put in front of the service, on the load balancer that it shares with other Express "
            "services of the VPC: give them all the same one.",
        ),
        login,
        key,
        retention,
        log,
        infrastructure,
        execution,
        task,
        connection,
        service,
        notify,
        ecs_alarms(notify, metrics, prefix=prefix),
        board,
        https_url(prefix + contract.SERVICE_URL, GetAtt(service, "Endpoint")),
        Output(
            prefix + contract.SERVICE_ARN, Description="The ARN of the service.", Value=GetAtt(service, "ServiceArn")
        ),
        dashboard_url(f"{prefix}DashboardUrl", board),
    )


def _variable(name: str, value: AWSHelperFn | str) -> aws_ecs.KeyValuePair:
    return aws_ecs.KeyValuePair(Name=name, Value=value)


def _connection(data: ImportedData, prefix: str) -> TaskConnection:
    port, https = contract.MEMORYDB_PORT, 443
    security_group = ec2.SecurityGroup(
        f"{prefix}TaskSecurityGroup",
        Metadata=why(
            "Identifies the tasks to MemoryDB and to the endpoints. No inbound rule: ECS adds a security group of its "
            "own, which lets the load balancer reach the container. HTTPS to anywhere, because CloudFormation cannot "
            "look up the addresses of S3, where ECR keeps image layers"
        ),
        GroupDescription="ECS tasks: send to MemoryDB and HTTPS, take nothing",
        VpcId=data.vpc_id,
        SecurityGroupEgress=[
            ec2.SecurityGroupRule(
                IpProtocol="tcp",
                FromPort=port,
                ToPort=port,
                DestinationSecurityGroupId=data.memorydb_security_group_id,
                Description="MemoryDB",
            ),
            ec2.SecurityGroupRule(
                IpProtocol="tcp",
                FromPort=https,
                ToPort=https,
                CidrIp="0.0.0.0/0",
                Description="HTTPS through endpoints",
            ),
        ],
    )

    def ingress(logical_id: str, reason: str, group_id: AWSHelperFn, port: int) -> ec2.SecurityGroupIngress:
        return ec2.SecurityGroupIngress(
            f"{prefix}{logical_id}",
            Metadata=why(reason),
            GroupId=group_id,
            SourceSecurityGroupId=GetAtt(security_group, "GroupId"),
            IpProtocol="tcp",
            FromPort=port,
            ToPort=port,
            Description=Sub("ECS, stack ${AWS::StackName}"),
        )

    return TaskConnection(
        security_group,
        ingress(
            "MemoryDbIngress",
            "Opens the imported security group to this service only",
            data.memorydb_security_group_id,
            port,
        ),
        ingress(
            "TaskEndpointIngress",
            "Tasks reach their image, password and log through the data layer's endpoints",
            data.task_endpoint_security_group_id,
            https,
        ),
    )


def _inputs(prefix: str) -> TaskInputs:
    min_size, max_size = scaling_inputs(
        prefix, "tasks", MAX_TASKS, "The number of tasks that always run; you pay for them."
    )
    return TaskInputs(
        image_uri=image_uri(prefix),
        size=size(
            prefix,
            "CPU of a task, in CPU units; 1024 units are one vCPU.",
            "Memory of a task, in MB. Possible sizes for each Cpu: "
            + "; ".join(f"{units}: {sizes[0]} to {sizes[-1]}" for units, sizes in SIZES.items())
            + ".",
            SIZES,
        ),
        min_size=min_size,
        max_size=max_size,
        cpu_target=whole_number(
            f"{prefix}CpuTarget",
            default=60,
            least=10,
            # Below the alarm's 90 %, or scaling would keep the alarm on.
            most=80,
            description="The average CPU utilization of the tasks, in percent, that scaling aims for.",
            group=SIZE_GROUP,
            label="Target CPU utilization (%)",
        ),
    )
