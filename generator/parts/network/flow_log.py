"""The log of a VPC's traffic, and the role that writes it."""

from __future__ import annotations

from awacs import logs
from troposphere import GetAtt, ec2, iam
from troposphere import logs as cloudwatch_logs

from generator.parts.names import named
from generator.parts.observability import log_group
from generator.parts.permissions import allow, for_resources, policy, trust
from generator.template.elements import Element, why

WRITE = [logs.CreateLogStream, logs.DescribeLogStreams, logs.PutLogEvents]


def flow_log(vpc: ec2.VPC) -> tuple[Element, ...]:
    """The VPC's traffic, logged to CloudWatch Logs."""
    retention, group = log_group("FlowLogGroup")
    role = _flow_log_role(group)
    return (
        retention,
        group,
        role,
        ec2.FlowLog(
            "FlowLog",
            Metadata=why("Shows who connected to the cluster, and who tried to"),
            ResourceId=vpc.ref(),
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="cloud-watch-logs",
            LogGroupName=group.ref(),
            DeliverLogsPermissionArn=GetAtt(role, "Arn"),
            Tags=named("${AWS::StackName}"),
        ),
    )


def _flow_log_role(group: cloudwatch_logs.LogGroup) -> iam.Role:
    """A role for flow logs of this account, which may write to one log group.

    Source: VPC user guide, "IAM role for publishing flow logs to CloudWatch Logs".
    """
    return iam.Role(
        "FlowLogRole",
        Metadata=why("May write to one log group, for flow logs of this account only"),
        AssumeRolePolicyDocument=trust(
            "vpc-flow-logs.amazonaws.com",
            for_resources("arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:vpc-flow-log/*"),
        ),
        # The attribute ends in ":*", which covers the group's streams.
        Policies=[policy("write-flow-log", allow(WRITE, GetAtt(group, "Arn")))],
    )
