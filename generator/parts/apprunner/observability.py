"""Alarms and a dashboard of a service on App Runner.

Metric names, units and dimensions: App Runner developer guide, "Viewing App Runner service metrics reported to
CloudWatch".
"""

from __future__ import annotations

from functools import partial

from troposphere import AWSHelperFn, Equals, GetAtt, Not, Select, Split, apprunner, cloudwatch

from generator.parts.data.observability import service_dashboard
from generator.parts.observability import AT_ONCE, FOR_15_MINUTES, USAGE, Notifications, alarm_on, widget
from generator.template.elements import Condition, Element, Value

SERVICES = "AWS/AppRunner"


def app_runner_alarms(
    notify: Notifications, service: apprunner.Service, *, min_size: AWSHelperFn, max_size: AWSHelperFn
) -> tuple[Element, ...]:
    """Alarms for errors, slowness, memory, and for having no further instance to scale to."""
    alarm = partial(alarm_on, notify, SERVICES, {"ServiceName": _name(service), "ServiceID": _id(service)})
    # A service of a fixed size is always at its maximum.
    can_scale = Condition("CanScale", Not(Equals(min_size, max_size)))
    return (
        alarm(
            "ServerErrorsAlarm",
            "5xxStatusResponses",
            "More than 5 responses with status 5xx within 5 minutes",
            "Check the service's application log and the cluster's alarms",
            Threshold=5,
            **AT_ONCE,
        ),
        alarm(
            "LatencyAlarm",
            "RequestLatency",
            "5 % of the requests have taken more than a second for 15 minutes",
            "Check whether the instances or the cluster are busy",
            ExtendedStatistic="p95",
            Threshold=1000,
            **FOR_15_MINUTES,
        ),
        alarm(
            "InstanceMemoryAlarm",
            "MemoryUtilization",
            "An instance has used more than 90 % of its memory for 15 minutes",
            "Raise Memory or lower MaxConcurrency",
            Threshold=90,
            **USAGE,
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
            **FOR_15_MINUTES,
        ),
    )


def app_runner_dashboard(service: apprunner.Service, cluster_name: Value | None) -> cloudwatch.Dashboard:
    """One dashboard: the service's traffic, errors, latency and instances above its cluster's load, if it has one."""
    of = ["ServiceName", "${ServiceName}", "ServiceID", "${ServiceId}"]
    statuses = ("2xxStatusResponses", "4xxStatusResponses", "5xxStatusResponses")
    widgets = [
        widget(0, 0, "Answers", "Sum", SERVICES, statuses, of),
        widget(0, 1, "Latency, p95 (ms)", "p95", SERVICES, ("RequestLatency",), of),
        widget(1, 0, "Instances and requests at once", "Maximum", SERVICES, ("ActiveInstances", "Concurrency"), of),
        widget(1, 1, "Instance load (%)", "Maximum", SERVICES, ("CPUUtilization", "MemoryUtilization"), of),
    ]
    return service_dashboard(widgets, cluster_name, ServiceName=_name(service), ServiceId=_id(service))


def _name(service: apprunner.Service) -> AWSHelperFn:
    """The service's name has no attribute of its own: arn:…:service/<name>/<id>."""
    return Select(1, Split("/", GetAtt(service, "ServiceArn")))


def _id(service: apprunner.Service) -> AWSHelperFn:
    return GetAtt(service, "ServiceId")
