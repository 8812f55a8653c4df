"""The public side of the network: what NAT gateways stand in, and internet-facing load balancers with their tasks."""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import GetAtt, ec2

from generator.parts.names import named
from generator.parts.network.subnets import association, letters, subnet
from generator.settings import Settings
from generator.template.elements import Part, why


@dataclass(frozen=True)
class PublicSide:
    """A public subnet in each zone, their route table, the NAT gateways, and what connects these to the internet."""

    subnets: tuple[ec2.Subnet, ...]
    route_table: ec2.RouteTable
    nat_gateways: tuple[ec2.NatGateway, ...]
    others: Part


def public_side(settings: Settings, vpc: ec2.VPC) -> PublicSide | None:
    """The public side that `settings` ask for, for NAT or for an internet-facing service on ECS; None for neither."""
    public_tasks = settings.task_endpoints != "none" and not settings.private_ingress
    users = [
        *([] if settings.nat == "none" else ["the NAT gateways"]),
        *(["load balancers with their tasks"] if public_tasks else []),
    ]
    if not users:
        return None
    reason = f"For {' and '.join(users)} only"
    gateway = ec2.InternetGateway("InternetGateway", Metadata=why(reason), Tags=named("${AWS::StackName}"))
    attachment = ec2.VPCGatewayAttachment(
        "InternetGatewayAttachment", Metadata=why(reason), VpcId=vpc.ref(), InternetGatewayId=gateway.ref()
    )
    route_table = ec2.RouteTable(
        "PublicRouteTable", Metadata=why(reason), VpcId=vpc.ref(), Tags=named("${AWS::StackName}-public")
    )
    default_route = ec2.Route(
        "PublicDefaultRoute",
        Metadata=why("Waits for the attachment: EC2 refuses a route to a gateway that is not attached"),
        DependsOn=attachment,
        RouteTableId=route_table.ref(),
        DestinationCidrBlock="0.0.0.0/0",
        GatewayId=gateway.ref(),
    )
    zones = letters(settings)
    subnets = {
        letter: subnet(vpc, "Public", letter, GetAtt(f"PrivateSubnet{letter}", "AvailabilityZoneId"), reason)
        for letter in zones
    }
    with_nat = {"none": "", "one": zones[:1], "per-zone": zones}[settings.nat]
    addresses = {letter: _nat_address(letter, default_route) for letter in with_nat}
    return PublicSide(
        tuple(subnets.values()),
        route_table,
        tuple(_nat_gateway(letter, subnets[letter], address) for letter, address in addresses.items()),
        (
            gateway,
            attachment,
            default_route,
            tuple(addresses.values()),
            tuple(
                association("Public", letter, of, route_table, "Makes the subnet public")
                for letter, of in subnets.items()
            ),
        ),
    )


def _nat_address(letter: str, default_route: ec2.Route) -> ec2.EIP:
    return ec2.EIP(
        f"NatAddress{letter}",
        Metadata=why("EC2 refuses an address in a VPC without an internet gateway"),
        DependsOn=default_route,
        Domain="vpc",
        Tags=named(f"${{AWS::StackName}}-nat-{letter.lower()}"),
    )


def _nat_gateway(letter: str, subnet: ec2.Subnet, address: ec2.EIP) -> ec2.NatGateway:
    return ec2.NatGateway(
        f"NatGateway{letter}",
        Metadata=why("Lets the service call the internet"),
        AllocationId=GetAtt(address, "AllocationId"),
        SubnetId=subnet.ref(),
        Tags=named(f"${{AWS::StackName}}-nat-{letter.lower()}"),
    )
