"""Alarms and a dashboard of a service on App Runner.

Metric names, units and dimensions: App Runner developer guide, "Viewing App Runner service metrics reported to
CloudWatch".
"""

from __future__ import annotations

from troposphere import AWSHelperFn, Equals, Not, cloudwatch

from generator.parts.data.observability import service_dashboard
from generator.parts.observability import Notifications, alarm_on, dimensions, widget
from generator.template.elements import Condition, Element, Value

SERVICES = "AWS/AppRunner"


def app_runner_alarms(
    notify: Notifications,
    *,
    service_name: AWSHelperFn,
    service_id: AWSHelperFn,
    min_size: AWSHelperFn,
    max_size: AWSHelperFn,
) -> tuple[Element, ...]:
    """Alarms for errors, slowness, memory, and for having no further instance to scale to."""

    def alarm(logical_id: str, metric: str, meaning: str, advice: str, **properties: object) -> cloudwatch.Alarm:
        return alarm_on(
            logical_id,
            notify,
            meaning,
            advice,
            Namespace=SERVICES,
            MetricName=metric,
            Dimensions=dimensions(ServiceName=service_name, ServiceID=service_id),
            **properties,
        )

    # A service of a fixed size is always at its maximum.
    can_scale = Condition("CanScale", Not(Equals(min_size, max_size)))
    return (
        alarm(
            "ServerErrorsAlarm",
            "5xxStatusResponses",
            "More than 5 responses with status 5xx within 5 minutes",
            "Check the service's application log and the cluster's alarms",
            Statistic="Sum",
            Threshold=5,
            EvaluationPeriods=1,
        ),
        alarm(
            "LatencyAlarm",
            "RequestLatency",
            "5 % of the requests have taken more than a second for 15 minutes",
            "Check whether the instances or the cluster are busy",
            ExtendedStatistic="p95",
            Threshold=1000,
            EvaluationPeriods=3,
        ),
        alarm(
            "InstanceMemoryAlarm",
            "MemoryUtilization",
            "An instance has used more than 90 % of its memory for 15 minutes",
            "Raise Memory or lower MaxConcurrency",
            Statistic="Maximum",
            TreatMissingData="missing",
            Threshold=90,
            EvaluationPeriods=3,
        ),
        can_scale,
        alarm(
            "InstancesAtMaximumAlarm",
            "ActiveInstances",
            "Every instance that MaxSize allows has been busy for 15 minutes",
            "Further requests are rejected: raise MaxSize",
            Condition=can_scale.name,
            Statistic="Maximum",
            Threshold=max_size,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            EvaluationPeriods=3,
        ),
    )


def app_runner_dashboard(
    *,
    service_name: AWSHelperFn,
    service_id: AWSHelperFn,
    cluster_name: Value | None,
) -> cloudwatch.Dashboard:
    """One dashboard: the service's traffic, errors, latency and instances above its cluster's load, if it has one."""
    service = ["ServiceName", "${ServiceName}", "ServiceID", "${ServiceId}"]
    statuses = ("2xxStatusResponses", "4xxStatusResponses", "5xxStatusResponses")
    widgets = [
        widget(0, 0, "Answers", "Sum", SERVICES, statuses, service),
        widget(0, 1, "Latency, p95 (ms)", "p95", SERVICES, ("RequestLatency",), service),
        widget(
            1, 0, "Instances and requests at once", "Maximum", SERVICES, ("ActiveInstances", "Concurrency"), service
        ),
        widget(1, 1, "Instance load (%)", "Maximum", SERVICES, ("CPUUtilization", "MemoryUtilization"), service),
    ]
    return service_dashboard(widgets, cluster_name, ServiceName=service_name, ServiceId=service_id)
