"""The alarm by which ECS rolls back deployments of Express services, on metrics of the load balancer in front of them.

The local services count in minutes of their own, so that a deployment does not take six minutes.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region, json_response
from ministack.services import cloudwatch

from rehearsal.emulator.extensions import local_services
from rehearsal.emulator.extensions.metric_math import Series, evaluated

PERIODS, DATAPOINTS, THRESHOLD = 3, 2, 1.0
NAMESPACE = "AWS/ApplicationELB"
ERRORS = ("HTTPCode_Target_4XX_Count", "HTTPCode_Target_5XX_Count")
# "The average number of requests per target": a group has one target here.
REQUESTS = "RequestCountPerTarget"

get_stored_data = cloudwatch._get_metric_data


@dataclass
class TargetGroup:
    """One of the two groups that a service's deployments take in turns, and the ports of the instances in it."""

    load_balancer: str
    name: str = field(
        default_factory=lambda: f"targetgroup/ecs-gateway-tg-{secrets.token_hex(9)[1:]}/{secrets.token_hex(8)}"
    )
    ports: list[int] = field(default_factory=list)

    @property
    def dimensions(self) -> dict[str, str]:
        return {"TargetGroup": self.name, "LoadBalancer": self.load_balancer}


# By the service's ARN. The idle one comes first.
target_groups = AccountRegionScopedDict()


def install() -> None:
    cloudwatch._get_metric_data = get_metric_data


def put_alarm(service_arn: str, load_balancer: str) -> None:
    """The alarm as two accounts had it (Joyce0301/ReContent, infra/terraform/cloudwatch.tf): for each target group the
    share of answers with 4xx, unless they are fewer than five, and with 5xx; the worse of both groups counts. ECS
    writes it anew when a deployment starts."""
    groups = target_groups.setdefault(service_arn, [TargetGroup(load_balancer), TargetGroup(load_balancer)])
    queries = []
    for number, group in enumerate(sorted(groups, key=lambda group: group.name)):
        for id, metric in zip(("4xx", "5xx", "total"), (*ERRORS, REQUESTS), strict=True):
            dimensions = [{"Name": name, "Value": value} for name, value in group.dimensions.items()]
            metric_of_group = {"Namespace": NAMESPACE, "MetricName": metric, "Dimensions": dimensions}
            stat = {"Metric": metric_of_group, "Period": 60, "Stat": "Sum"}
            queries.append({"Id": f"m{number}_{id}", "MetricStat": stat, "ReturnData": False})
        share = f"100 * (IF(m{number}_4xx < 5, 0, m{number}_4xx) + m{number}_5xx) / FILL(m{number}_total, 1)"
        queries.append({"Id": f"em{number}", "Expression": share, "ReturnData": False})
    queries.append({"Id": "e", "Expression": "MAX([em0, em1])", "ReturnData": True})
    name = alarm_name(service_arn)
    cloudwatch.cloudformation_put_metric_alarm(
        {
            "AlarmName": name,
            "AlarmArn": f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm:{name}",
            "AlarmDescription": "Rate of 4XX and 5XX errors",
            "ActionsEnabled": True,
            "StateValue": "OK",
            "Metrics": queries,
            "EvaluationPeriods": PERIODS,
            "DatapointsToAlarm": DATAPOINTS,
            "Threshold": THRESHOLD,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        }
    )


def delete_alarm(service_arn: str) -> None:
    target_groups.pop(service_arn, None)
    cloudwatch.cloudformation_delete_metric_alarm(alarm_name(service_arn))


def alarm_name(service_arn: str) -> str:
    return f"{service_arn.partition(':service/')[2]}/RollbackAlarm"


def register(service_arn: str, port: int) -> None:
    """Puts a new instance into the idle target group, which is then the other one."""
    groups = target_groups[service_arn]
    groups.reverse()
    groups[-1].ports.append(port)


def goes_off(service_arn: str) -> bool:
    """Whether the alarm goes off within three minutes, which ECS waits after each shift of traffic (developer guide,
    "Updating an Amazon ECS Express Mode service")."""
    queries = cloudwatch._alarms[alarm_name(service_arn)]["Metrics"]
    end = minutes() + PERIODS
    while minutes() < end:
        now = time.time()
        found = metric_data({"MetricDataQueries": queries, "StartTime": now - 60 * (PERIODS + 1), "EndTime": now})
        if sum(rate > THRESHOLD for rate in found["e"].values()) >= DATAPOINTS:
            return True
        time.sleep(0.04)
    return False


def minutes() -> float:
    return float(local_services.request("minutes")["passed"])


def get_metric_data(params: Any, request: Any, is_cbor: bool, is_json: bool = False) -> Any:
    """With expressions, which ministack does not have; in boto3's protocol only."""
    if not is_json:
        return get_stored_data(params, request, is_cbor, is_json)
    series = metric_data(request)
    results = [
        {
            "Id": query["Id"],
            "Label": query.get("Label", query["Id"]),
            "StatusCode": "Complete",
            "Timestamps": list(series[query["Id"]]),
            "Values": list(series[query["Id"]].values()),
        }
        for query in request["MetricDataQueries"]
        if query.get("ReturnData", True)
    ]
    return json_response({"MetricDataResults": results})


def metric_data(request: Mapping[str, Any]) -> dict[str, Series]:
    """The series of each query, by its ID. A query's expression refers to the queries before it."""
    count_answers()
    queries: Sequence[Mapping[str, Any]] = request["MetricDataQueries"]
    stored = [{**query, "ReturnData": True} for query in queries if "MetricStat" in query]
    _, _, body = get_stored_data({}, {**request, "MetricDataQueries": stored}, False, True)
    series: dict[str, Series] = {
        result["Id"]: dict(zip(result["Timestamps"], result["Values"], strict=True))
        for result in json.loads(body)["MetricDataResults"]
    }
    for query in queries:
        if "Expression" in query:
            series[query["Id"]] = evaluated(query["Expression"], series)
    return series


def count_answers() -> None:
    """Stores what the load balancer has counted as of its last whole minutes. Errors have no data point in a minute
    without any (Elastic Load Balancing user guide, "CloudWatch metrics for your Application Load Balancer"); health
    checks are not requests."""
    if not local_services.available():
        return
    minute = time.time() // 60 * 60
    for group in [group for pair in target_groups.values() for group in pair if group.ports]:
        counted = local_services.request("answers", ports=group.ports, minutes=PERIODS)["counted"]
        for place, metric in enumerate((*ERRORS, REQUESTS)):
            key = (NAMESPACE, metric, cloudwatch._dims_key(group.dimensions))
            cloudwatch._metrics[key] = [
                {
                    "Timestamp": minute - 60 * (ago + 1),
                    "Value": float(numbers[place]),
                    "Unit": "Count",
                    "Dimensions": group.dimensions,
                }
                for ago, numbers in enumerate(counted)
                if numbers[place]
            ]
