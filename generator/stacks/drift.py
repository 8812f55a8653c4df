"""What somebody changed by hand: CloudFormation's drift detection, read to its end. The client is given."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from generator.errors import DeployError
from generator.stacks.change_set import HIDDEN, SECRET
from generator.stacks.errors import explained

DETECTION_MINUTES = 15
PAUSE_SECONDS = 2.0


def drift(
    cloudformation: Any,
    stack_name: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> list[dict[str, Any]]:
    """Each resource that differs: logicalId, status (MODIFIED or DELETED), and its properties with path, expected and
    actual value, secrets hidden.

    Raises DeployError when the detection does not end within 15 minutes.
    """
    with explained(stack_name):
        detection = cloudformation.detect_stack_drift(StackName=stack_name)["StackDriftDetectionId"]
        end = now() + 60 * DETECTION_MINUTES
        while _detecting(cloudformation, detection):
            if now() > end:
                raise DeployError(
                    stack=stack_name,
                    what="Drift detection does not end",
                    why=f"it has run for {DETECTION_MINUTES} minutes",
                    then="Look at it in the console.",
                )
            sleep(PAUSE_SECONDS)
        return [_resource(told) for told in _drifted(cloudformation, stack_name)]


def _detecting(cloudformation: Any, detection: str) -> bool:
    found = cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
    return bool(found["DetectionStatus"] == "DETECTION_IN_PROGRESS")


def _drifted(cloudformation: Any, stack_name: str) -> Iterator[Mapping[str, Any]]:
    # botocore has no paginator for this one.
    token: dict[str, str] = {}
    while True:
        page = cloudformation.describe_stack_resource_drifts(
            StackName=stack_name, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"], **token
        )
        yield from page["StackResourceDrifts"]
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


def _resource(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "logicalId": told["LogicalResourceId"],
        "status": told["StackResourceDriftStatus"],
        "properties": [_property(difference) for difference in told.get("PropertyDifferences", ())],
    }


def _property(difference: Mapping[str, Any]) -> dict[str, str]:
    path = difference["PropertyPath"]
    secret = SECRET.search(path)
    return {
        "path": path,
        "expected": HIDDEN if secret else difference["ExpectedValue"],
        "actual": HIDDEN if secret else difference["ActualValue"],
    }
