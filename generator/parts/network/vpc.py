"""A VPC of our own, with a private subnet in each zone."""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import AWSHelperFn, ec2

from generator.parts.names import named
from generator.parts.network.flow_log import flow_log
from generator.parts.network.public import PublicSide, public_side
from generator.parts.network.subnets import association, letters, subnet
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
    reason = "For the cluster and its clients only"
    if settings.task_endpoints == "none":
        reason += "; no route to the internet unless the build asks for NAT"
    vpc = ec2.VPC(
        "Vpc",
        Metadata=why(reason),
        CidrBlock=settings.vpc_cidr,
        # An interface endpoint's private DNS names need both (PrivateLink guide, "Access an AWS service").
        EnableDnsSupport=True,
        EnableDnsHostnames=True,
        Tags=named("${AWS::StackName}"),
    )
    zones = zone_choice(settings)
    public = public_side(settings, vpc)
    # Where there are fewer gateways than zones, there is one.
    gateways = public.nat_gateways if public else ()
    private_subnets = tuple(
        _private_subnet(vpc, letter, zones.zone_id(index), gateways[index : index + 1] or gateways[:1])
        for index, letter in enumerate(letters(settings))
    )
    return Network(vpc, zones, private_subnets, public, flow_log(vpc) if settings.flow_logs else ())


def _private_subnet(
    vpc: ec2.VPC, letter: str, zone_id: AWSHelperFn, gateways: tuple[ec2.NatGateway, ...]
) -> PrivateSubnet:
    """The private subnet of a zone, with a route to the first of `gateways` if there is one."""
    reason = "Zone by ID: MemoryDB and VPC connectors refuse some, and names differ between accounts"
    private = subnet(vpc, "Private", letter, zone_id, reason)
    route_table = ec2.RouteTable(
        f"PrivateRouteTable{letter}",
        Metadata=why("One per zone: changing NAT moves no subnet to another route table"),
        VpcId=vpc.ref(),
        Tags=named(f"${{AWS::StackName}}-private-{letter.lower()}"),
    )
    return PrivateSubnet(
        private,
        route_table,
        association("Private", letter, private, route_table, "Off the VPC's main route table"),
        _nat_route(letter, route_table, gateways[0]) if gateways else None,
    )


def _nat_route(letter: str, route_table: ec2.RouteTable, gateway: ec2.NatGateway) -> ec2.Route:
    return ec2.Route(
        f"PrivateDefaultRoute{letter}",
        Metadata=why("Calls to the internet leave through NAT"),
        RouteTableId=route_table.ref(),
        DestinationCidrBlock="0.0.0.0/0",
        NatGatewayId=gateway.ref(),
    )
