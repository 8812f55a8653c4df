"""Drift-aware change sets, from ministack's drift detection, and resources that cannot be read.

Facts: API reference, CreateChangeSet, DeploymentMode REVERT_DRIFT: brings actual states in line with the template;
ResourceChange: ResourceDriftStatus, PreviousDeploymentContext, Action SyncWithActual ("only CloudFormation metadata
will change"); ResourceTargetDefinition: BeforeValueFrom, AfterValueFrom, Drift, all "only present for drift-aware
change sets"; DescribeChangeSet: StackDriftStatus. What is deleted by hand is created again, and a failure restores the
actual state before the deployment (AWS What's New 2025-11, "drift-aware change sets"). A resource that cannot be read
is UNKNOWN, with DriftStatusReason (aws-cdk-cli 740). Assumption: a deleted resource is an Add.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import now_iso
from ministack.services.cloudformation import _change_sets, _stacks, drift, handlers, provisioners
from ministack.services.cloudformation.helpers import _p

from rehearsal.emulator.extensions import faults
from rehearsal.emulator.extensions.cloudformation import property_values

MODE = "REVERT_DRIFT"


def install() -> None:
    detect = drift.detect_resource_drift
    execute = handlers._ACTION_HANDLERS["ExecuteChangeSet"]

    def detected(stack: Any, logical_id: str, record: Any, timestamp: str) -> Any:
        try:
            faults.inject(logical_id, "read")
        except ValueError as error:
            return {
                "StackId": stack["StackId"],
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": record["PhysicalResourceId"],
                "ResourceType": record["ResourceType"],
                "Timestamp": timestamp,
                "StackResourceDriftStatus": "UNKNOWN",
                "DriftStatusReason": str(error),
            }
        return detect(stack, logical_id, record, timestamp)

    def executed(params: Any) -> Any:
        change_set = _change_sets.get(_p(params, "ChangeSetName"), {})
        if change_set.get("ExecutionStatus") == "AVAILABLE":
            take_actual_state(change_set)
        return execute(params)

    drift.detect_resource_drift = detected
    handlers._ACTION_HANDLERS["ExecuteChangeSet"] = executed


def add_drift(change_set: dict[str, Any], stack: dict[str, Any]) -> None:
    """Compares every resource with its actual state, and adds to the change set what differs."""
    changes = {each["ResourceChange"]["LogicalResourceId"]: each["ResourceChange"] for each in change_set["Changes"]}
    statuses: set[str] = set()
    change_set["_actual"] = {}
    for logical_id, record in stack["_resources"].items():
        kind = record["ResourceType"]
        found = {"StackResourceDriftStatus": "UNSUPPORTED"}
        if drift.supports_drift(kind):
            found = drift.detect_resource_drift(stack, logical_id, record, now_iso())
        status = found["StackResourceDriftStatus"]
        statuses.add("DRIFTED" if status in ("MODIFIED", "DELETED") else status)
        change = changes.get(logical_id)
        if change is None and status in ("MODIFIED", "DELETED"):
            change = {
                "Action": "Modify" if status == "MODIFIED" else "Add",
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": record["PhysicalResourceId"],
                "ResourceType": kind,
                "Replacement": "False",
                "Scope": ["Properties"],
                "Details": [],
                "_context": {"AfterContext": {"Properties": property_values.text(record["Properties"])}},
            }
            change_set["Changes"].append({"ResourceChange": change})
        if change is None or change["Action"] == "Remove":
            continue
        change["_context"] |= {
            "ResourceDriftStatus": status,
            "PreviousDeploymentContext": {"Properties": record["Properties"]},
        }
        if status == "MODIFIED":
            actual = {**record["Properties"], **json.loads(found["ActualProperties"])}
            change_set["_actual"][logical_id] = actual
            change["_context"]["BeforeContext"] = {"Properties": property_values.text(actual)}
            add_differences(change, found)
        elif status == "DELETED":
            change_set["_actual"][logical_id] = None
    change_set["_drift"] = next((each for each in ("DRIFTED", "UNKNOWN") if each in statuses), "IN_SYNC")
    if change_set["Changes"] and change_set["StatusReason"].startswith("The submitted information didn't contain"):
        change_set.update(Status="CREATE_COMPLETE", ExecutionStatus="AVAILABLE", StatusReason="")


def add_differences(change: dict[str, Any], found: dict[str, Any]) -> None:
    for difference in found["PropertyDifferences"]:
        path, name = f"/Properties{difference['PropertyPath']}", difference["PropertyPath"].split("/")[1]
        details = [detail for detail in change["Details"] if detail["Target"].get("Path") == path]
        if not details:
            # Nothing else changes it: what is deployed is what is wanted.
            recreation = provisioners._property_recreation(change["ResourceType"], name)
            target = {"Attribute": "Properties", "Name": name, "Path": path, "RequiresRecreation": recreation}
            target |= {"AfterValue": difference["ExpectedValue"], "AttributeChangeType": "Modify"}
            details = [{"Target": target, "Evaluation": "Static", "ChangeSource": "DirectModification"}]
            change["Details"] += details
            if recreation != "Never":
                change["Replacement"] = "True" if recreation == "Always" else "Conditional"
                change.setdefault("PolicyAction", "ReplaceAndDelete")
        for detail in details:
            detail["Target"] |= {
                "BeforeValue": difference["ActualValue"],
                "BeforeValueFrom": "ACTUAL_STATE",
                "AfterValueFrom": "TEMPLATE",
                "Drift": {
                    "PreviousValue": difference["ExpectedValue"],
                    "ActualValue": difference["ActualValue"],
                    "DriftDetectionTimestamp": found["Timestamp"],
                },
            }
            if detail["Target"]["AfterValue"] == difference["ActualValue"]:
                detail["Target"]["AttributeChangeType"] = "SyncWithActual"
                detail["ChangeSource"] = "NoModification"
    if all(detail["Target"].get("AttributeChangeType") == "SyncWithActual" for detail in change["Details"]):
        change["Action"] = "SyncWithActual"


def take_actual_state(change_set: dict[str, Any]) -> None:
    """The update starts from what is there, and a rollback returns to it."""
    resources = _stacks[change_set["StackName"]]["_resources"]
    for logical_id, properties in change_set.get("_actual", {}).items():
        if properties is None:
            del resources[logical_id]
        else:
            resources[logical_id]["Properties"] = properties
