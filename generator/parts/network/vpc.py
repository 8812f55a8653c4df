"""A VPC of our own, with a private subnet in each zone."""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import AWSHelperFn, ec2

from generator.parts.names import named
from generator.parts.network.addresses import LETTERS, private_blocks
from generator.parts.network.flow_log import flow_log
from generator.parts.network.public import NatGateway, PublicSide, public_side
from generator.parts.network.zones import ZoneChoice, zone_choice
from generator.settings import Settings
from generator.template.elements import Element, why
from generator.workload import Place


@dataclass(frozen=True)
class PrivateSubnet:
    """A subnet with a route table of its own, so that a change of NAT never moves it to another."""

    subnet: ec2.Subnet
    route_table: ec2.RouteTable
    association: ec2.SubnetRouteTableAssociation
    default_route: ec2.Route | None


@dataclass(frozen=True)
class Network:
    """A VPC with a private subnet in each zone, and by default no way out of it."""

    vpc: ec2.VPC
    zones: ZoneChoice
    private_subnets: tuple[PrivateSubnet, ...]
    public_side: PublicSide | None
    flow_log: tuple[Element, ...]

    @property
    def place(self) -> Place:
        """The VPC and its private subnets, as values."""
        return Place(
            vpc_id=self.vpc.ref(), private_subnet_ids=[private.subnet.ref() for private in self.private_subnets]
        )


def network(settings: Settings) -> Network:
    """A VPC as `settings` describe it: zones, NAT, CIDR block, flow logs."""
    vpc = ec2.VPC(
        "Vpc",
        Metadata=why(
            "For the cluster and its clients only; no route to the internet unless the build asks for NAT"
            if settings.task_endpoints == "none"
            else "For the cluster and its clients only"
        ),
        CidrBlock=settings.vpc_cidr,
        # An interface endpoint's private DNS names need both (PrivateLink guide, "Access an AWS service").
        EnableDnsSupport=True,
        EnableDnsHostnames=True,
        Tags=named("${AWS::StackName}"),
    )
    zones = zone_choice(settings)
    letters = LETTERS[: settings.zones]
    public = public_side(settings, vpc)
    gateways = public.nat_gateways if public else ()
    blocks = private_blocks(settings.vpc_cidr)
    private_subnets = tuple(
        _private_subnet(
            vpc,
            letter=letter,
            block=blocks[index],
            zone_id=zones.zone_id(index),
            nat=gateways[min(index, len(gateways) - 1)] if gateways else None,
        )
        for index, letter in enumerate(letters)
    )
    return Network(
        vpc=vpc,
        zones=zones,
        private_subnets=private_subnets,
        public_side=public,
        flow_log=flow_log(vpc) if settings.flow_logs else (),
    )


def _private_subnet(
    vpc: ec2.VPC, *, letter: str, block: str, zone_id: AWSHelperFn, nat: NatGateway | None
) -> PrivateSubnet:
    subnet = ec2.Subnet(
        f"PrivateSubnet{letter}",
        Metadata=why("Zone by ID: MemoryDB and VPC connectors refuse some, and names differ between accounts"),
        VpcId=vpc.ref(),
        CidrBlock=block,
        AvailabilityZoneId=zone_id,
        MapPublicIpOnLaunch=False,
        Tags=named(f"${{AWS::StackName}}-private-{letter.lower()}"),
    )
    route_table = ec2.RouteTable(
        f"PrivateRouteTable{letter}",
        Metadata=why("One per zone: changing NAT moves no subnet to another route table"),
        VpcId=vpc.ref(),
        Tags=named(f"${{AWS::StackName}}-private-{letter.lower()}"),
    )
    return PrivateSubnet(
        subnet=subnet,
        route_table=route_table,
        association=ec2.SubnetRouteTableAssociation(
            f"PrivateRouteTableAssociation{letter}",
            Metadata=why("Off the VPC's main route table"),
            SubnetId=subnet.ref(),
            RouteTableId=route_table.ref(),
        ),
        default_route=ec2.Route(
            f"PrivateDefaultRoute{letter}",
            Metadata=why("Calls to the internet leave through NAT"),
            RouteTableId=route_table.ref(),
            DestinationCidrBlock="0.0.0.0/0",
            NatGatewayId=nat.gateway.ref(),
        )
        if nat
        else None,
    )
