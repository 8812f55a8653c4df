"""The plan of a layer: from its change set, or, before there can be one, from its template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from generator import contract
from generator.layers import Layer
from generator.report.results import Plan
from generator.review import intrinsics
from generator.review.patterns import expected, pattern
from generator.review.quantities import difference
from generator.review.rights import Right, rights
from generator.stacks.change_set import Change, ChangeSet, PropertyChange, additions, visible
from generator.stacks.cloudformation import CloudFormation, StackUpdate
from generator.stacks.events import Finding
from generator.stacks.guard import refusals


def plan(
    cloudformation: CloudFormation, layer: str, found: ChangeSet, allowed: Sequence[str], *, keep: bool = False
) -> Plan:
    """The plan of a change set: what the guard refuses of it, what CloudFormation warns of, rights, and cost. With
    `keep` it has the change set's ARN, and the link to it.

    What is billed is read from whole templates, since a change set has changed resources only: an App Runner service
    bills the memory of its instances times the minimum that another resource sets. It does not list outputs either.
    """
    if found.empty:
        return Plan(layer, found.stack_name, (), stack_id=found.stack_id)
    before, after, deployed = _templates(cloudformation, found)
    warnings = [Finding("", "", found.warning, blocking=False)] if found.warning else []
    if found.drift == "UNKNOWN":
        # ResourceDriftStatus says it of the resources that change; others are not in the change set.
        warnings.append(Finding("", "", "some resources could not be compared with the template", blocking=False))
    return Plan(
        layer=layer,
        stack_name=found.stack_name,
        changes=found.changes,
        refusals=refusals(found.changes, allowed),
        new=found.creates,
        kept=found.arn if keep else "",
        console=_console(cloudformation.region, found.stack_id, found.arn) if keep else "",
        note="" if found.changes else "only outputs, metadata or tags of the stack change.",
        stack_id=found.stack_id,
        rights=_of_stack((right for change in found.changes for right in _rights(change)), new=found.creates),
        outputs=tuple(_outputs(intrinsics.outputs(*before), intrinsics.outputs(*after), deployed)),
        findings=(*warnings, *cloudformation.findings(found.arn)),
        billed=difference(intrinsics.resources(*before), intrinsics.resources(*after)),
        image=found.parameters.get(contract.IMAGE_URI, ""),
    )


_Template = tuple[Mapping[str, Any], Mapping[str, Any]]
"""A template and its parameters."""


def _templates(cloudformation: CloudFormation, found: ChangeSet) -> tuple[_Template, _Template, Mapping[str, str]]:
    """The stack's template, which is empty for a new stack, the change set's, and the stack's outputs."""
    # arn:PARTITION:cloudformation:REGION:ACCOUNT:stack/NAME/ID
    _, partition, _, region, account, _ = found.stack_id.split(":")
    pseudo = {"AWS::Partition": partition, "AWS::Region": region, "AWS::AccountId": account}
    pseudo |= {"AWS::StackName": found.stack_name, "AWS::StackId": found.stack_id}
    # CloudFormation template reference, pseudo parameters: amazonaws.com.cn in the China Regions.
    pseudo["AWS::URLSuffix"] = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    after = (cloudformation.template(ChangeSetName=found.arn), {**pseudo, **found.parameters})
    stack = None if found.creates else cloudformation.stack(found.stack_id)
    if not stack:
        return ({}, {}), after, {}
    return (cloudformation.template(StackName=stack.arn), {**pseudo, **stack.parameters}), after, stack.outputs


def _rights(change: Change) -> Sequence[Right]:
    """What changes of a resource's rights. Not narrower where the resource stays, and never silent where one side is
    not known."""
    if (change.action == "Remove" and change.policy_action == "Retain") or change.only_tags:
        return ()
    needed = {"Add": [change.after], "Import": [change.after], "Remove": [change.before]}
    if None in needed.get(change.action, [change.before, change.after]):
        why = "cannot be compared: CloudFormation does not give its properties"
        return [Right(change.logical_id, "properties", "different", "", why)]
    return rights(change.logical_id, change.resource_type, change.before, change.after)


def _of_stack(found: Iterable[Right], *, new: bool) -> tuple[Right, ...]:
    """Rights of a stack. Those of a new one are granted: there is nothing to compare them with."""
    return tuple(
        replace(right, direction="granted") if new and right.direction != "narrower" else right for right in found
    )


def _outputs(
    before: Mapping[str, Any], after: Mapping[str, Any], deployed: Mapping[str, str]
) -> Iterator[PropertyChange]:
    """The outputs that templates define differently, with their deployed values and what is known of the new ones."""
    for name in sorted({*before, *after}):
        if name not in after:
            yield PropertyChange(name, visible(name, deployed.get(name)), None, "", "")
        elif name not in before or pattern(before[name]) != pattern(after[name]):
            new = visible(name, expected(after[name]))
            yield PropertyChange(name, visible(name, deployed.get(name)), new, "", "")


def plan_from_template(cloudformation: CloudFormation, layer: Layer, update: StackUpdate) -> Plan | None:
    """The plan of a layer whose data stack lacks what it imports, without a change set; None where nothing lacks."""
    needed = update.parameters.get(contract.DATA_STACK_NAME)
    if not needed:
        return None
    data = cloudformation.stack(needed)
    repository = layer.compute.repository if layer.compute else ""
    lacks = ""
    if not (data and data.exists):
        lacks = "exists"
    elif contract.IMAGE_URI not in update.parameters and repository and repository not in data.outputs:
        lacks = f"has the output {repository}"
    if not lacks:
        return None
    note = f"cannot be previewed before the stack {needed} {lacks}."
    resources = intrinsics.resources(layer.template, update.parameters)
    return Plan(
        layer.name,
        update.stack_name,
        additions(layer.template),
        new=True,
        seen=False,
        note=note,
        rights=_of_stack(
            (
                right
                for logical_id, resource in resources.items()
                for right in rights(logical_id, resource["Type"], None, resource["Properties"])
            ),
            new=True,
        ),
        billed=difference({}, resources),
        image=update.parameters.get(contract.IMAGE_URI, ""),
    )


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
        note=reason,
        failed=True,
    )


def _console(region: str, stack_id: str, arn: str) -> str:
    return (
        f"https://{region}.console.aws.amazon.com/cloudformation/home?region={region}#/stacks/changesets/changes"
        f"?stackId={quote(stack_id, safe='')}&changeSetId={quote(arn, safe='')}"
    )
