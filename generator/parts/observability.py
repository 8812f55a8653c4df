"""What logs, alarms and dashboards are made of, whatever they are about: retention, the alarms' topic, graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from awacs import aws
from awacs import sns as sns_actions
from troposphere import AccountId, AWSHelperFn, cloudwatch, logs, sns
from troposphere.constants import LOGS_ALLOWED_RETENTION_DAYS

from generator.errors import TemplateError
from generator.parts.permissions import allow, document
from generator.template.elements import Input, Value, why
from generator.template.inputs import Group, OptionalInput

GROUP = Group("Logs and alarms")
FIVE_MINUTES = 300
# An alarm on errors goes off at once, one on load after 15 minutes.
AT_ONCE = {"Statistic": "Sum", "EvaluationPeriods": 1}
FOR_15_MINUTES = {"EvaluationPeriods": 3}
# Data on usage is published whenever something runs, so an alarm without data shows that something is wrong.
USAGE = {"Statistic": "Maximum", "TreatMissingData": "missing", **FOR_15_MINUTES}


@dataclass(frozen=True)
class Notifications:
    """An SNS topic with one e-mail subscriber, if the parameter AlarmEmail names one."""

    email: OptionalInput
    topic: sns.Topic
    topic_policy: sns.TopicPolicy

    @property
    def actions(self) -> list[AWSHelperFn]:
        """What an alarm does when it changes to ALARM or back to OK."""
        return [self.email.choose(self.topic.ref())]


def log_group(logical_id: str, days: int = 30) -> tuple[Input, logs.LogGroup]:
    """The parameter LogRetentionDays, by default `days`, and a log group with that retention, deleted with its stack.

    Raises TemplateError for a number of days that CloudWatch Logs does not take.
    """
    if days not in LOGS_ALLOWED_RETENTION_DAYS:
        raise TemplateError(
            f"Logs cannot be kept for {days} days: choose one of {', '.join(map(str, LOGS_ALLOWED_RETENTION_DAYS))}."
        )
    retention = GROUP.choice(
        "LogRetentionDays",
        LOGS_ALLOWED_RETENTION_DAYS,
        default=days,
        description="How many days log entries are kept.",
        label="Log retention (days)",
    )
    return retention, logs.LogGroup(
        logical_id, RetentionInDays=retention.ref(), DeletionPolicy="Delete", UpdateReplacePolicy="Delete"
    )


def notifications() -> Notifications:
    """Where alarms go: the topic exists only when AlarmEmail is set.

    Source of its being unencrypted: CloudWatch user guide, "Amazon SNS topics and alarms", encryption.
    """
    email = GROUP.optional_text(
        "AlarmEmail",
        r"[^@\s,]+@[^@\s,]+\.[^@\s,]+",
        form="one e-mail address",
        description="The e-mail address to send alarms to; its owner must first confirm a message from AWS. Leave "
        "empty to see alarms in CloudWatch only.",
        label="E-mail address for alarms",
    )
    topic = sns.Topic(
        "AlarmTopic",
        Metadata=why(
            "No KMS key: alarms cannot publish to a topic encrypted with aws/sns, and a key of your own would have to "
            "admit CloudWatch"
        ),
        Condition=email.given.name,
        Subscription=[sns.Subscription(Endpoint=email.ref(), Protocol="email")],
    )
    return Notifications(
        email,
        topic,
        sns.TopicPolicy(
            "AlarmTopicPolicy",
            Condition=email.given.name,
            Topics=[topic.ref()],
            PolicyDocument=_topic_policy(topic.ref()),
        ),
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


def alarm_on(
    notify: Notifications,
    namespace: str,
    dimensions: Mapping[str, Value],
    logical_id: str,
    metric: object,
    meaning: str,
    advice: str,
    **properties: Any,
) -> cloudwatch.Alarm:
    """An alarm on one metric that says what it means and what to do; `properties` are its limit and statistic."""
    defaults: Mapping[str, object] = {
        "Metadata": why(meaning),
        "AlarmDescription": f"{meaning}. {advice}.",
        "Namespace": namespace,
        "MetricName": metric,
        "Dimensions": [cloudwatch.MetricDimension(Name=name, Value=value) for name, value in dimensions.items()],
        "Period": FIVE_MINUTES,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": notify.actions,
        "OKActions": notify.actions,
    }
    return cloudwatch.Alarm(logical_id, **{**defaults, **properties})


def _topic_policy(topic_arn: AWSHelperFn) -> aws.PolicyDocument:
    """Lets CloudWatch alarms of this account publish, and denies every request without TLS.

    Source: CloudWatch user guide, "Notifying users on alarm changes", SNS permissions.
    """
    publish = [sns_actions.Publish]
    ours = aws.Condition(aws.StringEquals({"aws:SourceAccount": AccountId}))
    return document(
        allow(publish, topic_arn, Principal=aws.Principal("Service", ["cloudwatch.amazonaws.com"]), Condition=ours),
        aws.Statement(
            Effect=aws.Deny,
            Principal=aws.Principal("*"),
            Action=publish,
            Resource=[topic_arn],
            Condition=aws.Condition(aws.Bool({"aws:SecureTransport": "false"})),
        ),
    )
