"""Security groups without inbound rules, and the rules between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from troposphere import AWSHelperFn, GetAtt, Sub, ec2

from generator import contract
from generator.template.elements import Value, why


def security_group(
    logical_id: str, reason: str, description: Value, vpc_id: Value, egress: Sequence[ec2.SecurityGroupRule] = ()
) -> ec2.SecurityGroup:
    """A group that takes nothing until another stack or resource adds a rule, and sends nothing without `egress`."""
    # A group without an egress rule lets everything out (AWS::EC2::SecurityGroup), so one matches no traffic.
    nowhere = _tcp(0, "Nowhere", CidrIp="255.255.255.255/32")
    return ec2.SecurityGroup(
        logical_id,
        Metadata=why(reason),
        GroupDescription=description,
        VpcId=vpc_id,
        SecurityGroupEgress=[*egress] or [nowhere],
    )


def egress(cluster_group_id: Value | None, https: str) -> list[ec2.SecurityGroupRule]:
    """To the nodes in a cluster's security group; with a description `https` also HTTPS to every address."""
    rules = []
    if cluster_group_id is not None:
        rules.append(_tcp(contract.MEMORYDB_PORT, "MemoryDB", DestinationSecurityGroupId=cluster_group_id))
    if https:
        rules.append(_tcp(443, https, CidrIp="0.0.0.0/0"))
    return rules


def memorydb_ingress(group_id: Value, source: ec2.SecurityGroup, compute: str) -> ec2.SecurityGroupIngress:
    """Lets the members of `source` reach the nodes of the cluster in that group."""
    reason = "Opens the imported security group to this service only"
    return ingress("MemoryDbIngress", reason, contract.MEMORYDB_PORT, group_id, source, _of_stack(compute))


def endpoint_ingress(group_id: Value, source: ec2.SecurityGroup) -> ec2.SecurityGroupIngress:
    """Lets tasks with the group `source` reach the VPC endpoints in that group."""
    reason = "Tasks reach their image, password and log through the data layer's endpoints"
    return ingress("TaskEndpointIngress", reason, 443, group_id, source, _of_stack("ECS"))


def ingress(
    logical_id: str, reason: str, port: int, group_id: Value, source: ec2.SecurityGroup, description: Value
) -> ec2.SecurityGroupIngress:
    """Lets the members of `source` reach a port of the members of a group."""
    return ec2.SecurityGroupIngress(
        logical_id,
        Metadata=why(reason),
        GroupId=group_id,
        SourceSecurityGroupId=GetAtt(source, "GroupId"),
        IpProtocol="tcp",
        FromPort=port,
        ToPort=port,
        Description=description,
    )


def _of_stack(compute: str) -> AWSHelperFn:
    """Says in the group of another stack which stack a rule is of."""
    return Sub(f"{compute}, stack ${{AWS::StackName}}")


def _tcp(port: int, description: str, **destination: Any) -> ec2.SecurityGroupRule:
    return ec2.SecurityGroupRule(IpProtocol="tcp", FromPort=port, ToPort=port, Description=description, **destination)
