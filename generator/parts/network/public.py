"""The public side of the network: what NAT gateways stand in, and internet-facing load balancers with their tasks."""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import GetAtt, ec2

from generator.parts.names import named
from generator.parts.network.addresses import LETTERS, public_blocks
from generator.settings import Settings
from generator.template.elements import why


@dataclass(frozen=True)
class NatGateway:
    """A NAT gateway with its address, in a public subnet."""

    address: ec2.EIP
    gateway: ec2.NatGateway


@dataclass(frozen=True)
class PublicSide:
    """An internet gateway, a public subnet in each zone, and the NAT gateways."""

    internet_gateway: ec2.InternetGateway
    attachment: ec2.VPCGatewayAttachment
    route_table: ec2.RouteTable
    default_route: ec2.Route
    subnets: tuple[ec2.Subnet, ...]
    associations: tuple[ec2.SubnetRouteTableAssociation, ...]
    nat_gateways: tuple[NatGateway, ...]


def public_side(settings: Settings, vpc: ec2.VPC) -> PublicSide | None:
    """The public side that `settings` ask for, for NAT or for an internet-facing service on ECS; None for neither."""
    users = _users(settings)
    if not users:
        return None
    for_users = why(f"For {' and '.join(users)} only")
    letters = LETTERS[: settings.zones]
    blocks = public_blocks(settings.vpc_cidr)
    internet_gateway = ec2.InternetGateway("InternetGateway", Metadata=for_users, Tags=named("${AWS::StackName}"))
    attachment = ec2.VPCGatewayAttachment(
        "InternetGatewayAttachment",
        Metadata=for_users,
        VpcId=vpc.ref(),
        InternetGatewayId=internet_gateway.ref(),
    )
    route_table = ec2.RouteTable(
        "PublicRouteTable",
        Metadata=for_users,
        VpcId=vpc.ref(),
        Tags=named("${AWS::StackName}-public"),
    )
    default_route = ec2.Route(
        "PublicDefaultRoute",
        Metadata=why("Waits for the attachment: EC2 refuses a route to a gateway that is not attached"),
        DependsOn=attachment,
        RouteTableId=route_table.ref(),
        DestinationCidrBlock="0.0.0.0/0",
        GatewayId=internet_gateway.ref(),
    )
    subnets = tuple(
        ec2.Subnet(
            f"PublicSubnet{letter}",
            Metadata=for_users,
            VpcId=vpc.ref(),
            CidrBlock=blocks[index],
            AvailabilityZoneId=GetAtt(f"PrivateSubnet{letter}", "AvailabilityZoneId"),
            MapPublicIpOnLaunch=False,
            Tags=named(f"${{AWS::StackName}}-public-{letter.lower()}"),
        )
        for index, letter in enumerate(letters)
    )
    associations = tuple(
        ec2.SubnetRouteTableAssociation(
            f"PublicRouteTableAssociation{letter}",
            Metadata=why("Makes the subnet public"),
            SubnetId=subnet.ref(),
            RouteTableId=route_table.ref(),
        )
        for letter, subnet in zip(letters, subnets, strict=True)
    )
    gateways = {"none": 0, "one": 1, "per-zone": settings.zones}[settings.nat]
    return PublicSide(
        internet_gateway=internet_gateway,
        attachment=attachment,
        route_table=route_table,
        default_route=default_route,
        subnets=subnets,
        associations=associations,
        nat_gateways=tuple(
            _nat_gateway(letter, subnet, default_route)
            for letter, subnet in list(zip(letters, subnets, strict=True))[:gateways]
        ),
    )


def _users(settings: Settings) -> list[str]:
    users = [] if settings.nat == "none" else ["the NAT gateways"]
    if settings.task_endpoints != "none" and not settings.private_ingress:
        users.append("load balancers with their tasks")
    return users


def _nat_gateway(letter: str, subnet: ec2.Subnet, default_route: ec2.Route) -> NatGateway:
    address = ec2.EIP(
        f"NatAddress{letter}",
        Metadata=why("EC2 refuses an address in a VPC without an internet gateway"),
        DependsOn=default_route,
        Domain="vpc",
        Tags=named(f"${{AWS::StackName}}-nat-{letter.lower()}"),
    )
    return NatGateway(
        address,
        ec2.NatGateway(
            f"NatGateway{letter}",
            Metadata=why("Lets the service call the internet"),
            AllocationId=GetAtt(address, "AllocationId"),
            SubnetId=subnet.ref(),
            Tags=named(f"${{AWS::StackName}}-nat-{letter.lower()}"),
        ),
    )
