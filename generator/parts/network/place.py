"""Where a cluster stands: a VPC of our own or an existing one, as its ID and those of its subnets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from troposphere import AWSHelperFn, Join, Output, Parameter

from generator import contract
from generator.parts.network.zones import NETWORK_GROUP
from generator.template.elements import Input, export


class Place(Protocol):
    """Where a cluster stands: a VPC and its private subnets, new or given."""

    @property
    def vpc_id(self) -> AWSHelperFn: ...
    @property
    def private_subnet_ids(self) -> AWSHelperFn | list[AWSHelperFn]: ...


@dataclass(frozen=True)
class ExistingNetwork:
    """A VPC and private subnets that are already there, named by parameters."""

    vpc: Input
    private_subnets: Input

    @property
    def vpc_id(self) -> AWSHelperFn:
        return self.vpc.ref()

    @property
    def private_subnet_ids(self) -> AWSHelperFn:
        return self.private_subnets.ref()


def existing_network() -> ExistingNetwork:
    """A VPC that is already there: parameters VpcId and PrivateSubnetIds."""
    return ExistingNetwork(
        vpc=Input(
            Parameter(
                "VpcId",
                Type="AWS::EC2::VPC::Id",
                Description="The VPC to put the cluster in.",
            ),
            group=NETWORK_GROUP,
            label="VPC",
        ),
        private_subnets=Input(
            Parameter(
                "PrivateSubnetIds",
                Type="List<AWS::EC2::Subnet::Id>",
                Description="Two or more private subnets of that VPC, in Availability Zones that MemoryDB takes.",
            ),
            group=NETWORK_GROUP,
            label="Private subnets",
        ),
    )


def place_exports(place: Place) -> tuple[Output, ...]:
    """The exports VpcId and PrivateSubnetIds (joined by commas) of a place."""
    return (
        export(contract.VPC_ID, "The ID of the VPC of the cluster.", place.vpc_id),
        export(
            contract.PRIVATE_SUBNET_IDS,
            "The IDs of the private subnets, separated by commas.",
            Join(",", place.private_subnet_ids),
        ),
    )
