"""The three IAM roles of a service on Amazon ECS."""

from __future__ import annotations

from awacs import aws, ec2, ecr, logs
from troposphere import AccountId, AWSHelperFn, GetAtt, Sub, iam
from troposphere import logs as cloudwatch_logs

from generator.parts.authentication import Authentication
from generator.parts.encryption import KmsKey
from generator.parts.permissions import connect, decrypt_password, policy, read_password, trust
from generator.template.elements import why

# What ECS asks of EC2 before the account's first load balancer.
BEFORE_FIRST_BALANCER = [ec2.DescribeAccountAttributes, ec2.DescribeAddresses, ec2.DescribeInternetGateways]

# What AmazonECSTaskExecutionRolePolicy allows on every resource (AWS managed policy reference).
PULL = [ecr.BatchCheckLayerAvailability, ecr.BatchGetImage, ecr.GetDownloadUrlForLayer]
WRITE_LOG = [logs.CreateLogStream, logs.PutLogEvents]


def infrastructure_role(logical_id: str) -> iam.Role:
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
        logical_id,
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
        Policies=[
            policy(
                "first-load-balancer",
                aws.Statement(Effect=aws.Allow, Action=BEFORE_FIRST_BALANCER, Resource=["*"]),
            )
        ],
    )


def execution_role(
    logical_id: str,
    *,
    repository_arn: AWSHelperFn,
    login: Authentication,
    password_secret_arn: AWSHelperFn,
    log_group: cloudwatch_logs.LogGroup,
    key: KmsKey,
) -> iam.Role:
    """The role with which ECS starts a task: one repository, one log group, and with a password one secret.

    It stands for AmazonECSTaskExecutionRolePolicy, which allows the same on everything. The trust has no condition: the
    page shows none (Amazon ECS developer guide, "Amazon ECS task execution IAM role").
    """
    return iam.Role(
        logical_id,
        Metadata=why(
            "Starts tasks: may pull from this repository, read this password if there is one, and write to this log "
            "group"
        ),
        AssumeRolePolicyDocument=trust("ecs-tasks.amazonaws.com"),
        Policies=[
            policy(
                "pull-image",
                aws.Statement(Effect=aws.Allow, Action=PULL, Resource=[repository_arn]),
                # GetAuthorizationToken takes no resource: Service Authorization Reference, Amazon ECR.
                aws.Statement(Effect=aws.Allow, Action=[ecr.GetAuthorizationToken], Resource=["*"]),
            ),
            # The attribute ends in ":*", which covers the group's streams.
            policy("write-log", aws.Statement(Effect=aws.Allow, Action=WRITE_LOG, Resource=[GetAtt(log_group, "Arn")])),
            login.with_password(read_password(password_secret_arn)),
            login.with_password(decrypt_password(password_secret_arn, key)),
        ],
    )


def task_role(logical_id: str, login: Authentication, *, cluster_arn: AWSHelperFn, user_arn: AWSHelperFn) -> iam.Role:
    """The role of the running service, for tasks of this account and Region. With a password it may do nothing, with
    IAM it may connect to one cluster as one user.

    Sources: Amazon ECS developer guide, "Amazon ECS task IAM role" (condition); MemoryDB developer guide,
    "Authenticating with IAM".
    """
    return iam.Role(
        logical_id,
        Metadata=why(
            "The running service calls no AWS API: with IAM it may connect to MemoryDB as its user, otherwise it may "
            "do nothing"
        ),
        AssumeRolePolicyDocument=trust(
            "ecs-tasks.amazonaws.com",
            aws.Condition(
                [
                    aws.StringEquals({"aws:SourceAccount": AccountId}),
                    aws.ArnLike({"aws:SourceArn": Sub("arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:*")}),
                ]
            ),
        ),
        Policies=login.with_iam([connect(cluster_arn, user_arn)]),
    )
