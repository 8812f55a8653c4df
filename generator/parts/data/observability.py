"""Alarms and graphs of a MemoryDB cluster.

Metric names, units and dimensions: MemoryDB developer guide, "Metrics for MemoryDB".
"""

from __future__ import annotations

from troposphere import AWSHelperFn, cloudwatch

from generator.parts.observability import Notifications, alarm_on, dashboard, dimensions, widget
from generator.template.elements import Value


def memorydb_alarms(notify: Notifications, cluster_name: AWSHelperFn) -> tuple[cloudwatch.Alarm, ...]:
    """Alarms for memory and CPU near their limit, and for clients that the ACL refuses."""

    def alarm(logical_id: str, metric: str, meaning: str, advice: str, **properties: object) -> cloudwatch.Alarm:
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
            Statistic="Maximum",
            Threshold=80,
            EvaluationPeriods=3,
        ),
        alarm(
            "EngineCpuAlarm",
            "EngineCPUUtilization",
            "The engine of a node has been more than 80 % busy for 15 minutes",
            "Add shards, or replicas if reads go to them",
            Statistic="Maximum",
            Threshold=80,
            EvaluationPeriods=3,
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
    load = ("EngineCPUUtilization", "DatabaseMemoryUsagePercentage")
    refused = ("AuthenticationFailures", "CommandAuthorizationFailures")
    return [
        widget(row, 0, "Cluster load (%)", "Maximum", namespace, load, cluster),
        widget(row, 1, "Refused by the cluster", "Sum", namespace, refused, cluster),
    ]
