"""Drift detection, read to its end, against botocore's own stubs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from botocore.stub import Stubber

from generator.aws.calls import Clock
from generator.errors import DeployError
from generator.stacks.change_set import HIDDEN
from generator.stacks.cloudformation import CloudFormation
from generator.stacks.drift import PropertyDrift, StackDrift, drift
from tests.stubbed import client

DETECTION = "b78ac9b0-dec1-11e7-a451-503a3example"


def drifted(logical_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/users-data/1",
        "LogicalResourceId": logical_id,
        "ResourceType": "AWS::MemoryDB::User",
        "StackResourceDriftStatus": "MODIFIED",
        "Timestamp": 0,
        **fields,
    }


def difference(path: str) -> dict[str, str]:
    return {"PropertyPath": path, "ExpectedValue": "one", "ActualValue": "two", "DifferenceType": "NOT_EQUAL"}


class Detection:
    """A detection that takes as long as it is told, and what it finds."""

    def __init__(self) -> None:
        self.client = client("cloudformation")
        self.stubber = Stubber(self.client)
        self.stubber.add_response(
            "detect_stack_drift", {"StackDriftDetectionId": DETECTION}, {"StackName": "users-data"}
        )
        self.slept: list[float] = []

    def status(self, status: str, **fields: Any) -> None:
        answer = {"StackId": "1", "StackDriftDetectionId": DETECTION, "DetectionStatus": status, "Timestamp": 0}
        answer |= fields
        self.stubber.add_response("describe_stack_drift_detection_status", answer, {"StackDriftDetectionId": DETECTION})

    def page(self, *resources: dict[str, Any], token: str = "", following: str = "") -> None:
        answer = {"StackResourceDrifts": list(resources)} | ({"NextToken": following} if following else {})
        expected = {"StackName": "users-data"}
        self.stubber.add_response(
            "describe_stack_resource_drifts", answer, expected | ({"NextToken": token} if token else {})
        )

    def resources(self, **types: str) -> None:
        summaries = [
            {"LogicalResourceId": name, "ResourceType": kind, "LastUpdatedTimestamp": 0, "ResourceStatus": "X"}
            for name, kind in types.items()
        ]
        answer = {"StackResourceSummaries": summaries}
        self.stubber.add_response("list_stack_resources", answer, {"StackName": "users-data"})

    def found(self, seconds: Iterator[float] | None = None) -> StackDrift:
        times = seconds or count()
        clock = Clock(now=lambda: next(times), sleep=self.slept.append)
        return drift(CloudFormation(self.client, clock), "users-data")


@pytest.fixture
def detection() -> Iterator[Detection]:
    made = Detection()
    with made.stubber:
        yield made
        made.stubber.assert_no_pending_responses()


def test_it_waits_for_the_detection(detection: Detection) -> None:
    detection.status("DETECTION_IN_PROGRESS")
    detection.status("DETECTION_COMPLETE")
    detection.page()
    detection.resources()
    assert detection.found() == StackDrift()
    assert detection.slept == [2.0]


def test_all_pages_are_read(detection: Detection) -> None:
    detection.status("DETECTION_COMPLETE")
    detection.page(drifted("A"), drifted("C", StackResourceDriftStatus="IN_SYNC"), following="more")
    detection.page(drifted("B", StackResourceDriftStatus="DELETED"), token="more")
    detection.resources()
    found = [(resource.logical_id, resource.status) for resource in detection.found().resources]
    assert found == [("A", "MODIFIED"), ("B", "DELETED")]


NO_REASON = "CloudFormation gives no reason"


@pytest.mark.parametrize(
    ("ended", "resources", "failures"),
    [
        ({"DetectionStatusReason": "Failed to detect drift on [A]"}, [], {"": "Failed to detect drift on [A]"}),
        ({}, [], {"": NO_REASON}),
        (
            {"DetectionStatusReason": "Failed on [A]"},
            [drifted("A", StackResourceDriftStatus="UNKNOWN", DriftStatusReason="Rate exceeded")],
            {"": "Failed on [A]", "A": "Rate exceeded"},
        ),
        ({}, [drifted("A", StackResourceDriftStatus="UNKNOWN")], {"A": NO_REASON}),
    ],
)
@pytest.mark.parametrize(
    "status", [("DETECTION_FAILED", "DRIFTED"), ("DETECTION_FAILED", "UNKNOWN"), ("DETECTION_COMPLETE", "UNKNOWN")]
)
def test_a_failed_detection_is_not_no_drift(
    detection: Detection, status: tuple[str, str], ended: Any, resources: Any, failures: dict[str, str]
) -> None:
    detection.status(status[0], StackDriftStatus=status[1], **ended)
    detection.page(*resources)
    detection.resources()
    assert detection.found().failures == failures


def test_a_resource_that_failed_is_named_although_the_stack_has_drifted(detection: Detection) -> None:
    detection.status("DETECTION_COMPLETE", StackDriftStatus="DRIFTED")
    detection.page(drifted("A"), drifted("B", StackResourceDriftStatus="UNKNOWN", DriftStatusReason="Access denied"))
    detection.resources()
    found = detection.found()
    assert ([resource.logical_id for resource in found.resources], found.failures) == (["A"], {"B": "Access denied"})


def test_resources_without_detection_are_listed(detection: Detection) -> None:
    detection.status("DETECTION_COMPLETE")
    detection.page(
        drifted("A", StackResourceDriftStatus="IN_SYNC"), drifted("C", StackResourceDriftStatus="UNSUPPORTED")
    )
    detection.resources(A="AWS::SNS::Topic", B="AWS::AppRunner::VpcConnector", C="Custom::Ledger")
    assert detection.found() == StackDrift(unchecked={"B": "AWS::AppRunner::VpcConnector", "C": "Custom::Ledger"})


def test_the_result_of_an_earlier_detection_does_not_count(detection: Detection) -> None:
    detection.status("DETECTION_FAILED", Timestamp=9, DetectionStatusReason="Rate exceeded")
    detection.page(drifted("A", StackResourceDriftStatus="IN_SYNC", Timestamp=8))
    detection.resources(A="AWS::SNS::Topic")
    assert detection.found() == StackDrift(failures={"": "Rate exceeded"}, unchecked={"A": "AWS::SNS::Topic"})


def test_a_value_that_may_be_a_secret_is_hidden(detection: Detection) -> None:
    detection.status("DETECTION_COMPLETE")
    paths = ["/AccessString", "/AuthenticationMode/Passwords/0", "/Variables/1/Value", "/Variables/0/Value"]
    variables = json.dumps({"Variables": [{"Name": "REGION", "Value": "one"}, {"Name": "PASSWORD", "Value": "one"}]})
    in_json = {**difference("/Environment"), "ActualValue": '{"DB_PASSWORD": "two"}'}
    detection.page(
        drifted("User", ExpectedProperties=variables, PropertyDifferences=[*map(difference, paths), in_json])
    )
    detection.resources()
    assert detection.found().resources[0].properties == (
        PropertyDrift(paths[0], "one", "two"),
        PropertyDrift(paths[1], HIDDEN, HIDDEN),
        PropertyDrift(paths[2], HIDDEN, HIDDEN),
        PropertyDrift(paths[3], "one", "two"),
        PropertyDrift("/Environment", "one", f'{{"DB_PASSWORD": "{HIDDEN}"}}'),
    )


def test_a_detection_that_does_not_end_is_given_up(detection: Detection) -> None:
    detection.status("DETECTION_IN_PROGRESS")
    with pytest.raises(DeployError, match="Drift detection does not end: it has run for 15 minutes"):
        detection.found(iter([0.0, 901.0]))
