"""The plan of a layer: from its change set, or, before there can be one, from its template."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from generator import contract
from generator.layers import Layer
from generator.report.results import Plan
from generator.stacks.change_set import additions, refusals
from generator.stacks.cloudformation import CloudFormation, PendingChangeSet, StackUpdate


def plan(cloudformation: CloudFormation, layer: str, pending: PendingChangeSet, allowed: Sequence[str]) -> Plan:
    """The plan of a change set, with what the guard refuses of it."""
    found = pending.change_set
    return Plan(
        layer=layer,
        stack_name=found.stack_name,
        changes=found.changes,
        refusals=refusals(found.changes, allowed),
        new=found.creates,
        kept=found.arn if pending.kept else "",
        console=_console(cloudformation.region, found.stack_id, found.arn) if pending.kept else "",
        warning=found.warning,
        note="" if found.changes or found.empty else "only outputs, metadata or tags of the stack change.",
    )


def plan_from_template(cloudformation: CloudFormation, layer: Layer, update: StackUpdate) -> Plan | None:
    """The plan of a layer whose data stack lacks what it imports, without a change set; None where nothing lacks."""
    needed = update.parameters.get(contract.DATA_STACK_NAME)
    if not needed:
        return None
    data = cloudformation.stack(needed)
    lacks = ""
    if not (data and data.exists):
        lacks = "exists"
    elif layer.compute and contract.IMAGE_URI not in update.parameters and layer.compute.repository not in data.outputs:
        lacks = f"has the output {layer.compute.repository}"
    if not lacks:
        return None
    note = f"cannot be previewed before the stack {needed} {lacks}."
    return Plan(layer.name, update.stack_name, additions(layer.template), new=True, seen=False, note=note)


def plan_without_change_set(cloudformation: CloudFormation, layer: Layer, update: StackUpdate, reason: str) -> Plan:
    """The plan of a layer for which no change set can be created yet, with the reason."""
    stack = cloudformation.stack(update.stack_name)
    new = not (stack and stack.exists)
    return Plan(
        layer.name,
        update.stack_name,
        additions(layer.template) if new else (),
        new=new,
        seen=False,
        note=f"cannot be previewed: {reason}",
        failed=True,
    )


def _console(region: str, stack_id: str, arn: str) -> str:
    return (
        f"https://{region}.console.aws.amazon.com/cloudformation/home?region={region}#/stacks/changesets/changes"
        f"?stackId={quote(stack_id, safe='')}&changeSetId={quote(arn, safe='')}"
    )
