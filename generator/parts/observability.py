"""What an operator sees: logs, alarms, the topic they are sent to; of the cluster, and what services add to it.

Metric names, units and dimensions: MemoryDB developer guide, "Metrics for MemoryDB".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from troposphere import AWSHelperFn, Parameter, Sub, cloudwatch, logs, sns

from generator.parts.permissions import alarm_topic_policy
from generator.template.elements import Condition, Input, why

GROUP = "Logs and alarms"
FIVE_MINUTES = 300
LOG_RETENTION_DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)


@dataclass(frozen=True)
class LogGroup:
    """A log group whose entries expire after LogRetentionDays."""

    retention: Input
    log_group: logs.LogGroup


@dataclass(frozen=True)
class Notifications:
    """An SNS topic with one e-mail subscriber, if the parameter AlarmEmail names one."""

    email: Input
    given: Condition
    topic: sns.Topic
    topic_policy: sns.TopicPolicy

    @property
    def actions(self) -> list[AWSHelperFn]:
        """What an alarm does when it changes to ALARM or back to OK."""
        return [self.given.choose(self.topic.ref())]


@dataclass(frozen=True)
class MemoryDbAlarms:
    """Alarms on one cluster."""

    memory: cloudwatch.Alarm
    engine_cpu: cloudwatch.Alarm
    authentication_failures: cloudwatch.Alarm
    authorization_failures: cloudwatch.Alarm


def log_group(logical_id: str) -> LogGroup:
    """A log group with retention, deleted with its stack."""
    retention = Input(
        Parameter(
            "LogRetentionDays",
            Type="Number",
            Default=30,
            AllowedValues=list(LOG_RETENTION_DAYS),
            Description="How many days log entries are kept.",
        ),
        group=GROUP,
        label="Log retention (days)",
    )
    return LogGroup(
        retention,
        logs.LogGroup(
            logical_id,
            RetentionInDays=retention.ref(),
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Delete",
        ),
    )


def notifications(prefix: str = "") -> Notifications:
    """Where alarms go: the topic exists only when AlarmEmail is set.

    Source of its being unencrypted: CloudWatch user guide, "Amazon SNS topics and alarms", encryption.
    """
    email = Input(
        Parameter(
            "AlarmEmail",
            Type="String",
            Default="",
            AllowedPattern=r"^$|^[^@\s,]+@[^@\s,]+\.[^@\s,]+$",
            ConstraintDescription="Empty, or one e-mail address.",
            Description="The e-mail address to send alarms to; its owner must first confirm a message from AWS. Leave "
            "empty to see alarms in CloudWatch only.",
        ),
        group=GROUP,
        label="E-mail address for alarms",
    )
    given = email.given("HasAlarmEmail")
    topic = sns.Topic(
        f"{prefix}AlarmTopic",
        Metadata=why(
            "No KMS key: alarms cannot publish to a topic encrypted with aws/sns, and a key of your own would have to "
            "admit CloudWatch"
        ),
        Condition=given.name,
        Subscription=[sns.Subscription(Endpoint=email.ref(), Protocol="email")],
    )
    return Notifications(
        email,
        given,
        topic,
        sns.TopicPolicy(
            f"{prefix}AlarmTopicPolicy",
            Condition=given.name,
            Topics=[topic.ref()],
            PolicyDocument=alarm_topic_policy(topic.ref()),
        ),
    )


def memorydb_alarms(notify: Notifications, cluster_name: AWSHelperFn) -> MemoryDbAlarms:
    """Alarms for memory and CPU near their limit, and for anybody refused by the ACL."""

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

    return MemoryDbAlarms(
        memory=alarm(
            "MemoryUsageAlarm",
            "DatabaseMemoryUsagePercentage",
            "A node has used more than 80 % of its memory for 15 minutes",
            "Writes fail when memory is full: add shards or use a larger node type",
            Statistic="Maximum",
            Threshold=80,
            EvaluationPeriods=3,
        ),
        engine_cpu=alarm(
            "EngineCpuAlarm",
            "EngineCPUUtilization",
            "The engine of a node has been more than 80 % busy for 15 minutes",
            "Add shards, or replicas if reads go to them",
            Statistic="Maximum",
            Threshold=80,
            EvaluationPeriods=3,
        ),
        authentication_failures=alarm(
            "AuthenticationFailuresAlarm",
            "AuthenticationFailures",
            "A client that can reach the cluster has failed to log in",
            "Check the service's log, and the VPC's flow log if there is one",
            Statistic="Sum",
            Threshold=0,
            EvaluationPeriods=1,
        ),
        authorization_failures=alarm(
            "CommandAuthorizationFailuresAlarm",
            "CommandAuthorizationFailures",
            "A client ran a command that its access string does not allow",
            "Check the service's log, then the user's access string",
            Statistic="Sum",
            Threshold=0,
            EvaluationPeriods=1,
        ),
    )


def service_dashboard(prefix: str, widgets: list[dict[str, object]], **values: Any) -> cloudwatch.Dashboard:
    """One dashboard: two rows of a service's `widgets` above its cluster's load. `values` fill their placeholders, and
    ${ClusterName}."""
    body = json.dumps({"widgets": [*widgets, *_cluster_widgets(2)]}, sort_keys=True)
    return cloudwatch.Dashboard(
        f"{prefix}Dashboard",
        Metadata=why("Service and cluster on one page"),
        DashboardBody=Sub(body, **values),
    )


def widget(
    row: int, column: int, title: str, stat: str, namespace: str, names: tuple[str, ...], of: list[str]
) -> dict[str, object]:
    """One of a dashboard's two columns of graphs: metrics of one namespace with the same dimensions."""
    return {
        "type": "metric",
        "x": 12 * column,
        "y": 6 * row,
        "width": 12,
        "height": 6,
        "properties": {
            "metrics": [[namespace, name, *of] for name in names],
            "period": FIVE_MINUTES,
            "region": "${AWS::Region}",
            "stat": stat,
            "title": title,
        },
    }


def _cluster_widgets(row: int) -> list[dict[str, object]]:
    """What a dashboard shows of the cluster ${ClusterName}, in one row."""
    namespace, cluster = "AWS/MemoryDB", ["ClusterName", "${ClusterName}"]
    load = ("EngineCPUUtilization", "DatabaseMemoryUsagePercentage")
    refused = ("AuthenticationFailures", "CommandAuthorizationFailures")
    return [
        widget(row, 0, "Cluster load (%)", "Maximum", namespace, load, cluster),
        widget(row, 1, "Refused by the cluster", "Sum", namespace, refused, cluster),
    ]


def dimensions(**values: AWSHelperFn) -> list[cloudwatch.MetricDimension]:
    """A metric's dimensions, by name."""
    return [cloudwatch.MetricDimension(Name=name, Value=value) for name, value in values.items()]


def alarm_on(logical_id: str, notify: Notifications, meaning: str, advice: str, **properties: Any) -> cloudwatch.Alarm:
    """An alarm that says what it means and what to do; `properties` name its metric and limit."""
    defaults: Mapping[str, object] = {
        "Metadata": why(meaning),
        "AlarmDescription": f"{meaning}. {advice}.",
        "Period": FIVE_MINUTES,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": notify.actions,
        "OKActions": notify.actions,
    }
    return cloudwatch.Alarm(logical_id, **{**defaults, **properties})
