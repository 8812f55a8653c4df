"""Alarms and graphs of a MemoryDB cluster.

Metric names, units and dimensions: MemoryDB developer guide, "Metrics for MemoryDB".

The guide's page "Which metrics should I monitor?" has the CPU metric that fits a node. With two vCPUs or fewer it is
CPUUtilization, at 90 % divided by the number of vCPUs, because the engine's one thread can fill only one of them; with
four or more it is EngineCPUUtilization.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from troposphere import AWSHelperFn, Equals, Or, Sub, cloudwatch

from generator.parts.data.cluster_inputs import TWO_VCPUS
from generator.parts.observability import AT_ONCE, USAGE, Notifications, alarm_on, widget
from generator.template.elements import Condition, Element, Input, Value, why

# Refused logins and commands are published only when there are some: no data is no alarm.
SMALL_NODE_PERCENT, ENGINE_PERCENT = 45, 80


def memorydb_alarms(notify: Notifications, cluster_name: AWSHelperFn, node_type: Input) -> tuple[Element, ...]:
    """Alarms for memory and CPU near their limit, and for clients that the ACL refuses."""
    two_vcpus = Condition("HasTwoVCpus", Or(*(Equals(node_type.ref(), node) for node in TWO_VCPUS)))

    alarm = partial(alarm_on, notify, "AWS/MemoryDB", {"ClusterName": cluster_name})
    return (
        alarm(
            "MemoryUsageAlarm",
            "DatabaseMemoryUsagePercentage",
            "A node has used more than 80 % of its memory for 15 minutes",
            "Writes fail when memory is full: add shards or use a larger node type",
            Threshold=80,
            **USAGE,
        ),
        two_vcpus,
        alarm(
            "CpuAlarm",
            two_vcpus.choose("CPUUtilization", "EngineCPUUtilization"),
            f"A node has been busy for 15 minutes: with two vCPUs more than {SMALL_NODE_PERCENT} % of CPUUtilization, "
            f"with four or more {ENGINE_PERCENT} % of EngineCPUUtilization",
            "Add shards, use a larger node type, or add replicas if reads go to them",
            Threshold=two_vcpus.choose(SMALL_NODE_PERCENT, ENGINE_PERCENT),
            **USAGE,
        ),
        alarm(
            "AuthenticationFailuresAlarm",
            "AuthenticationFailures",
            "A client that can reach the cluster has failed to log in",
            "Check the service's log, and the VPC's flow log if there is one",
            Threshold=0,
            **AT_ONCE,
        ),
        alarm(
            "CommandAuthorizationFailuresAlarm",
            "CommandAuthorizationFailures",
            "A client ran a command that its access string does not allow",
            "Check the service's log, then the user's access string",
            Threshold=0,
            **AT_ONCE,
        ),
    )


def service_dashboard(
    widgets: list[dict[str, object]], cluster_name: Value | None, **values: Any
) -> cloudwatch.Dashboard:
    """Two rows of a service's `widgets`, and one of its cluster, if it has one. `values` fill the placeholders."""
    reason = "The service on one page"
    if cluster_name is not None:
        reason = "Service and cluster on one page"
        widgets = [*widgets, *_cluster_widgets(2)]
        values = {"ClusterName": cluster_name, **values}
    body = json.dumps({"widgets": widgets}, sort_keys=True)
    return cloudwatch.Dashboard("Dashboard", Metadata=why(reason), DashboardBody=Sub(body, **values))


def _cluster_widgets(row: int) -> list[dict[str, object]]:
    """One row of a dashboard: the load of the cluster ${ClusterName}, and what it refused."""
    namespace, cluster = "AWS/MemoryDB", ["ClusterName", "${ClusterName}"]
    load = ("CPUUtilization", "EngineCPUUtilization", "DatabaseMemoryUsagePercentage")
    refused = ("AuthenticationFailures", "CommandAuthorizationFailures")
    return [
        widget(row, 0, "Cluster load (%)", "Maximum", namespace, load, cluster),
        widget(row, 1, "Refused by the cluster", "Sum", namespace, refused, cluster),
    ]
