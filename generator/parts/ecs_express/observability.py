"""Alarms and a dashboard of a service on ECS Express Mode.

Metric names, units and dimensions: Amazon ECS developer guide, "Amazon ECS CloudWatch metrics"; Elastic Load Balancing
user guide, "CloudWatch metrics for your Application Load Balancer".

The load balancer's metrics have the dimension LoadBalancer alone. A service has two target groups, and each deployment
moves it from one to the other (Amazon ECS developer guide, "Amazon ECS canary deployments"), so an alarm on one of them
would be silent after every second deployment. Up to 25 Express services of one VPC share a load balancer, so a second
one in the same VPC counts too.
"""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import AWSHelperFn, Select, Split, cloudwatch, ecs

from generator.parts.data.observability import service_dashboard
from generator.parts.observability import Notifications, alarm_on, dimensions, widget
from generator.template.elements import Value

BALANCER, TASKS = "AWS/ApplicationELB", "AWS/ECS"


@dataclass(frozen=True)
class EcsMetrics:
    """The values of the dimensions that select the metrics of one service."""

    load_balancer: AWSHelperFn
    cluster_name: AWSHelperFn
    service_name: AWSHelperFn


def ecs_metrics(service: ecs.ExpressGatewayService) -> EcsMetrics:
    """The dimensions, cut from ARNs: arn:…:loadbalancer/app/<name>/<id> and arn:…:service/<cluster>/<name>."""
    service_arn = service.get_att("ServiceArn")
    return EcsMetrics(
        load_balancer=Select(1, Split(":loadbalancer/", load_balancer_arn(service))),
        cluster_name=Select(1, Split("/", service_arn)),
        service_name=Select(2, Split("/", service_arn)),
    )


def load_balancer_arn(service: ecs.ExpressGatewayService) -> AWSHelperFn:
    """The load balancer that ECS made, or one that it shares with other Express services of the VPC."""
    attribute: AWSHelperFn = service.get_att("ECSManagedResourceArns.IngressPath.LoadBalancerArn")
    return attribute


def ecs_alarms(notify: Notifications, metrics: EcsMetrics) -> tuple[cloudwatch.Alarm, ...]:
    """Alarms for errors, slowness, and tasks without CPU or memory to spare."""

    def balancer(logical_id: str, metric: str, meaning: str, advice: str, **properties: object) -> cloudwatch.Alarm:
        return alarm_on(
            logical_id,
            notify,
            meaning,
            advice,
            Namespace=BALANCER,
            MetricName=metric,
            Dimensions=dimensions(LoadBalancer=metrics.load_balancer),
            **properties,
        )

    def tasks(logical_id: str, metric: str, meaning: str, advice: str, **properties: object) -> cloudwatch.Alarm:
        return alarm_on(
            logical_id,
            notify,
            meaning,
            advice,
            Namespace=TASKS,
            MetricName=metric,
            Dimensions=dimensions(ClusterName=metrics.cluster_name, ServiceName=metrics.service_name),
            EvaluationPeriods=3,
            Threshold=90,
            TreatMissingData="missing",
            **properties,
        )

    return (
        balancer(
            "ServerErrorsAlarm",
            "HTTPCode_Target_5XX_Count",
            "More than 5 responses of the service with status 5xx within 5 minutes",
            "Check the service's log and the cluster's alarms",
            Statistic="Sum",
            Threshold=5,
            EvaluationPeriods=1,
        ),
        balancer(
            "LoadBalancerErrorsAlarm",
            "HTTPCode_ELB_5XX_Count",
            "More than 5 requests within 5 minutes found no task that responds",
            "Check the service's tasks and events in the ECS console",
            Statistic="Sum",
            Threshold=5,
            EvaluationPeriods=1,
        ),
        balancer(
            "LatencyAlarm",
            "TargetResponseTime",
            "5 % of the requests have taken more than a second for 15 minutes",
            "Check whether the tasks or the cluster are busy",
            ExtendedStatistic="p95",
            # Seconds, where App Runner has milliseconds.
            Threshold=1,
            EvaluationPeriods=3,
        ),
        tasks(
            "TaskCpuAlarm",
            "CPUUtilization",
            "Tasks have used more than 90 % of their CPU for 15 minutes, although scaling aims for less",
            "Every task that MaxSize allows is busy: raise MaxSize or Cpu",
            Statistic="Average",
        ),
        tasks(
            "TaskMemoryAlarm",
            "MemoryUtilization",
            "A task has used more than 90 % of its memory for 15 minutes",
            "Raise Memory",
            Statistic="Maximum",
        ),
    )


def ecs_dashboard(metrics: EcsMetrics, cluster_name: Value | None) -> cloudwatch.Dashboard:
    """One dashboard: the service's traffic, errors, latency and tasks above its MemoryDB cluster's load."""
    balancer = ["LoadBalancer", "${LoadBalancer}"]
    service = ["ClusterName", "${TaskCluster}", "ServiceName", "${ServiceName}"]
    statuses = tuple(f"HTTPCode_Target_{status}XX_Count" for status in (2, 4, 5))
    widgets = [
        widget(0, 0, "Answers", "Sum", BALANCER, statuses, balancer),
        widget(0, 1, "Latency, p95 (s)", "p95", BALANCER, ("TargetResponseTime",), balancer),
        widget(
            1,
            0,
            "Requests, and those without a task",
            "Sum",
            BALANCER,
            ("RequestCount", "HTTPCode_ELB_5XX_Count"),
            balancer,
        ),
        widget(1, 1, "Task load (%)", "Maximum", TASKS, ("CPUUtilization", "MemoryUtilization"), service),
    ]
    return service_dashboard(
        widgets,
        cluster_name,
        LoadBalancer=metrics.load_balancer,
        TaskCluster=metrics.cluster_name,
        ServiceName=metrics.service_name,
    )
