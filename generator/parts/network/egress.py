"""Egress rules of security groups."""

from __future__ import annotations

from troposphere import ec2


def no_egress() -> ec2.SecurityGroupRule:
    """An egress rule that matches no traffic; a group without one lets everything out (AWS::EC2::SecurityGroup)."""
    return ec2.SecurityGroupRule(
        IpProtocol="tcp", FromPort=0, ToPort=0, CidrIp="255.255.255.255/32", Description="Nowhere"
    )
