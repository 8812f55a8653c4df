"""Manual changes: the result of CloudFormation's drift detection."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from generator.aws.calls import pages
from generator.aws.errors import translate_errors
from generator.errors import DeployError
from generator.stacks.change_set import secret_paths, visible
from generator.stacks.cloudformation import CloudFormation

DETECTION_MINUTES = 15
PAUSE_SECONDS = 2.0

DRIFTED, UNKNOWN = ("MODIFIED", "DELETED"), "UNKNOWN"
CHECKED = (*DRIFTED, UNKNOWN, "IN_SYNC")


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
    properties: tuple[PropertyDrift, ...] = ()


@dataclass(frozen=True)
class StackDrift:
    """What detection found of a stack.

    failures: why detection failed, by the logical ID of the resource that could not be read; under an empty one what
    CloudFormation says of the stack. unchecked: the resources whose type has no detection, by logical ID.
    """

    resources: tuple[ResourceDrift, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    unchecked: Mapping[str, str] = field(default_factory=dict)


def drift(cloudformation: CloudFormation, stack_name: str) -> StackDrift:
    """How the resources of a stack differ from its template, and which of them could not be compared.

    A resource that cannot be read is UNKNOWN, and then the detection fails, or ends with the stack's status UNKNOWN
    (API reference, DescribeStackDriftDetectionStatus; aws-cdk-cli 740). Resources of types without detection are
    not listed at all (API reference, DescribeStackResourceDrifts).

    Raises DeployError when the detection does not end within 15 minutes.
    """
    client = cloudformation.client
    with translate_errors(stack_name):
        detection = client.detect_stack_drift(StackName=stack_name)["StackDriftDetectionId"]
        ended = cloudformation.clock.poll(
            lambda: client.describe_stack_drift_detection_status(StackDriftDetectionId=detection),
            lambda found: found["DetectionStatus"] != "DETECTION_IN_PROGRESS",
            seconds=60 * DETECTION_MINUTES,
            pause=PAUSE_SECONDS,
        )
        if ended["DetectionStatus"] == "DETECTION_IN_PROGRESS":
            raise DeployError(
                stack=stack_name,
                what="Drift detection does not end",
                why=f"it has run for {DETECTION_MINUTES} minutes",
                then="Look at it in the console.",
            )
        listed = pages(client.describe_stack_resource_drifts, StackName=stack_name)
        # Results of an earlier detection stay where this one failed.
        found = [
            each for page in listed for each in page["StackResourceDrifts"] if each["Timestamp"] >= ended["Timestamp"]
        ]
    types = {each["LogicalResourceId"]: each["ResourceType"] for each in cloudformation.resources(stack_name)}
    checked = {each["LogicalResourceId"] for each in found if each["StackResourceDriftStatus"] in CHECKED}
    return StackDrift(
        resources=tuple(_resource(each) for each in found if each["StackResourceDriftStatus"] in DRIFTED),
        failures=_failures(ended, found),
        unchecked={name: kind for name, kind in types.items() if name not in checked},
    )


def _failures(ended: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    unknown = {
        each["LogicalResourceId"]: each.get("DriftStatusReason", "CloudFormation gives no reason")
        for each in found
        if each["StackResourceDriftStatus"] == UNKNOWN
    }
    failed = ended["DetectionStatus"] == "DETECTION_FAILED" or ended.get("StackDriftStatus") == UNKNOWN
    reason = ended.get("DetectionStatusReason", "" if unknown else "CloudFormation gives no reason")
    return {**({"": reason} if failed and reason else {}), **unknown}


def _resource(found: Mapping[str, Any]) -> ResourceDrift:
    both = (json.loads(found.get(f"{side}Properties") or "{}") for side in ("Expected", "Actual"))
    secret = {path for properties in both for path in secret_paths(properties)}
    return ResourceDrift(
        logical_id=found["LogicalResourceId"],
        status=found["StackResourceDriftStatus"],
        properties=tuple(_property(difference, secret) for difference in found.get("PropertyDifferences", ())),
    )


def _property(difference: Mapping[str, Any], secret: Collection[str]) -> PropertyDrift:
    path = difference["PropertyPath"]
    name = path.removeprefix("/").replace("/", ".")
    return PropertyDrift(path, *(visible(name, difference[f"{side}Value"], secret) for side in ("Expected", "Actual")))
