"""Drift detection, read to its end, against botocore's own stubs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from generator.aws.calls import Clock
from generator.errors import DeployError
from generator.stacks.change_set import HIDDEN
from generator.stacks.cloudformation import CloudFormation
from generator.stacks.drift import PropertyDrift, ResourceDrift, drift

DETECTION = "b78ac9b0-dec1-11e7-a451-503a3example"
FILTERS = ["MODIFIED", "DELETED"]


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
        self.client = boto3.client(
            "cloudformation", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        self.stubber = Stubber(self.client)
        self.stubber.add_response(
            "detect_stack_drift", {"StackDriftDetectionId": DETECTION}, {"StackName": "users-data"}
        )
        self.slept: list[float] = []

    def status(self, status: str) -> None:
        answer = {"StackId": "1", "StackDriftDetectionId": DETECTION, "DetectionStatus": status, "Timestamp": 0}
        self.stubber.add_response("describe_stack_drift_detection_status", answer, {"StackDriftDetectionId": DETECTION})

    def page(self, *resources: dict[str, Any], token: str = "", following: str = "") -> None:
        answer = {"StackResourceDrifts": list(resources)} | ({"NextToken": following} if following else {})
        expected = {"StackName": "users-data", "StackResourceDriftStatusFilters": FILTERS}
        self.stubber.add_response(
            "describe_stack_resource_drifts", answer, expected | ({"NextToken": token} if token else {})
        )

    def found(self, seconds: Iterator[float] | None = None) -> tuple[ResourceDrift, ...]:
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
    assert detection.found() == ()
    assert detection.slept == [2.0]


def test_all_pages_are_read(detection: Detection) -> None:
    detection.status("DETECTION_COMPLETE")
    detection.page(drifted("A"), following="more")
    detection.page(drifted("B", StackResourceDriftStatus="DELETED"), token="more")
    assert [(found.logical_id, found.status) for found in detection.found()] == [("A", "MODIFIED"), ("B", "DELETED")]


def test_a_value_that_may_be_a_secret_is_hidden(detection: Detection) -> None:
    detection.status("DETECTION_COMPLETE")
    paths = ["/AccessString", "/AuthenticationMode/Passwords/0"]
    detection.page(drifted("User", PropertyDifferences=[difference(path) for path in paths]))
    shown, hidden = detection.found()[0].properties
    assert shown == PropertyDrift("/AccessString", "one", "two")
    assert hidden == PropertyDrift(paths[1], HIDDEN, HIDDEN)


def test_a_detection_that_does_not_end_is_given_up(detection: Detection) -> None:
    detection.status("DETECTION_IN_PROGRESS")
    with pytest.raises(DeployError, match="Drift detection does not end: it has run for 15 minutes"):
        detection.found(iter([0.0, 901.0]))
