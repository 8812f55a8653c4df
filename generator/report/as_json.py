"""Results as JSON documents. docs/preview.schema.json is the schema of a preview."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from generator.report.results import LastOperation, LayerStatus, Plan, key_of, outcome, summary, verdict
from generator.report.text import utc
from generator.review.quantities import Prices
from generator.review.rights import Right
from generator.stacks.change_set import Change

SCHEMA_VERSION = 1
"""Grows when a field changes its meaning or goes."""

PROPERTY = "path before after deployed recreation? cause?"


def preview_document(plans: Sequence[Plan], prices: Prices | None = None, rehearsal: str = "") -> str:
    """The plans, and what became of a rehearsal; docs/preview.schema.json describes the fields."""
    return _text(
        {
            "version": SCHEMA_VERSION,
            "outcome": outcome(plans),
            "verdict": verdict(plans),
            "summary": summary(plans, prices),
            "rehearsal": rehearsal or None,
            "layers": [_plan(plan, prices) for plan in plans],
        }
    )


def status_document(statuses: Sequence[LayerStatus]) -> str:
    """The stacks with their services and their drift."""
    return _text({"version": SCHEMA_VERSION, "stacks": [_status(status) for status in statuses]})


def outputs_document(statuses: Sequence[LayerStatus]) -> str:
    """The stacks' outputs, by the stacks' names."""
    return _text({status.stack_name: _outputs(status) for status in statuses})


def _text(document: Mapping[str, object]) -> str:
    return json.dumps(document, indent=2) + "\n"


def _fields(value: object, names: str) -> dict[str, object]:
    """The attributes of these names, with the names in camel case; `name?` is null where the attribute is empty."""
    fields: dict[str, object] = {}
    for word in names.split():
        name = word.rstrip("?")
        found = getattr(value, name)
        fields[re.sub("_(.)", lambda letter: letter[1].upper(), name)] = found if name == word else found or None
    return fields


def _plan(plan: Plan, prices: Prices | None) -> dict[str, object]:
    money = prices.money(plan.billed.quantities) if prices else {}
    return {
        **_fields(plan, "layer stack_name new seen failed"),
        "changeSet": plan.kept or None,
        "note": plan.note or None,
        "permissionsBroadened": plan.broadens,
        "changes": [_change(change, plan.rights) for change in plan.changes],
        "refusals": [_fields(refusal, "logical_id what cause") for refusal in plan.refusals],
        "outputs": [_fields(changed, PROPERTY) for changed in plan.outputs],
        "findings": [_fields(found, "where rule reason blocking") for found in plan.findings],
        "cost": {
            "quantities": {name: float(number) for name, number in plan.billed.quantities.items()},
            "perMonth": {name: round(float(amount), 2) for name, amount in money.items()},
            "currency": prices.currency if prices else None,
            **_fields(plan.billed, "usage unknown"),
        },
    }


def _change(change: Change, rights: Sequence[Right]) -> dict[str, object]:
    return {
        "effect": key_of(change.effect),
        **_fields(change, "action logical_id"),
        "type": change.resource_type,
        **_fields(change, "physical_id? replacement? policy_action? drift?"),
        "properties": [_fields(changed, PROPERTY) for changed in change.properties],
        "rights": [
            _fields(right, "direction kind rule why") for right in rights if right.logical_id == change.logical_id
        ],
        "unknown": change.unknown,
    }


def _outputs(status: LayerStatus) -> dict[str, str]:
    return dict(sorted(status.stack.outputs.items())) if status.stack else {}


def _status(status: LayerStatus) -> dict[str, object]:
    stack = status.stack
    if stack is None:
        return {"stackName": status.stack_name, "status": None, "outputs": {}}
    document: dict[str, object] = {
        "stackName": stack.name,
        "stackId": stack.arn,
        **_fields(stack, "status reason?"),
        "lastOperation": _operation(status.operation) if status.operation else None,
        "cause": status.cause or None,
        "terminationProtection": stack.protected,
        "outputs": _outputs(status),
    }
    if status.service:
        service = _fields(status.service, "status operation image as_deployed url public answers build? fault?")
        rate = status.service.error_rate
        document["service"] = {**service, "errorRate": _fields(rate, "checked reason?") if rate else None}
    if status.drift is not None:
        document["drift"] = [
            {
                **_fields(resource, "logical_id status"),
                "properties": [_fields(drifted, "path expected actual") for drifted in resource.properties],
            }
            for resource in status.drift.resources
        ]
        document["driftFailures"] = status.drift.failures
        document["driftUnchecked"] = status.drift.unchecked
    return document


def _operation(operation: LastOperation) -> dict[str, object]:
    return {
        "type": operation.kind,
        "id": operation.id or None,
        "outcome": operation.outcome.name.lower().replace("_", "-"),
        "began": utc(operation.began),
        "cause": operation.cause or None,
    }
