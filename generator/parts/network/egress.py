"""Egress rules of security groups."""

from __future__ import annotations

from troposphere import ec2

from generator import contract
from generator.template.elements import Value


def no_egress() -> ec2.SecurityGroupRule:
    """An egress rule that matches no traffic; a group without one lets everything out (AWS::EC2::SecurityGroup)."""
    return ec2.SecurityGroupRule(
        IpProtocol="tcp", FromPort=0, ToPort=0, CidrIp="255.255.255.255/32", Description="Nowhere"
    )


def to_memorydb(security_group_id: Value) -> ec2.SecurityGroupRule:
    """To the nodes in a cluster's security group."""
    port = contract.MEMORYDB_PORT
    return ec2.SecurityGroupRule(
        IpProtocol="tcp",
        FromPort=port,
        ToPort=port,
        DestinationSecurityGroupId=security_group_id,
        Description="MemoryDB",
    )


def https(description: str) -> ec2.SecurityGroupRule:
    """HTTPS to every address."""
    return ec2.SecurityGroupRule(
        IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="0.0.0.0/0", Description=description
    )
