"""Whether ECS would roll back a deployment of an Express service because of the requests that fail.

ECS judges a deployment by an alarm of its own, which also sees the traffic before the deployment. So the alarm's own
metrics are read and compared with its own threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from generator.aws.calls import pages
from generator.compute import ErrorRate

ACTIONS = ("cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData")
# The alarm looks at three data points of a minute; two more, because the newest may not have arrived.
MINUTES = 5


def error_rate(cloudwatch: Any, service_arn: str) -> ErrorRate:
    """What the alarm of a service says about a deployment that starts now.

    ECS names the alarm <cluster>/<service>/RollbackAlarm, and writes it anew at each deployment (Joyce0301/ReContent,
    infra/terraform/imports.tf). A minute without data does not count, as in the alarm.
    """
    cluster, service = service_arn.split("/")[1:3]
    name = f"{cluster}/{service}/RollbackAlarm"
    match cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]:
        case []:
            return ErrorRate(checked=False, reason=f"the service has no alarm {name}")
        case [{"Metrics": _, "Threshold": _, "ComparisonOperator": "GreaterThanThreshold"} as alarm]:
            return ErrorRate(checked=True, reason=_too_high(cloudwatch, alarm))
    return ErrorRate(checked=False, reason=f"the alarm {name} compares something else than a rate with a threshold")


def _too_high(cloudwatch: Any, alarm: Mapping[str, Any]) -> str:
    """Why the alarm would go off; empty if it would not."""
    end = datetime.now(UTC)
    period = {"StartTime": end - timedelta(minutes=MINUTES), "EndTime": end}
    above = sorted(
        (moment, rate)
        for page in pages(cloudwatch.get_metric_data, MetricDataQueries=alarm["Metrics"], **period)
        for result in page["MetricDataResults"]
        for moment, rate in zip(result["Timestamps"], result["Values"], strict=True)
        if rate > alarm["Threshold"]
    )
    window = timedelta(minutes=alarm["EvaluationPeriods"])
    # "Used only if you are setting an M out of N alarm" (API reference, PutMetricAlarm); else all count.
    needed = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])
    if not any(last - first < window for (first, _), (last, _) in zip(above, above[needed - 1 :], strict=False)):
        return ""
    rates = " and ".join(f"{rate:.1f} % at {moment.astimezone(UTC):%H:%M}Z" for moment, rate in above)
    return (
        f"too many requests are answered with 4xx or 5xx, {rates}, and ECS allows {alarm['Threshold']:g} % "
        f"(alarm {alarm['AlarmName']})"
    )
