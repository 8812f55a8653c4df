"""App Runner as its API describes it. The answers have the form of the API's model."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from generator.compute import Outcome, Running
from generator.compute.apprunner import AppRunnerCompute
from generator.compute.ecs_express import EcsExpressCompute
from tests.stubbed import client, stubbed

ID = 32 * "0"
ID_OF_OPERATION = 36 * "0"
ARN = f"arn:aws:apprunner:eu-west-1:123456789012:service/Service-abc/{ID}"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/users@sha256:" + 64 * "a"
URL = "https://abc.eu-west-1.awsapprunner.com"


def service(status: str = "RUNNING", *, public: bool = True) -> dict[str, Any]:
    return {
        "Service": {
            "ServiceName": "Service-abc",
            "ServiceId": ID,
            "ServiceArn": ARN,
            "ServiceUrl": URL.removeprefix("https://"),
            "CreatedAt": 0,
            "UpdatedAt": 0,
            "Status": status,
            "SourceConfiguration": {"ImageRepository": {"ImageIdentifier": IMAGE, "ImageRepositoryType": "ECR"}},
            "InstanceConfiguration": {},
            "AutoScalingConfigurationSummary": {},
            "NetworkConfiguration": {"IngressConfiguration": {"IsPubliclyAccessible": public}},
        }
    }


def observed(described: dict[str, Any], *operations: dict[str, Any]) -> Running:
    with stubbed("apprunner") as (apprunner, stubber):
        # In this order: an operation that ends in between must not leave the service's older status.
        listed = [{"Id": ID_OF_OPERATION, "StartedAt": 0, **operation} for operation in operations]
        stubber.add_response("list_operations", {"OperationSummaryList": listed}, {"ServiceArn": ARN})
        stubber.add_response("describe_service", described, {"ServiceArn": ARN})
        return AppRunnerCompute().running(apprunner, ARN)


OUTCOMES = {
    "SUCCEEDED": Outcome.SUCCEEDED,
    "FAILED": Outcome.FAILED,
    "ROLLBACK_SUCCEEDED": Outcome.FAILED,
    "ROLLBACK_FAILED": Outcome.FAILED,
    "PENDING": Outcome.IN_PROGRESS,
    "IN_PROGRESS": Outcome.IN_PROGRESS,
    "ROLLBACK_IN_PROGRESS": Outcome.IN_PROGRESS,
}


@pytest.mark.parametrize(("state", "outcome"), OUTCOMES.items())
def test_only_an_operation_that_succeeded_counts(state: str, outcome: Outcome) -> None:
    assert observed(service(), {"Type": "UPDATE_SERVICE", "Status": state}).outcome is outcome


def test_an_operation_is_in_progress_while_the_service_reports_one() -> None:
    reported = observed(service("OPERATION_IN_PROGRESS"), {"Type": "START_DEPLOYMENT", "Status": "SUCCEEDED"})
    assert reported.outcome is Outcome.IN_PROGRESS


def test_every_state_of_the_api_is_known() -> None:
    assert OUTCOMES.keys() == set(client("apprunner").meta.service_model.shape_for("OperationStatus").enum)


@pytest.mark.parametrize(
    "status", ["CREATE_FAILED", "DELETED", "DELETE_FAILED", "PAUSED", "OPERATION_IN_PROGRESS", "RUNNING"]
)
def test_only_a_running_service_is_ready(status: str) -> None:
    assert observed(service(status)).ready is (status == "RUNNING")


def test_a_paused_service_comes_with_the_command_that_resumes_it() -> None:
    assert f"aws apprunner resume-service --service-arn {ARN}" in observed(service("PAUSED")).advice


def test_what_runs_has_its_image_url_and_log_groups() -> None:
    running = observed(service(public=False), {"Type": "CREATE_SERVICE", "Status": "SUCCEEDED"})
    assert (running.image, running.url, running.public) == (IMAGE, URL, False)
    assert (running.operation, running.operation_id) == ("CREATE_SERVICE SUCCEEDED", ID_OF_OPERATION)
    assert AppRunnerCompute().log_groups(None, ARN) == (
        f"/aws/apprunner/Service-abc/{ID}/service",
        f"/aws/apprunner/Service-abc/{ID}/application",
    )


def test_the_operation_of_that_time_that_failed_first_is_the_reason() -> None:
    listed = [
        {"Id": ID_OF_OPERATION, "Type": kind, "Status": status, "StartedAt": datetime.fromtimestamp(started, UTC)}
        for kind, status, started in (
            ("UPDATE_SERVICE", "FAILED", 30),
            ("UPDATE_SERVICE", "SUCCEEDED", 18),
            ("UPDATE_SERVICE", "ROLLBACK_SUCCEEDED", 15),
            ("CREATE_SERVICE", "FAILED", 5),
        )
    ]
    with stubbed("apprunner") as (apprunner, stubber):
        stubber.add_response("list_operations", {"OperationSummaryList": listed}, {"ServiceArn": ARN})
        since, until = (datetime.fromtimestamp(seconds, UTC) for seconds in (10, 20))
        found = AppRunnerCompute().reasons(apprunner, ARN, since, until)
    assert found == ("UPDATE_SERVICE ROLLBACK_SUCCEEDED",)


@pytest.mark.parametrize("region", ["eu-north-1", "ca-central-1", "sa-east-1"])
def test_a_region_without_app_runner_names_ecs_express(region: str) -> None:
    assert AppRunnerCompute().unavailable(region).endswith("or --compute ecs-express.")
    assert EcsExpressCompute().unavailable(region) == ""


@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1", "xx-new-1"])
def test_a_region_with_app_runner_or_an_unknown_one_is_left_to_aws(region: str) -> None:
    assert AppRunnerCompute().unavailable(region) == ""
