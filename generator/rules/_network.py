"""Which subnets are public, and which security groups are the same, however they are written."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ._values import ABSENT, RESOURCE, Node, Template, is_known

GATEWAYS = {
    "AWS::EC2::InternetGateway": ("", "InternetGatewayId"),
    "AWS::EC2::VPCGatewayAttachment": ("InternetGatewayId",),
}
# The attributes that a Ref gives too.
IDENTIFIERS = ("", "Id", "GroupId", "SubnetId", "RouteTableId", "VpcId")


def identity(template: Template, value: Any) -> str:
    """The logical ID of the resource that a value identifies; another value as it is."""
    reference = template.reference(value)
    if reference and reference.kind == RESOURCE and reference.attribute in IDENTIFIERS:
        return reference.name
    return str(value)


def group_set(template: Template, groups: list[Any]) -> frozenset[str]:
    """What identifies a set of security groups."""
    return frozenset(identity(template, group) for group in groups)


def public_and_private(node: Node) -> tuple[set[str], set[str]]:
    """The subnets that can be public under the conditions of an object, and those that are certainly private.

    A public subnet has a route to an internet gateway. A subnet whose route table or gateway is made elsewhere is
    neither.
    """
    template = node.template
    routes: defaultdict[str, set[bool | None]] = defaultdict(set)
    for route in node.beside("AWS::EC2::Route"):
        for gateway, where in route.values("GatewayId"):
            for table, _ in where.values("RouteTableId"):
                routes[identity(template, table)].add(_is_internet_gateway(template, gateway))
    tables: defaultdict[str, set[str]] = defaultdict(set)
    for association in node.beside("AWS::EC2::SubnetRouteTableAssociation"):
        for table, where in association.values("RouteTableId"):
            for subnet, _ in where.values("SubnetId"):
                tables[identity(template, subnet)].add(identity(template, table))
    public = {subnet for subnet in tables if any(True in routes[table] for table in tables[subnet])}
    # What is known of a table or VPC is what the template has of its own.
    ours = {other.logical_id for other in node.beside("AWS::EC2::RouteTable", "AWS::EC2::VPC")}
    for subnet in node.beside("AWS::EC2::Subnet"):
        if subnet.logical_id not in tables:
            tables[subnet.logical_id] = {identity(template, vpc) for vpc, _ in subnet.values("VpcId")}
    private = {
        subnet for subnet in tables if all(table in ours and routes[table] <= {False} for table in tables[subnet])
    }
    return public, private - public


def _is_internet_gateway(template: Template, value: Any) -> bool | None:
    """Whether a route's gateway is an internet gateway; None where that is not known."""
    reference = template.reference(value)
    if reference and template.type_of(reference.name):
        return reference.attribute in GATEWAYS.get(template.type_of(reference.name), ())
    return str(value).startswith("igw-") or (False if is_known(value) or value == ABSENT else None)
