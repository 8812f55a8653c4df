"""Egress rules of security groups."""

from __future__ import annotations

from typing import Any

from troposphere import ec2

from generator import contract
from generator.template.elements import Value


def no_egress() -> ec2.SecurityGroupRule:
    """An egress rule that matches no traffic; a group without one lets everything out (AWS::EC2::SecurityGroup)."""
    return _tcp(0, "Nowhere", CidrIp="255.255.255.255/32")


def egress(cluster_group_id: Value | None, https: str) -> list[ec2.SecurityGroupRule]:
    """To the nodes in a cluster's security group; with a description `https` also HTTPS to every address."""
    rules = []
    if cluster_group_id is not None:
        port = contract.MEMORYDB_PORT
        rules += [_tcp(port, "MemoryDB", DestinationSecurityGroupId=cluster_group_id)]
    if https:
        rules += [_tcp(443, https, CidrIp="0.0.0.0/0")]
    return rules or [no_egress()]


def _tcp(port: int, description: str, **destination: Any) -> ec2.SecurityGroupRule:
    return ec2.SecurityGroupRule(IpProtocol="tcp", FromPort=port, ToPort=port, Description=description, **destination)
