"""Alarms and graphs of a MemoryDB cluster.

Metric names, units and dimensions: MemoryDB developer guide, "Metrics for MemoryDB".

The guide's page "Which metrics should I monitor?" has the CPU metric that fits a node. With two vCPUs or fewer it is
CPUUtilization, at 90 % divided by the number of vCPUs, because the engine's one thread can fill only one of them; with
four or more it is EngineCPUUtilization.
"""

from __future__ import annotations

from troposphere import AWSHelperFn, Equals, Or, cloudwatch

from generator.parts.data.cluster_inputs import TWO_VCPUS
from generator.parts.observability import Notifications, alarm_on, dashboard, dimensions, widget
from generator.template.elements import Condition, Element, Input, Value

# Data on usage is published whenever a node runs, so an alarm without data shows that something is wrong. Refused
# logins and commands are published only when there are some.
USAGE = {"Statistic": "Maximum", "EvaluationPeriods": 3, "TreatMissingData": "missing"}
SMALL_NODE_PERCENT, ENGINE_PERCENT = 45, 80


def memorydb_alarms(notify: Notifications, cluster_name: AWSHelperFn, node_type: Input) -> tuple[Element, ...]:
    """Alarms for memory and CPU near their limit, and for clients that the ACL refuses."""
    two_vcpus = Condition("HasTwoVCpus", Or(*(Equals(node_type.ref(), node) for node in TWO_VCPUS)))

    def alarm(logical_id: str, metric: object, meaning: str, advice: str, **properties: object) -> cloudwatch.Alarm:
        return alarm_on(
            logical_id,
            notify,
            meaning,
            advice,
            Namespace="AWS/MemoryDB",
            MetricName=metric,
            Dimensions=dimensions(ClusterName=cluster_name),
            **properties,
        )

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
            Statistic="Sum",
            Threshold=0,
            EvaluationPeriods=1,
        ),
        alarm(
            "CommandAuthorizationFailuresAlarm",
            "CommandAuthorizationFailures",
            "A client ran a command that its access string does not allow",
            "Check the service's log, then the user's access string",
            Statistic="Sum",
            Threshold=0,
            EvaluationPeriods=1,
        ),
    )


def service_dashboard(
    widgets: list[dict[str, object]], cluster_name: Value | None, **values: AWSHelperFn
) -> cloudwatch.Dashboard:
    """Two rows of a service's `widgets`, and one of its cluster, if it has one. `values` fill the placeholders."""
    if cluster_name is None:
        return dashboard("Dashboard", "The service on one page", widgets, **values)
    widgets = [*widgets, *_cluster_widgets(2)]
    return dashboard("Dashboard", "Service and cluster on one page", widgets, ClusterName=cluster_name, **values)


def _cluster_widgets(row: int) -> list[dict[str, object]]:
    """One row of a dashboard: the load of the cluster ${ClusterName}, and what it refused."""
    namespace, cluster = "AWS/MemoryDB", ["ClusterName", "${ClusterName}"]
    load = ("CPUUtilization", "EngineCPUUtilization", "DatabaseMemoryUsagePercentage")
    refused = ("AuthenticationFailures", "CommandAuthorizationFailures")
    return [
        widget(row, 0, "Cluster load (%)", "Maximum", namespace, load, cluster),
        widget(row, 1, "Refused by the cluster", "Sum", namespace, refused, cluster),
    ]
