"""Results as JSON documents. docs/preview.schema.json is the schema of a preview."""

from __future__ import annotations

import json
from collections.abc import Sequence

from generator.report.results import LastOperation, LayerStatus, Plan, ServiceStatus, key_of, outcome, summary, verdict
from generator.report.text import utc
from generator.review.quantities import Prices
from generator.review.rights import Right
from generator.stacks.change_set import Change, PropertyChange
from generator.stacks.drift import ResourceDrift

SCHEMA_VERSION = 1
"""Grows when a field changes its meaning or goes."""


def preview_document(plans: Sequence[Plan], prices: Prices | None = None, rehearsal: str = "") -> str:
    """The plans, and what became of a rehearsal; docs/ci.md describes the fields."""
    document = {
        "version": SCHEMA_VERSION,
        "outcome": outcome(plans),
        "verdict": verdict(plans),
        "summary": summary(plans, prices),
        "rehearsal": rehearsal or None,
        "layers": [
            {
                "layer": plan.layer,
                "stackName": plan.stack_name,
                "new": plan.new,
                "seen": plan.seen,
                "changeSet": plan.kept or None,
                "note": plan.note or None,
                "permissionsBroadened": plan.broadens,
                "changes": [_change(change, plan.rights) for change in plan.changes],
                "refusals": [
                    {"logicalId": refusal.logical_id, "what": refusal.what, "cause": refusal.cause}
                    for refusal in plan.refusals
                ],
                "outputs": [_property(changed) for changed in plan.outputs],
                "findings": [
                    {"where": found.where, "rule": found.rule, "reason": found.reason, "blocking": found.blocking}
                    for found in plan.findings
                ],
                "cost": _cost(plan, prices),
            }
            for plan in plans
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def status_document(statuses: Sequence[LayerStatus]) -> str:
    """The stacks with their services and their drift."""
    return json.dumps({"version": SCHEMA_VERSION, "stacks": [_status(status) for status in statuses]}, indent=2) + "\n"


def outputs_document(statuses: Sequence[LayerStatus]) -> str:
    """The stacks' outputs, by the stacks' names."""
    outputs = {status.stack_name: _outputs(status) for status in statuses}
    return json.dumps(outputs, indent=2) + "\n"


def _outputs(status: LayerStatus) -> dict[str, str]:
    return dict(sorted(status.stack.outputs.items())) if status.stack else {}


def _status(status: LayerStatus) -> dict[str, object]:
    stack = status.stack
    if stack is None:
        return {"stackName": status.stack_name, "status": None, "outputs": {}}
    document: dict[str, object] = {
        "stackName": stack.name,
        "stackId": stack.arn,
        "status": stack.status,
        "reason": stack.reason or None,
        "lastOperation": _operation(status.operation) if status.operation else None,
        "cause": status.cause or None,
        "terminationProtection": stack.protected,
        "outputs": _outputs(status),
    }
    if status.service:
        document["service"] = _service(status.service)
    if status.drift is not None:
        document["drift"] = [_drift(resource) for resource in status.drift.resources]
        document["driftFailures"] = dict(status.drift.failures)
        document["driftUnchecked"] = dict(status.drift.unchecked)
    return document


def _service(service: ServiceStatus) -> dict[str, object]:
    return {
        "status": service.status,
        "operation": service.operation,
        "image": service.image,
        "asDeployed": service.as_deployed,
        "url": service.url,
        "public": service.public,
        "ready": service.ready or None,
        "build": service.build or None,
        "fault": service.fault or None,
    }


def _operation(operation: LastOperation) -> dict[str, object]:
    return {
        "type": operation.kind,
        "id": operation.id or None,
        "outcome": operation.outcome.name.lower().replace("_", "-"),
        "began": utc(operation.began),
        "cause": operation.cause or None,
    }


def _drift(resource: ResourceDrift) -> dict[str, object]:
    return {
        "logicalId": resource.logical_id,
        "status": resource.status,
        "properties": [
            {"path": drifted.path, "expected": drifted.expected, "actual": drifted.actual}
            for drifted in resource.properties
        ],
    }


def _cost(plan: Plan, prices: Prices | None) -> dict[str, object]:
    quantities = plan.billed.quantities
    money = prices.money(quantities) if prices else {}
    return {
        "quantities": {name: float(number) for name, number in quantities.items()},
        "perMonth": {name: round(float(amount), 2) for name, amount in money.items()},
        "currency": prices.currency if prices else None,
        "usage": dict(plan.billed.usage),
        "unknown": dict(plan.billed.unknown),
    }


def _change(change: Change, rights: Sequence[Right]) -> dict[str, object]:
    return {
        "effect": key_of(change.effect),
        "action": change.action,
        "logicalId": change.logical_id,
        "type": change.resource_type,
        "physicalId": change.physical_id or None,
        "replacement": change.replacement or None,
        "policyAction": change.policy_action or None,
        "drift": change.drift or None,
        "properties": [_property(changed) for changed in change.properties],
        "rights": [
            {"direction": right.direction, "kind": right.kind, "rule": right.rule, "why": right.why}
            for right in rights
            if right.logical_id == change.logical_id
        ],
        "unknown": list(change.unknown),
    }


def _property(changed: PropertyChange) -> dict[str, object]:
    return {
        "path": changed.path,
        "before": changed.before,
        "after": changed.after,
        "deployed": changed.deployed,
        "recreation": changed.recreation or None,
        "cause": changed.cause or None,
    }
