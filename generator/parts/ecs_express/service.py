"""The service on Amazon ECS Express Mode: its roles, its security group, its log.

Express Mode makes and keeps the load balancer, its certificate and address, the security groups between it and the
tasks, and the scaling (Amazon ECS developer guide, "Resources created by Amazon ECS Express Mode services"). The load
balancer stands in the subnets of the tasks: public ones make it face the internet, private ones the VPC.
"""

from __future__ import annotations

from troposphere import GetAtt, ec2
from troposphere import ecs as aws_ecs

from generator.errors import TemplateError
from generator.parts.basis import Basis, basis
from generator.parts.ecs_express.observability import ecs_alarms, ecs_dashboard, load_balancer_arn
from generator.parts.ecs_express.roles import execution_role, infrastructure_role, task_role
from generator.parts.encryption import kms_key
from generator.parts.image import repository_arn
from generator.parts.imports import imported_place
from generator.parts.network.security_groups import egress, endpoint_ingress, memorydb_ingress, security_group
from generator.parts.observability import log_group, notifications
from generator.parts.service import outputs, web_acl
from generator.parts.size import SIZE_GROUP, size
from generator.template.elements import Part, given, why
from generator.workload import HealthCheck, Workload


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


def ecs_express(workload: Workload = Workload()) -> Part:
    """A service that runs `workload`, with its roles, log, alarms, dashboard and security group.

    Raises TemplateError for a workload that ECS Express Mode cannot run.
    """
    _check(workload)
    on = basis(workload, imported_place(tasks=True))
    sizes = size(
        workload,
        "a task",
        "tasks",
        memory_of_cpu=SIZES,
        most=MAX_TASKS,
        ready="The number of tasks that always run; you pay for them.",
        listed=lambda megabytes: f"{megabytes[0]} to {megabytes[-1]}",
    )
    cpu_target = SIZE_GROUP.whole_number(
        "CpuTarget",
        default=60,
        least=10,
        # Below the alarm's 90 %, or scaling would keep the alarm on.
        most=80,
        description="The average CPU utilization of the tasks, in percent, that scaling aims for.",
        label="Target CPU utilization (%)",
    )
    key = kms_key()
    retention, log = log_group("ServiceLogGroup", workload.log_retention)
    infrastructure = infrastructure_role()
    execution = execution_role(on, key, repository_arn=repository_arn(workload), log_group=log)
    task = task_role(on)
    group, rules = _connection(on) if on.place else (None, [])
    service = aws_ecs.ExpressGatewayService(
        "Service",
        Metadata=why(
            "No tags and no name: changing one replaces the service and its address, and a name stays taken while a "
            "deleted service drains. Runs in the account's default cluster, which ECS creates if there is none"
        ),
        **given(DependsOn=rules or None),
        InfrastructureRoleArn=GetAtt(infrastructure, "Arn"),
        ExecutionRoleArn=GetAtt(execution, "Arn"),
        TaskRoleArn=GetAtt(task, "Arn"),
        # Both, because the documented defaults disagree: 256 and 512 in the schema, 1024 and 2048 in the guide.
        Cpu=sizes.cpu.ref(),
        Memory=sizes.memory.ref(),
        HealthCheckPath=workload.health.path,
        **given(NetworkConfiguration=_network(on, group)),
        PrimaryContainer=aws_ecs.ExpressGatewayContainer(
            Image=on.image_uri,
            ContainerPort=workload.port,
            **given(
                Command=list(workload.command) or None,
                Secrets=on.secrets(lambda name, arn: aws_ecs.Secret(Name=name, ValueFrom=arn)),
            ),
            Environment=on.variables(
                lambda name, value: aws_ecs.KeyValuePair(Name=name, Value=value), port=str(workload.port)
            ),
            AwsLogsConfiguration=aws_ecs.ExpressGatewayServiceAwsLogsConfiguration(
                LogGroup=log.ref(), LogStreamPrefix="service"
            ),
        ),
        ScalingTarget=aws_ecs.ExpressGatewayScalingTarget(
            AutoScalingMetric="AVERAGE_CPU",
            AutoScalingTargetValue=cpu_target.ref(),
            MinTaskCount=sizes.min_size.ref(),
            MaxTaskCount=sizes.max_size.ref(),
        ),
    )
    notify = notifications()
    board = ecs_dashboard(service, on.cluster_name)
    return (
        on.image,
        sizes,
        cpu_target,
        web_acl(
            load_balancer_arn(service),
            "A WAF web ACL to put in front of the service, on the load balancer that it shares with other Express "
            "services of the VPC: give them all the same one. It stays on the load balancer when the stack is deleted.",
            shared=True,
        ),
        on.inputs,
        key if workload.secrets or (on.access and on.access.password_secret_arn) else None,
        retention,
        log,
        infrastructure,
        execution,
        task,
        group,
        tuple(rules),
        service,
        notify,
        ecs_alarms(notify, service),
        board,
        outputs(GetAtt(service, "Endpoint"), GetAtt(service, "ServiceArn"), board),
    )


def _check(workload: Workload) -> None:
    """Raises TemplateError for what a workload may say and ECS Express Mode does not take."""
    if workload.concurrency is not None:
        raise TemplateError("Workload.concurrency is App Runner's: ECS Express scales by CPU, parameter CpuTarget.")
    if not workload.health.path or workload.health != HealthCheck(path=workload.health.path):
        raise TemplateError("Workload.health: ECS Express takes a path, and neither times nor numbers of checks.")
    if workload.internet is False and workload.network is None and workload.memorydb is False:
        raise TemplateError("Workload.internet=False needs a VPC: pass network, or MemoryDB's.")


def _network(on: Basis, group: ec2.SecurityGroup | None) -> aws_ecs.ExpressGatewayServiceNetworkConfiguration | None:
    """The subnets and groups of the tasks; None for those of the default VPC."""
    if on.place is None or group is None:
        return None
    return aws_ecs.ExpressGatewayServiceNetworkConfiguration(
        Subnets=on.place.private_subnet_ids if on.place.task_subnet_ids is None else on.place.task_subnet_ids,
        SecurityGroups=[GetAtt(group, "GroupId"), *on.workload.security_groups],
    )


def _connection(on: Basis) -> tuple[ec2.SecurityGroup, list[ec2.SecurityGroupIngress]]:
    """The tasks' security group, and its rules at the groups of MemoryDB and of the endpoints."""
    assert on.place
    endpoint_group_id = on.place.task_endpoint_security_group_id
    group = security_group(
        "TaskSecurityGroup",
        "Identifies the tasks to MemoryDB and to the endpoints. No inbound rule: ECS adds a security group of its own, "
        "which lets the load balancer reach the container. HTTPS to anywhere, because CloudFormation cannot look up "
        "the addresses of S3, where ECR keeps image layers",
        "ECS tasks: send to MemoryDB and HTTPS, take nothing",
        on.place.vpc_id,
        egress(on.cluster_group_id, "" if on.workload.internet is False else "HTTPS through endpoints"),
    )
    rules = []
    if on.cluster_group_id is not None:
        rules.append(memorydb_ingress(on.cluster_group_id, group, "ECS"))
    if endpoint_group_id is not None:
        rules.append(endpoint_ingress(endpoint_group_id, group))
    return group, rules
