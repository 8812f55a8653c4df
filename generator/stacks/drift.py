"""Manual changes: the result of CloudFormation's drift detection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generator.aws.calls import pages
from generator.aws.errors import translate_errors
from generator.errors import DeployError
from generator.stacks.change_set import HIDDEN, SECRET
from generator.stacks.cloudformation import CloudFormation

DETECTION_MINUTES = 15
PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class PropertyDrift:
    """A property that differs from its template. Secret values are hidden."""

    path: str
    expected: str
    actual: str


@dataclass(frozen=True)
class ResourceDrift:
    """A resource that differs from its template; `status` is MODIFIED or DELETED."""

    logical_id: str
    status: str
    properties: tuple[PropertyDrift, ...]


def drift(cloudformation: CloudFormation, stack_name: str) -> tuple[ResourceDrift, ...]:
    """The resources of a stack that differ from its template.

    Raises DeployError when the detection does not end within 15 minutes.
    """
    client = cloudformation.client
    with translate_errors(stack_name):
        detection = client.detect_stack_drift(StackName=stack_name)["StackDriftDetectionId"]
        status = cloudformation.clock.poll(
            lambda: client.describe_stack_drift_detection_status(StackDriftDetectionId=detection)["DetectionStatus"],
            lambda status: status != "DETECTION_IN_PROGRESS",
            seconds=60 * DETECTION_MINUTES,
            pause=PAUSE_SECONDS,
        )
        if status == "DETECTION_IN_PROGRESS":
            raise DeployError(
                stack=stack_name,
                what="Drift detection does not end",
                why=f"it has run for {DETECTION_MINUTES} minutes",
                then="Look at it in the console.",
            )
        listed = pages(
            client.describe_stack_resource_drifts,
            StackName=stack_name,
            StackResourceDriftStatusFilters=["MODIFIED", "DELETED"],
        )
        return tuple(_resource(found) for page in listed for found in page["StackResourceDrifts"])


def _resource(found: Mapping[str, Any]) -> ResourceDrift:
    return ResourceDrift(
        logical_id=found["LogicalResourceId"],
        status=found["StackResourceDriftStatus"],
        properties=tuple(_property(difference) for difference in found.get("PropertyDifferences", ())),
    )


def _property(difference: Mapping[str, Any]) -> PropertyDrift:
    path = difference["PropertyPath"]
    secret = SECRET.search(path)
    return PropertyDrift(
        path=path,
        expected=HIDDEN if secret else difference["ExpectedValue"],
        actual=HIDDEN if secret else difference["ActualValue"],
    )
