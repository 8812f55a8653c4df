"""Whether ECS would roll back a deployment of an Express service: a client and a service's ARN in, a reason out.

ECS judges a deployment by an alarm of its own, which also sees the traffic before the deployment. So the alarm's own
metrics are read and compared with its own threshold, and nothing is assumed of either.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from generator.aws.calls import pages

ACTIONS = ("cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData")
# The alarm looks at three data points of a minute; two more, because the newest may not have arrived.
MINUTES = 5


def rollback_reason(cloudwatch: Any, service_arn: str) -> str:
    """Why a deployment that starts now would be rolled back; empty if it would not be, or if there is no alarm.

    ECS names the alarm <cluster>/<service>/RollbackAlarm, and writes it anew at each deployment (Joyce0301/ReContent,
    infra/terraform/imports.tf). A minute without data does not count, as in the alarm.
    """
    cluster, service = service_arn.split("/")[1:3]
    name = f"{cluster}/{service}/RollbackAlarm"
    for alarm in cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]:
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
        needed = alarm["DatapointsToAlarm"]
        if any(last - first < window for (first, _), (last, _) in zip(above, above[needed - 1 :], strict=False)):
            rates = " and ".join(f"{rate:.1f} % at {moment.astimezone(UTC):%H:%M}Z" for moment, rate in above)
            return (
                f"too many requests are answered with 4xx or 5xx, {rates}, and ECS allows {alarm['Threshold']:g} % "
                f"(alarm {name})"
            )
    return ""
