"""The network: a VPC of our own, or the place somebody else's VPC gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from troposphere import AWSHelperFn, GetAtt, Join, Output, Parameter, ec2, iam

from generator import contract
from generator.parts.names import named
from generator.parts.network.addresses import LETTERS, private_blocks
from generator.parts.network.public import NatGateway, PublicSide, public_side
from generator.parts.network.zones import NETWORK_GROUP, ZoneChoice, zone_choice
from generator.parts.observability import LogGroup, log_group
from generator.parts.permissions import flow_log_role
from generator.settings import Settings
from generator.template.elements import Input, export, why


class Place(Protocol):
    """Where a cluster stands: a VPC and its private subnets, new or given."""

    @property
    def vpc_id(self) -> AWSHelperFn: ...
    @property
    def private_subnet_ids(self) -> AWSHelperFn | list[AWSHelperFn]: ...


@dataclass(frozen=True)
class PrivateSubnet:
    """A subnet with a route table of its own, so that a change of NAT never moves it to another."""

    subnet: ec2.Subnet
    route_table: ec2.RouteTable
    association: ec2.SubnetRouteTableAssociation
    default_route: ec2.Route | None


@dataclass(frozen=True)
class FlowLog:
    """The VPC's traffic, logged to CloudWatch Logs."""

    log_group: LogGroup
    role: iam.Role
    flow_log: ec2.FlowLog


@dataclass(frozen=True)
class Network:
    """A VPC with a private subnet in each zone, and by default no way out of it."""

    vpc: ec2.VPC
    zones: ZoneChoice
    private_subnets: tuple[PrivateSubnet, ...]
    public_side: PublicSide | None
    flow_log: FlowLog | None

    @property
    def vpc_id(self) -> AWSHelperFn:
        return self.vpc.ref()

    @property
    def private_subnet_ids(self) -> list[AWSHelperFn]:
        return [private.subnet.ref() for private in self.private_subnets]


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


@dataclass(frozen=True)
class PlaceExports:
    """What compute layers need to know of the place."""

    vpc_id: Output
    private_subnet_ids: Output


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
        flow_log=_flow_log(vpc) if settings.flow_logs else None,
    )


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


def place_exports(place: Place) -> PlaceExports:
    """The exports VpcId and PrivateSubnetIds (joined by commas) of a place."""
    return PlaceExports(
        vpc_id=export(contract.VPC_ID, "The ID of the VPC of the cluster.", place.vpc_id),
        private_subnet_ids=export(
            contract.PRIVATE_SUBNET_IDS,
            "The IDs of the private subnets, separated by commas.",
            Join(",", place.private_subnet_ids),
        ),
    )


def nowhere() -> ec2.SecurityGroupRule:
    """An egress rule that matches no traffic; a group without one lets everything out (AWS::EC2::SecurityGroup)."""
    return ec2.SecurityGroupRule(
        IpProtocol="tcp", FromPort=0, ToPort=0, CidrIp="255.255.255.255/32", Description="Nowhere"
    )


def _private_subnet(
    vpc: ec2.VPC, *, letter: str, block: str, zone_id: AWSHelperFn, nat: NatGateway | None
) -> PrivateSubnet:
    subnet = ec2.Subnet(
        f"PrivateSubnet{letter}",
        Metadata=why(
            "Zone by ID: MemoryDB and VPC connectors refuse some zones, and zone names differ between accounts"
        ),
        VpcId=vpc.ref(),
        CidrBlock=block,
        AvailabilityZoneId=zone_id,
        MapPublicIpOnLaunch=False,
        Tags=named(f"${{AWS::StackName}}-private-{letter.lower()}"),
    )
    route_table = ec2.RouteTable(
        f"PrivateRouteTable{letter}",
        Metadata=why("One for each zone, so that changing NAT moves no subnet to another route table"),
        VpcId=vpc.ref(),
        Tags=named(f"${{AWS::StackName}}-private-{letter.lower()}"),
    )
    return PrivateSubnet(
        subnet=subnet,
        route_table=route_table,
        association=ec2.SubnetRouteTableAssociation(
            f"PrivateRouteTableAssociation{letter}",
            Metadata=why("Keeps the subnet off the VPC's main route table"),
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


def _flow_log(vpc: ec2.VPC) -> FlowLog:
    logs = log_group("FlowLogGroup")
    role = flow_log_role("FlowLogRole", logs.log_group)
    return FlowLog(
        log_group=logs,
        role=role,
        flow_log=ec2.FlowLog(
            "FlowLog",
            Metadata=why("Shows who connected to the cluster, and who tried to"),
            ResourceId=vpc.ref(),
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="cloud-watch-logs",
            LogGroupName=logs.log_group.ref(),
            DeliverLogsPermissionArn=GetAtt(role, "Arn"),
            Tags=named("${AWS::StackName}"),
        ),
    )
