"""The three IAM roles of a service on Amazon ECS."""

from __future__ import annotations

from awacs import ec2, ecr, logs
from troposphere import GetAtt, Sub, iam
from troposphere import logs as cloudwatch_logs

from generator.parts.basis import Basis
from generator.parts.permissions import allow, for_resources, policy, pull_image, trust
from generator.template.elements import Value, given, why
from generator.template.inputs import OptionalInput

# What ECS asks of EC2 before the account's first load balancer.
BEFORE_FIRST_BALANCER = [ec2.DescribeAccountAttributes, ec2.DescribeAddresses, ec2.DescribeInternetGateways]

# What AmazonECSTaskExecutionRolePolicy allows on every resource (AWS managed policy reference).
PULL = [ecr.BatchCheckLayerAvailability, ecr.BatchGetImage, ecr.GetDownloadUrlForLayer]
WRITE_LOG = [logs.CreateLogStream, logs.PutLogEvents]


def infrastructure_role() -> iam.Role:
    """The role with which ECS makes and keeps the load balancer, certificate, security groups and scaling.

    AWS's managed policy, because the calls are ECS's own and change: the policy was at its sixth version three months
    after its first (AWS managed policy reference, AmazonECSInfrastructureRoleforExpressGatewayServices, edited
    2026-02-12), and a copy that lacks an action fails deployments, or leaves the service draining at its deletion.

    Beside it three actions that version 6 lacks. In an account that never had a load balancer, the service-linked role
    of Elastic Load Balancing does not exist yet, and its caller needs these rights itself (kubernetes
    cloud-provider-aws PR 59); ECS then answers that it may not call ec2:DescribeAccountAttributes (deployment notes of
    fsl-challenge and carrieros, 2026). None of them takes a resource (Service Authorization Reference, Amazon EC2).

    The trust has no condition, because none is documented for it (Amazon ECS developer guide, "Amazon ECS
    infrastructure IAM role").
    """
    return iam.Role(
        "InfrastructureRole",
        Metadata=why(
            "AWS's own policy: which calls ECS makes for Express Mode is up to ECS and has changed several times. A "
            "copy here would break deployments and deletions with the next change. The inline policy is for an account "
            "that never had a load balancer, in which AWS's policy does not suffice"
        ),
        AssumeRolePolicyDocument=trust("ecs.amazonaws.com"),
        ManagedPolicyArns=[
            Sub(
                "arn:${AWS::Partition}:iam::aws:policy/service-role/"
                "AmazonECSInfrastructureRoleforExpressGatewayServices"
            )
        ],
        Policies=[policy("first-load-balancer", allow(BEFORE_FIRST_BALANCER, "*"))],
    )


def execution_role(
    basis: Basis, key: OptionalInput, *, repository_arn: Value | None, log_group: cloudwatch_logs.LogGroup
) -> iam.Role:
    """The role with which ECS starts a task: one repository, one log group, the password's secret and the workload's.

    It stands for AmazonECSTaskExecutionRolePolicy, which allows the same on everything. The trust has no condition: the
    page shows none (Amazon ECS developer guide, "Amazon ECS task execution IAM role").
    """
    pull = [] if repository_arn is None else [pull_image(PULL, repository_arn)]
    # The attribute ends in ":*", which covers the group's streams.
    write = policy("write-log", allow(WRITE_LOG, GetAtt(log_group, "Arn")))
    may = [
        *(["pull from this repository"] if pull else []),
        *(["read this password if there is one"] if basis.access else []),
        *(["read its workload's secrets"] if basis.workload.secrets else []),
    ]
    reason = (
        f"Starts tasks: may {', '.join([*may, 'and write to this log group'])}" if may else "Writes to this log group"
    )
    return iam.Role(
        "ExecutionRole",
        Metadata=why(reason),
        AssumeRolePolicyDocument=trust("ecs-tasks.amazonaws.com"),
        Policies=[*pull, write, *basis.secrets_policies(key)],
    )


def task_role(basis: Basis) -> iam.Role:
    """The role of the running service, for tasks of this account and Region. With a password it may do nothing, with
    IAM it may connect to one cluster as one user; besides, what the workload's statements say.

    Sources: Amazon ECS developer guide, "Amazon ECS task IAM role" (condition); MemoryDB developer guide,
    "Authenticating with IAM".
    """
    own = basis.own_policies()
    reason = (
        "The running service may do what its workload's statements allow, and with IAM connect to MemoryDB as its user"
        if own
        else "The running service calls no AWS API: with IAM it may connect to MemoryDB as its user, otherwise it may "
        "do nothing"
    )
    connecting = basis.connect_policy()
    return iam.Role(
        "TaskRole",
        Metadata=why(reason),
        AssumeRolePolicyDocument=trust(
            "ecs-tasks.amazonaws.com", for_resources("arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:*")
        ),
        **given(
            Policies=[basis.login.with_iam(connecting), *own]
            if own and connecting
            else own or (basis.login.with_iam([connecting]) if connecting else None)
        ),
    )
