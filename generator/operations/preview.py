"""`preview`: what a deployment would change."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from generator.errors import DeployError, UsageError
from generator.layers import Deployment, Layer
from generator.operations.image import ImageSource, check_image_options
from generator.operations.options import PreviewOptions
from generator.operations.plans import plan, plan_from_template, plan_without_change_set
from generator.operations.session import Session
from generator.operations.updates import check_values, stack_updates, uploaded, with_login_of_data_stack
from generator.report.results import Plan
from generator.stacks.cloudformation import StackUpdate


def preview(deployment: Deployment, session: Session, options: PreviewOptions = PreviewOptions()) -> tuple[Plan, ...]:
    """The plan of each layer, from a change set that is deleted again unless `options.keep`.

    A layer that imports from a stack that does not exist yet is planned from its template. One that cannot be planned
    has a plan that says why.
    """
    check_image_options(deployment, options)
    updates = stack_updates(deployment, session.ui, options)
    cloudformation = session.cloudformation
    check_values(session, deployment, updates, options)
    plans = []
    exports: set[str] = set()
    for layer, update in updates:
        try:
            plans.append(_plan(session, layer, update, options, exports))
        except (DeployError, UsageError) as error:
            reason = str(error).removeprefix(f"{update.stack_name}: ")
            plans.append(plan_without_change_set(cloudformation, layer, update, reason))
        exports.update(f"{update.stack_name}-{output}" for output in layer.template.get("Outputs", ()))
    return tuple(plans)


def _plan(
    session: Session, layer: Layer, update: StackUpdate, options: PreviewOptions, exports: Collection[str]
) -> Plan:
    """The plan of a layer. exports: of the layers before it, which are deployed first."""
    cloudformation = session.cloudformation
    if layer.compute:
        ImageSource(session, layer.compute, options).check_given(update)
    if planned := plan_from_template(cloudformation, layer, update):
        return planned
    update = with_login_of_data_stack(cloudformation, update)
    if layer.compute:
        update = ImageSource(session, layer.compute, options).previewed(update)
    session.ui.progress(f"Creating a change set for {update.stack_name} ...")
    with cloudformation.pending_change_set(uploaded(session, update, options)) as pending:
        change_set = pending.change_set
        planned = plan(cloudformation, layer.name, change_set, options.allow_replacement, keep=options.keep)
        if options.keep:
            pending.keep()
    missing = change_set.missing_export
    if not missing or missing in exports:
        return planned
    note = f"it imports {missing}, which no stack exports. Correct the name, or deploy the exporting stack first."
    # CloudFormation's own words for the same.
    findings = tuple(found for found in planned.findings if found.reason != change_set.warning)
    return replace(planned, note=note, findings=findings, failed=True)
