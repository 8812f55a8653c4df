"""Where a cluster and its services are: an existing VPC, and the exports that tell compute layers of it."""

from __future__ import annotations

from collections.abc import Sequence

from troposphere import AWSHelperFn, Join, Output, Parameter

from generator import contract
from generator.errors import TemplateError
from generator.parts.network.zones import NETWORK_GROUP
from generator.template.elements import Input, Value, export
from generator.workload import Place


def existing_network(
    vpc_id: Value | None = None,
    private_subnet_ids: Sequence[Value] | AWSHelperFn | None = None,
    *,
    task_subnet_ids: Sequence[Value] | AWSHelperFn | None = None,
) -> Place:
    """A VPC that exists, by its ID and those of its subnets; without arguments, by parameters VpcId and
    PrivateSubnetIds.

    Its routes are used as they are. App Runner needs a way out of the VPC only where `Workload.internet` says so. ECS
    tasks, which are in `task_subnet_ids` or else in the private subnets, need one to ECR, CloudWatch Logs and Secrets
    Manager: NAT, or VPC endpoints that admit them.

    Raises TemplateError where only one of the first two is given.

    >>> existing_network("vpc-0a1b2c3d4e5f60718", ["subnet-0a1b2c3d4e5f60718", "subnet-0b1c2d3e4f5061728"]).vpc_id
    'vpc-0a1b2c3d4e5f60718'
    >>> [parameter.name for parameter in existing_network().inputs]
    ['VpcId', 'PrivateSubnetIds']
    """
    if (vpc_id is None) is not (private_subnet_ids is None):
        raise TemplateError("existing_network takes both a VPC and its private subnets, or neither for parameters.")
    inputs: tuple[Input, ...] = ()
    if vpc_id is None or private_subnet_ids is None:
        vpc, subnets = inputs = _vpc_inputs()
        vpc_id, private_subnet_ids = vpc.ref(), subnets.ref()
    return Place(
        vpc_id=vpc_id,
        private_subnet_ids=_as_property(private_subnet_ids),
        task_subnet_ids=None if task_subnet_ids is None else _as_property(task_subnet_ids),
        inputs=inputs,
    )


def _vpc_inputs() -> tuple[Input, Input]:
    vpc = Parameter("VpcId", Type="AWS::EC2::VPC::Id", Description="The VPC to put the cluster in.")
    subnets = Parameter(
        "PrivateSubnetIds",
        Type="List<AWS::EC2::Subnet::Id>",
        Description="Two or more private subnets of that VPC, in Availability Zones that MemoryDB takes.",
    )
    return Input(vpc, NETWORK_GROUP.name, "VPC"), Input(subnets, NETWORK_GROUP.name, "Private subnets")


def place_exports(place: Place) -> tuple[Output, ...]:
    """The exports VpcId and PrivateSubnetIds (joined by commas) of a place."""
    return (
        export(contract.VPC_ID, "The ID of the VPC of the cluster.", place.vpc_id),
        export(
            contract.PRIVATE_SUBNET_IDS,
            "The IDs of the private subnets, separated by commas.",
            joined(place.private_subnet_ids),
        ),
    )


def task_subnets_export(subnet_ids: Sequence[Value] | AWSHelperFn) -> Output:
    """The export TaskSubnetIds, joined by commas."""
    return export(
        contract.TASK_SUBNET_IDS,
        "The IDs of the subnets for ECS tasks, separated by commas; public ones make the load balancer face the "
        "internet.",
        joined(subnet_ids),
    )


def joined(subnet_ids: Sequence[Value] | AWSHelperFn) -> AWSHelperFn:
    """The IDs as text, separated by commas; of a list that was split at commas, the text that was split."""
    match getattr(subnet_ids, "data", None):
        case {"Fn::Split": [",", AWSHelperFn() as text]}:
            return text
    return Join(",", subnet_ids)


def _as_property(ids: Sequence[Value] | AWSHelperFn) -> list[Value] | AWSHelperFn:
    """Troposphere takes a list only: a tuple is a TypeError."""
    return ids if isinstance(ids, AWSHelperFn) else list(ids)
