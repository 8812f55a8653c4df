"""Validation before deployment, of a change set: a bucket that would be deleted and is not empty.

Facts: user guide, "Validate stack deployments": four validations run when a change set is created, among them whether a
bucket is empty, which warns and lets the change set succeed; DescribeEvents has the results. Name and reason are AWS's,
as rain pull request 744 quotes them.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import new_uuid, now_iso
from ministack.services import s3
from ministack.services.cloudformation import _change_sets, handlers
from ministack.services.cloudformation.helpers import _esc, _p, _xml


def install() -> None:
    describe = handlers._ACTION_HANDLERS["DescribeEvents"]

    def described(params: Any) -> Any:
        change_set = _change_sets.get(_p(params, "ChangeSetName"))
        if change_set is None:
            return describe(params)
        members = "".join(
            f"<member>{''.join(f'<{name}>{_esc(value)}</{name}>' for name, value in event.items())}</member>"
            for event in change_set["_findings"]
        )
        result = f"<DescribeEventsResult><OperationEvents>{members}</OperationEvents></DescribeEventsResult>"
        return _xml(200, "DescribeEventsResponse", result)

    handlers._ACTION_HANDLERS["DescribeEvents"] = described


def findings(change_set: dict[str, Any]) -> list[dict[str, str]]:
    """The events of the buckets that the change set deletes although they hold objects."""
    changes = (each["ResourceChange"] for each in change_set["Changes"])
    advice = (
        "You must either delete all objects and versions or use the deletion policy to retain it, otherwise the delete "
        "operation will fail."
    )
    return [
        {
            "EventId": new_uuid(),
            "StackId": change_set["StackId"],
            "EventType": "VALIDATION_ERROR",
            "LogicalResourceId": change["LogicalResourceId"],
            "PhysicalResourceId": change["PhysicalResourceId"],
            "ResourceType": change["ResourceType"],
            "Timestamp": now_iso(),
            "ValidationFailureMode": "WARN",
            "ValidationName": "BUCKET_EMPTINESS_VALIDATION",
            "ValidationStatus": "FAILED",
            "ValidationStatusReason": f"The bucket '{change['PhysicalResourceId']}' is not empty. {advice}",
        }
        for change in changes
        if change["ResourceType"] == "AWS::S3::Bucket" and change.get("PolicyAction") == "Delete"
        if s3._buckets[change["PhysicalResourceId"]]["objects"]
    ]
