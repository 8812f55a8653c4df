"""Alarms and a dashboard of a service on ECS Express Mode.

Metric names, units and dimensions: Amazon ECS developer guide, "Amazon ECS CloudWatch metrics"; Elastic Load Balancing
user guide, "CloudWatch metrics for your Application Load Balancer".

The load balancer's metrics have the dimension LoadBalancer alone. A service has two target groups, and each deployment
moves it from one to the other (Amazon ECS developer guide, "Amazon ECS canary deployments"), so an alarm on one of them
would be silent after every second deployment. Up to 25 Express services of one VPC share a load balancer, so a second
one in the same VPC counts too.
"""

from __future__ import annotations

from functools import partial

from troposphere import AWSHelperFn, Select, Split, cloudwatch, ecs

from generator.parts.data.observability import service_dashboard
from generator.parts.observability import AT_ONCE, FOR_15_MINUTES, USAGE, Notifications, alarm_on, widget
from generator.template.elements import Value

BALANCER, TASKS = "AWS/ApplicationELB", "AWS/ECS"


def load_balancer_arn(service: ecs.ExpressGatewayService) -> AWSHelperFn:
    """The load balancer that ECS made, or one that it shares with other Express services of the VPC."""
    attribute: AWSHelperFn = service.get_att("ECSManagedResourceArns.IngressPath.LoadBalancerArn")
    return attribute


def ecs_alarms(notify: Notifications, service: ecs.ExpressGatewayService) -> tuple[cloudwatch.Alarm, ...]:
    """Alarms for errors, slowness, and tasks without CPU or memory to spare."""
    balancer = partial(alarm_on, notify, BALANCER, {"LoadBalancer": _load_balancer(service)})
    tasks = partial(alarm_on, notify, TASKS, {"ClusterName": _of_arn(service, 1), "ServiceName": _of_arn(service, 2)})
    return (
        balancer(
            "ServerErrorsAlarm",
            "HTTPCode_Target_5XX_Count",
            "More than 5 responses of the service with status 5xx within 5 minutes",
            "Check the service's log and the cluster's alarms",
            Threshold=5,
            **AT_ONCE,
        ),
        balancer(
            "LoadBalancerErrorsAlarm",
            "HTTPCode_ELB_5XX_Count",
            "More than 5 requests within 5 minutes found no task that responds",
            "Check the service's tasks and events in the ECS console",
            Threshold=5,
            **AT_ONCE,
        ),
        balancer(
            "LatencyAlarm",
            "TargetResponseTime",
            "5 % of the requests have taken more than a second for 15 minutes",
            "Check whether the tasks or the cluster are busy",
            ExtendedStatistic="p95",
            # Seconds, where App Runner has milliseconds.
            Threshold=1,
            **FOR_15_MINUTES,
        ),
        tasks(
            "TaskCpuAlarm",
            "CPUUtilization",
            "Tasks have used more than 90 % of their CPU for 15 minutes, although scaling aims for less",
            "Every task that MaxSize allows is busy: raise MaxSize or Cpu",
            Threshold=90,
            **{**USAGE, "Statistic": "Average"},
        ),
        tasks(
            "TaskMemoryAlarm",
            "MemoryUtilization",
            "A task has used more than 90 % of its memory for 15 minutes",
            "Raise Memory",
            Threshold=90,
            **USAGE,
        ),
    )


def ecs_dashboard(service: ecs.ExpressGatewayService, cluster_name: Value | None) -> cloudwatch.Dashboard:
    """One dashboard: the service's traffic, errors, latency and tasks above its MemoryDB cluster's load."""
    balancer = ["LoadBalancer", "${LoadBalancer}"]
    tasks = ["ClusterName", "${TaskCluster}", "ServiceName", "${ServiceName}"]
    statuses = tuple(f"HTTPCode_Target_{status}XX_Count" for status in (2, 4, 5))
    requests = ("RequestCount", "HTTPCode_ELB_5XX_Count")
    widgets = [
        widget(0, 0, "Answers", "Sum", BALANCER, statuses, balancer),
        widget(0, 1, "Latency, p95 (s)", "p95", BALANCER, ("TargetResponseTime",), balancer),
        widget(1, 0, "Requests, and those without a task", "Sum", BALANCER, requests, balancer),
        widget(1, 1, "Task load (%)", "Maximum", TASKS, ("CPUUtilization", "MemoryUtilization"), tasks),
    ]
    return service_dashboard(
        widgets,
        cluster_name,
        LoadBalancer=_load_balancer(service),
        TaskCluster=_of_arn(service, 1),
        ServiceName=_of_arn(service, 2),
    )


def _load_balancer(service: ecs.ExpressGatewayService) -> AWSHelperFn:
    """The dimension's value, cut from arn:…:loadbalancer/app/<name>/<id>."""
    return Select(1, Split(":loadbalancer/", load_balancer_arn(service)))


def _of_arn(service: ecs.ExpressGatewayService, part: int) -> AWSHelperFn:
    """A part of the service's ARN, arn:…:service/<cluster>/<name>."""
    return Select(part, Split("/", service.get_att("ServiceArn")))
