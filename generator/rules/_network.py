"""Which subnets of a template are public, and which security groups are the same, however they are written."""

from __future__ import annotations

from typing import Any

from ._values import RESOURCE, Node, Template, is_true

GATEWAYS = {
    "AWS::EC2::InternetGateway": ("", "InternetGatewayId"),
    "AWS::EC2::VPCGatewayAttachment": ("InternetGatewayId",),
}
# The attributes that a Ref gives too.
IDENTIFIERS = ("GroupId", "SubnetId", "RouteTableId")


def identity(template: Template, value: Any) -> str:
    """The logical ID of the resource that a value identifies, or ""."""
    reference = template.reference(value)
    if reference and reference.kind == RESOURCE and reference.attribute in ("", *IDENTIFIERS):
        return reference.name
    return ""


def subnets(node: Node) -> set[str]:
    """Logical IDs of the subnets in the template that can exist beside an object."""
    return {subnet.logical_id for subnet in node.beside("AWS::EC2::Subnet")}


def routed_to_the_internet(node: Node) -> set[str]:
    """Logical IDs of subnets whose route table leads to an internet gateway, under the conditions of an object."""
    template = node.template
    tables = {
        identity(template, table)
        for route in node.beside("AWS::EC2::Route")
        for gateway, where in route.values("GatewayId")
        if _is_internet_gateway(template, gateway)
        for table, _ in where.values("RouteTableId")
    } - {""}
    return {
        identity(template, subnet)
        for association in node.beside("AWS::EC2::SubnetRouteTableAssociation")
        for table, where in association.values("RouteTableId")
        if identity(template, table) in tables
        for subnet, _ in where.values("SubnetId")
    }


def with_public_addresses(node: Node) -> set[str]:
    """Logical IDs of subnets that give their instances public addresses."""
    return {
        subnet.logical_id
        for subnet in node.beside("AWS::EC2::Subnet")
        for public, _ in subnet.usual("MapPublicIpOnLaunch")
        if is_true(public)
    }


def _is_internet_gateway(template: Template, value: Any) -> bool:
    reference = template.reference(value)
    return (
        reference is not None
        and reference.kind == RESOURCE
        and reference.attribute in GATEWAYS.get(template.type_of(reference.name), ())
    )


def group_set(template: Template, groups: list[Any]) -> frozenset[str]:
    """What identifies a set of security groups."""
    return frozenset(identity(template, group) or str(group) for group in groups)
