"""IAM for cases that ministack lacks: the resources of more calls, passed roles, requests to the registry.

ministack's own evaluator decides. Facts: Service Authorization Reference, App
Runner, ECS, MemoryDB, CloudWatch Logs, CloudFormation and ECR (resource types of each action); IAM user guide,
"Granting a user permissions to pass a role to an AWS service", with iam:PassedToService; CloudFormation API reference,
CreateChangeSet and DeleteStack, RoleARN.
"""

from __future__ import annotations

import contextvars
import json
import uuid
from collections.abc import Mapping
from typing import Any

import ministack.app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import iam
from ministack.services.cloudformation import changesets
from ministack.services.cloudformation.helpers import _error

from rehearsal.emulator.extensions.cloudformation import operations
from rehearsal.emulator.extensions.registration import arn

CLOUDFORMATION = "cloudformation.amazonaws.com"
# MemoryDB: the resource type of an operation, and the member that names the resource.
MEMORYDB = {
    "CreateSnapshot": ("cluster", "ClusterName"),
    "DeleteSnapshot": ("snapshot", "SnapshotName"),
    "DescribeACLs": ("acl", "ACLName"),
    "DescribeClusters": ("cluster", "ClusterName"),
    "DescribeSnapshots": ("snapshot", "SnapshotName"),
    "DescribeSubnetGroups": ("subnetgroup", "SubnetGroupName"),
    "DescribeUsers": ("user", "UserName"),
    "UpdateUser": ("user", "UserName"),
}

# Of the current call: the access key, and what IAM allowed: action, resource, condition context.
caller: contextvars.ContextVar[str] = contextvars.ContextVar("caller", default="")
checks: contextvars.ContextVar[tuple[dict[str, Any], ...]] = contextvars.ContextVar("checks", default=())
# The role that CloudFormation acts with for a stack, by the stack's name: the one that was passed last.
stack_roles: dict[str, str] = {}


def install() -> None:
    extract, enforce = iam_actions.extract_resource_arn, iam_evaluator.enforce
    handler = ministack.app.SERVICE_HANDLERS["cloudformation"]

    def extracted(
        service: str, method: str, path: str, headers: Any, body: bytes, params: Any, region: str, account: str
    ) -> Any:
        about = RESOURCES.get(service, lambda *_: None)
        operation = headers.get("x-amz-target", "").rpartition(".")[2] or parameter(params, "Action")
        return about(operation, body, params) or extract(service, method, path, headers, body, params, region, account)

    def enforced(
        key: str, action: str, service: str, region: str, resource_arn: str = "*", service_context: Any = None
    ) -> Any:
        denied = enforce(key, action, service, region, resource_arn=resource_arn, service_context=service_context)
        caller.set(key)
        checks.set(() if denied else (check(action, resource_arn, service_context or {}),))
        return denied

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        params = ministack.app._routing_params(method, path, headers, body, query)
        role = parameter(params, "RoleARN")
        if role and (refusal := role_refused(extract_access_key_id(headers, query), role, headers)):
            return refusal
        if role and parameter(params, "Action") == "CreateChangeSet":
            stack = parameter(params, "StackName")
            stack_roles[stack.split("/")[1] if "/" in stack else stack] = role
        return await handler(method, path, headers, body, query)

    iam_actions.SERVICE_TO_IAM_NAMESPACE.update(apprunner="apprunner", memorydb="memorydb")
    iam_actions.extract_resource_arn, iam_evaluator.enforce = extracted, enforced
    ministack.app.SERVICE_HANDLERS["cloudformation"] = handle


def parameter(params: Any, name: str) -> str:
    return str(iam_actions._query_param(params, name))


def check(action: str, resource: str, context: Mapping[str, Any]) -> dict[str, Any]:
    return {"action": action, "resource": resource, "context": {key: value for key, value in context.items() if value}}


def principal(key: str) -> Any:
    return iam_evaluator.resolve_principal(key, get_account_id())


def denial(key: str, action: str, resource: str, context: Mapping[str, str]) -> str:
    """Why IAM denies an action; empty if it allows it, which is then recorded in `checks`."""
    identity = principal(key)
    if isinstance(identity, iam_evaluator.AuthError):
        return str(identity.message)
    if identity.policies is not None:
        request = iam_evaluator.EvalContext(
            principal_arn=identity.arn,
            principal_type=identity.type,
            principal_account=identity.account,
            action=action,
            resource_arn=resource,
            region=get_region(),
            # The evaluator looks keys up in lower case.
            service_context={name.lower(): value for name, value in context.items()},
        )
        result = iam_evaluator.evaluate(request, identity.policies, *identity.limits)
        if result.decision != "Allow":
            return str(iam_actions.identity_denial_message(action, identity.arn, resource, result.decision == "Deny"))
    checks.set((*checks.get(), check(action, resource, context)))
    return ""


def role_refused(key: str, role: str, headers: Any) -> Any:
    """The error for a role that the caller may not pass, or that does not trust CloudFormation, in its own words."""
    reason = denial(key, "iam:PassRole", role, {"iam:PassedToService": CLOUDFORMATION})
    if reason:
        return iam_actions.access_denied_response(
            "cloudformation", "iam:PassRole", "", str(uuid.uuid4()), headers=headers, message=reason
        )
    found = iam._roles.get(role.rpartition("/")[2]) or {}
    if CLOUDFORMATION not in json.dumps(found.get("AssumeRolePolicyDocument", "")):
        return _error("ValidationError", f"Role {role} is invalid or cannot be assumed")
    return None


# The resource of a call; None if ministack's own answer is right.


def of_app_runner(operation: str, body: bytes, params: Any) -> str:
    return iam_actions._safe_json_field(body, "ServiceArn") or "*"


def of_ecs(operation: str, body: bytes, params: Any) -> str:
    """By the ARN of the service or of a task, or by the service's name in a cluster."""
    if operation == "ListTasks":
        return "*"
    asked = json.loads(body or b"{}")
    found = asked.get("serviceArn") or next(iter(asked.get("tasks", ())), "")
    service = asked.get("service") or next(iter(asked.get("services", ())), "")
    cluster = asked.get("cluster", "")
    if found or service.startswith("arn:"):
        return str(found or service)
    return arn("ecs", f"service/{cluster}/{service}") if service else "*"


def of_memorydb(operation: str, body: bytes, params: Any) -> str:
    kind, member = MEMORYDB.get(operation, ("", ""))
    return arn("memorydb", f"{kind}/{iam_actions._safe_json_field(body, member) or '*'}") if kind else "*"


def of_logs(operation: str, body: bytes, params: Any) -> str | None:
    """Log events belong to a stream; ministack returns the group."""
    group, stream = (iam_actions._safe_json_field(body, name) for name in ("logGroupName", "logStreamName"))
    return arn("logs", f"log-group:{group}:log-stream:{stream}") if group and stream else None


def of_cloudformation(operation: str, body: bytes, params: Any) -> str | None:
    """A change set given by its ARN alone is authorized as its stack, except by DescribeEvents, which has both
    types."""
    given = parameter(params, "ChangeSetName")
    if operation_id := parameter(params, "OperationId"):
        return operations.stack_of(operation_id) or None
    if parameter(params, "StackName") or not given:
        return None
    _, change_set = changesets._find_change_set(given)
    return str(change_set["StackId"]) if change_set and operation != "DescribeEvents" else given


RESOURCES = {
    "apprunner": of_app_runner,
    "ecs": of_ecs,
    "cloudformation": of_cloudformation,
    "logs": of_logs,
    "memorydb": of_memorydb,
}
