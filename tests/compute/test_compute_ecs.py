"""ECS Express Mode as its API tells it. The answers have the form of the API's model; none was recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from generator.aws.calls import Clock
from generator.compute import Outcome, Running
from generator.compute.ecs_express import EcsExpressCompute
from generator.operations.destroy import DRAIN_MINUTES, wait_until_drained
from generator.operations.session import Session
from tests.stubbed import stubbed
from tests.ui import ListUI

ARN = "arn:aws:ecs:eu-west-1:123456789012:service/default/users-9dbd"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/users@sha256:" + 64 * "a"
HOST = f"us-{32 * '0'}.ecs.eu-west-1.on.aws"
COMPUTE = EcsExpressCompute()
ALARM = {
    "AlarmName": "default/users-9dbd/RollbackAlarm",
    "EvaluationPeriods": 3,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


def revision(number: int, image: str = IMAGE, access: str = "PUBLIC", endpoint: str = HOST) -> dict[str, Any]:
    return {
        "serviceRevisionArn": f"{ARN}/{number}",
        "primaryContainer": {
            "image": image,
            "awsLogsConfiguration": {"logGroup": "users-log", "logStreamPrefix": "service"},
        },
        "ingressPaths": [{"accessType": access, "endpoint": endpoint}],
        "createdAt": number,
    }


def deployment(number: int, status: str = "SUCCESSFUL", reason: str = "") -> dict[str, Any]:
    answer = {
        "serviceDeploymentArn": f"{ARN}/deployment-{number}",
        "targetServiceRevisionArn": f"{ARN}/{number}",
        "createdAt": number,
        "status": status,
    }
    return {**answer, "statusReason": reason} if reason else answer


def described(stubber: Stubber, *revisions: dict[str, Any], status: str = "ACTIVE") -> None:
    service = {"serviceArn": ARN, "status": {"statusCode": status}, "activeConfigurations": list(revisions)}
    stubber.add_response("describe_express_gateway_service", {"service": service}, {"serviceArn": ARN})


def observed(revisions: list[dict[str, Any]], *deployments: dict[str, Any], status: str = "ACTIVE") -> Running:
    with stubbed("ecs") as (ecs, stubber):
        # In this order: a deployment that ends in between must not leave the service's older configuration.
        asked = {"service": ARN, "cluster": "default"}
        stubber.add_response("list_service_deployments", {"serviceDeployments": list(deployments)}, asked)
        described(stubber, *revisions, status=status)
        return COMPUTE.running(ecs, ARN)


OUTCOMES = {
    "SUCCESSFUL": Outcome.SUCCEEDED,
    "STOPPED": Outcome.FAILED,
    "ROLLBACK_SUCCESSFUL": Outcome.FAILED,
    "ROLLBACK_FAILED": Outcome.FAILED,
    "PENDING": Outcome.IN_PROGRESS,
    "IN_PROGRESS": Outcome.IN_PROGRESS,
    "STOP_REQUESTED": Outcome.IN_PROGRESS,
    "ROLLBACK_REQUESTED": Outcome.IN_PROGRESS,
    "ROLLBACK_IN_PROGRESS": Outcome.IN_PROGRESS,
}


@pytest.mark.parametrize(("state", "outcome"), OUTCOMES.items())
def test_only_a_deployment_that_was_successful_counts(state: str, outcome: Outcome) -> None:
    assert observed([revision(1)], deployment(1, state)).outcome is outcome


def test_every_state_of_the_api_is_known() -> None:
    with stubbed("ecs") as (ecs, _):
        shape = ecs.meta.service_model.shape_for("ServiceDeploymentStatus")
    assert OUTCOMES.keys() == set(shape.enum)


def test_a_rolled_back_deployment_has_its_reason() -> None:
    seen = observed([revision(1)], deployment(1), deployment(2, "ROLLBACK_SUCCESSFUL", "An alarm went off."))
    assert seen.operation == "deployment ROLLBACK_SUCCESSFUL (An alarm went off)"


def test_the_newest_deployment_is_the_last_in_whatever_order_they_come() -> None:
    for order in ((1, 2), (2, 1)):
        seen = observed([revision(2)], *map(deployment, order))
        assert seen.operation_id == f"{ARN}/deployment-2"


def test_deployments_come_page_by_page() -> None:
    with stubbed("ecs") as (ecs, stubber):
        asked = {"service": ARN, "cluster": "default"}
        first = {"serviceDeployments": [deployment(1)], "nextToken": "more"}
        stubber.add_response("list_service_deployments", first, asked)
        second = {"serviceDeployments": [deployment(2, "PENDING")]}
        stubber.add_response("list_service_deployments", second, {**asked, "nextToken": "more"})
        described(stubber, revision(2))
        assert COMPUTE.running(ecs, ARN).operation == "deployment PENDING"


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def reasons(tasks: list[dict[str, Any]], *events: tuple[int, str]) -> tuple[str, ...]:
    """Between the seconds 10 and 20."""
    arns = [f"arn:{number}" for number in range(len(tasks))]
    with stubbed("ecs") as (ecs, stubber):
        asked = {"cluster": "default", "serviceName": "users-9dbd", "desiredStatus": "STOPPED"}
        stubber.add_response("list_tasks", {"taskArns": arns}, asked)
        if tasks:
            stubber.add_response("describe_tasks", {"tasks": tasks}, {"cluster": "default", "tasks": arns})
        if events:
            listed = [{"createdAt": moment(created), "message": message} for created, message in events]
            stubber.add_response(
                "describe_services",
                {"services": [{"events": listed}]},
                {"cluster": "default", "services": ["users-9dbd"]},
            )
        return COMPUTE.reasons(ecs, ARN, moment(10), moment(20))


EXITED = "Essential container in task exited"
KILLED = "OutOfMemoryError: Container killed due to memory usage"


def task(created: int, stopped: str, **container: Any) -> dict[str, Any]:
    return {"createdAt": moment(created), "stoppedReason": stopped, "containers": [{"name": "Main", **container}]}


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ([task(12, EXITED, exitCode=3)], "exited, Main: exit code 3"),
        ([task(12, EXITED, exitCode=137, reason=KILLED)], f"{EXITED}, Main: {KILLED}"),
        ([task(15, "second"), task(12, "first.")], "a task stopped: first"),
        ([task(12, "Scaling activity initiated by (deployment ecs-svc/1)"), task(15, "second")], "second"),
        ([task(9, "before"), task(15, "during"), task(21, "after")], "during"),
    ],
    ids=["exit code", "memory", "the first", "not a replaced one", "of that time"],
)
def test_a_task_that_failed_says_why(tasks: list[dict[str, Any]], reason: str) -> None:
    (found,) = reasons(tasks)
    assert found.endswith(reason)


def test_without_a_task_the_first_event_about_a_failure_says_why() -> None:
    routine = (19, "(service users) has started 1 tasks: (task 1).")
    later, first = (18, "(service users) is unhealthy."), (12, "(service users) was unable to place a task.")
    assert reasons([], routine, later, first, (9, "(service users) failed before.")) == (
        "(service users) was unable to place a task",
    )
    assert reasons([], routine) == ()


@pytest.mark.parametrize(("status", "ready"), [("ACTIVE", True), ("DRAINING", False), ("INACTIVE", False)])
def test_only_an_active_service_is_ready(status: str, ready: bool) -> None:
    assert observed([revision(1)], deployment(1), status=status).ready is ready


def test_the_image_is_that_of_the_last_deployment() -> None:
    assert observed([revision(2), revision(1, "old")], deployment(2)).image == IMAGE
    assert observed([revision(2), revision(1, "old")], deployment(1)).image == "old"
    # Taken back: what it would have run is not among the configurations that are left.
    assert observed([revision(1, "old")], deployment(2, "ROLLBACK_SUCCESSFUL")).image == "old"


def test_a_service_that_is_not_yet_anything_has_no_image_and_no_url() -> None:
    seen = observed([])
    assert (seen.image, seen.url, seen.operation, seen.operation_id) == ("", "", "none", "")


@pytest.mark.parametrize("endpoint", [HOST, f"https://{HOST}", f"https://{HOST}/"])
def test_the_url_is_https_whatever_form_the_endpoint_has(endpoint: str) -> None:
    assert observed([revision(1, endpoint=endpoint)], deployment(1)).url == f"https://{HOST}"


def test_a_private_service_is_not_public() -> None:
    assert observed([revision(1)], deployment(1)).public
    assert not observed([revision(1, access="PRIVATE")], deployment(1)).public


def test_the_log_is_the_one_that_the_service_writes() -> None:
    with stubbed("ecs") as (ecs, stubber):
        described(stubber, revision(1), revision(2))
        assert COMPUTE.log_groups(ecs, ARN) == ("users-log",)
    assert COMPUTE.leaves(ARN) == ()


def test_a_new_deployment_of_the_same_is_forced() -> None:
    with stubbed("ecs") as (ecs, stubber):
        asked = {"cluster": "default", "service": "users-9dbd", "forceNewDeployment": True}
        stubber.add_response("update_service", {}, asked)
        COMPUTE.redeploy(ecs, ARN)


@pytest.mark.parametrize(
    ("minutes", "needed", "refused"),
    [
        ({}, 2, False),
        ({1: 1.0, 2: 1.0, 3: 1.0}, 2, False),
        ({2: 50.0}, 2, False),
        ({1: 1.1, 2: 2.0}, 2, True),
        ({1: 0.0, 2: 1.1, 3: 0.5, 4: 2.0}, 2, True),
        # Three minutes do not contain both.
        ({1: 9.0, 4: 9.0}, 2, False),
        ({1: 9.0, 2: 9.0}, 3, False),
        ({1: 9.0, 2: 9.0, 3: 9.0}, 3, True),
        # As many as are evaluated.
        ({1: 9.0, 2: 9.0}, None, False),
        ({1: 9.0, 2: 9.0, 3: 9.0}, None, True),
    ],
)
def test_so_many_data_points_above_the_threshold_roll_a_deployment_back(
    minutes: dict[int, float], needed: int | None, refused: bool
) -> None:
    queries = [{"Id": "e", "Expression": "MAX([em0, em1])", "ReturnData": True}]
    alarm = {**ALARM, "Metrics": queries, **({"DatapointsToAlarm": needed} if needed else {})}
    # Newest first, as GetMetricData answers by default.
    times = [datetime(2026, 11, 25, 12, minute, tzinfo=UTC) for minute in sorted(minutes, reverse=True)]
    result = {"Id": "e", "Timestamps": times, "Values": [minutes[time.minute] for time in times]}
    with stubbed("cloudwatch") as (cloudwatch, stubber):
        stubber.add_response("describe_alarms", {"MetricAlarms": [alarm]}, {"AlarmNames": [ALARM["AlarmName"]]})
        asked = {"MetricDataQueries": queries, "StartTime": ANY, "EndTime": ANY}
        stubber.add_response("get_metric_data", {"MetricDataResults": [result]}, asked)
        found = COMPUTE.error_rate(cloudwatch, ARN)
    shown = [f"{rate:.1f} % at 12:{minute:02}Z" for minute, rate in minutes.items() if rate > 1]
    assert (", " + " and ".join(shown) + ", and ECS allows 1 %" in found.reason) is refused
    assert (found.checked, bool(found.reason)) == (True, refused)


@pytest.mark.parametrize(
    ("alarms", "reason"),
    [
        ([], "the service has no alarm default/users-9dbd/RollbackAlarm"),
        ([{**ALARM, "MetricName": "HTTPCode_Target_5XX_Count"}], "the alarm default/users-9dbd/RollbackAlarm compares"),
        ([{**ALARM, "Metrics": [], "Threshold": None, "ThresholdMetricId": "band"}], "something else than a rate with"),
        ([{**ALARM, "Metrics": [], "ComparisonOperator": "LessThanThreshold"}], "something else than a rate with"),
    ],
    ids=["no alarm", "of one metric", "of an anomaly", "below a threshold"],
)
def test_without_the_usual_alarm_the_error_rate_is_not_checked(alarms: list[dict[str, Any]], reason: str) -> None:
    alarms = [{name: value for name, value in alarm.items() if value is not None} for alarm in alarms]
    with stubbed("cloudwatch") as (cloudwatch, stubber):
        stubber.add_response("describe_alarms", {"MetricAlarms": alarms})
        found = COMPUTE.error_rate(cloudwatch, ARN)
    assert not found.checked
    assert reason in found.reason


def test_its_names_are_in_ecs_own_domain() -> None:
    assert HOST.endswith(f".{COMPUTE.domain('eu-west-1')}")


@pytest.mark.parametrize(("status", "drains"), [("DRAINING", True), ("INACTIVE", False), ("ACTIVE", False)])
def test_a_deleted_service_drains_until_it_is_inactive(status: str, drains: bool) -> None:
    with stubbed("ecs") as (ecs, stubber):
        described(stubber, status=status)
        assert COMPUTE.draining(ecs, ARN) is drains


def test_a_service_that_is_not_found_does_not_drain() -> None:
    with stubbed("ecs") as (ecs, stubber):
        stubber.add_client_error("describe_express_gateway_service", "ResourceNotFoundException")
        assert not COMPUTE.draining(ecs, ARN)


def test_a_refused_look_at_a_deleted_service_is_an_error() -> None:
    with stubbed("ecs") as (ecs, stubber):
        stubber.add_client_error("describe_express_gateway_service", "AccessDeniedException")
        with pytest.raises(ClientError, match="AccessDenied"):
            COMPUTE.draining(ecs, ARN)


@pytest.mark.parametrize(("looks", "slept", "says"), [(0, [], False), (2, [1, 1.5], False), (10_000, None, True)])
def test_a_deletion_waits_for_a_draining_service_and_then_names_what_may_be_left(
    looks: int, slept: list[float] | None, says: bool
) -> None:
    left, pauses, ui = [looks], list[float](), ListUI()

    class Drains(EcsExpressCompute):
        def draining(self, client: Any, service_arn: str) -> bool:
            left[0] -= 1
            return left[0] >= 0

    clock = Clock(now=lambda: sum(pauses), sleep=pauses.append)
    wait_until_drained(Session(ui, clients=lambda name: None, clock=clock), Drains(), ARN)
    assert slept is None or pauses == slept
    assert sum(pauses) < 60 * (DRAIN_MINUTES + 1)
    assert bool(ui.said) is says
    assert not says or (ARN in ui.said[0] and "load balancer" in ui.said[0])
