"""How a VPC's block is cut into subnets, private and public ones, and how these are named and routed."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Literal, TypeAlias

from troposphere import AWSHelperFn, ec2

from generator.parts.names import named
from generator.settings import Settings
from generator.template.elements import why

Kind: TypeAlias = Literal["Private", "Public"]

# The first and the fifth of the eight equal blocks of a VPC; the fourth and eighth stay free.
FIRST_BLOCK = {"Private": 0, "Public": 4}


def letters(settings: Settings) -> str:
    """The letters that end the names of the zones' resources: PrivateSubnetA, PrivateSubnetB, PrivateSubnetC."""
    return "ABC"[: settings.zones]


def block(vpc_cidr: str, kind: Kind, letter: str) -> str:
    """The block of a subnet: of 10.0.0.0/16 the private ones are 10.0.0.0/19, 10.0.32.0/19 and 10.0.64.0/19."""
    return str([*IPv4Network(vpc_cidr).subnets(prefixlen_diff=3)][FIRST_BLOCK[kind] + "ABC".index(letter)])


def subnet(vpc: ec2.VPC, kind: Kind, letter: str, zone_id: AWSHelperFn, reason: str) -> ec2.Subnet:
    """The subnet of a kind in a zone."""
    return ec2.Subnet(
        f"{kind}Subnet{letter}",
        Metadata=why(reason),
        VpcId=vpc.ref(),
        CidrBlock=block(vpc.CidrBlock, kind, letter),
        AvailabilityZoneId=zone_id,
        MapPublicIpOnLaunch=False,
        Tags=named(f"${{AWS::StackName}}-{kind.lower()}-{letter.lower()}"),
    )


def association(
    kind: Kind, letter: str, of: ec2.Subnet, route_table: ec2.RouteTable, reason: str
) -> ec2.SubnetRouteTableAssociation:
    """The association of a subnet with its route table."""
    return ec2.SubnetRouteTableAssociation(
        f"{kind}RouteTableAssociation{letter}", Metadata=why(reason), SubnetId=of.ref(), RouteTableId=route_table.ref()
    )
