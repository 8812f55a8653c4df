"""`preview`: what a deployment would change."""

from __future__ import annotations

from generator.errors import DeployError, UsageError
from generator.layers import Deployment, Layer
from generator.operations.image import ImageSource, check_image_options
from generator.operations.options import PreviewOptions
from generator.operations.plans import plan, plan_from_template, plan_without_change_set
from generator.operations.session import Session
from generator.operations.templates import uploaded
from generator.operations.updates import check_values, stack_updates, with_login_of_data_stack
from generator.report.results import Plan
from generator.stacks.cloudformation import StackUpdate


def preview(deployment: Deployment, session: Session, options: PreviewOptions = PreviewOptions()) -> tuple[Plan, ...]:
    """The plan of each layer, from a change set that is deleted again unless `options.keep`.

    A layer that imports from a stack that does not exist yet is planned from its template. One of several layers that
    cannot be planned has a plan that says why.
    """
    check_image_options(deployment, options)
    updates = stack_updates(deployment, session.ui, options)
    cloudformation = session.cloudformation
    check_values(cloudformation, deployment, updates, options)
    plans = []
    for layer, update in updates:
        try:
            plans.append(_plan(session, layer, update, options))
        except (DeployError, UsageError) as error:
            # The other layers are shown all the same.
            if len(updates) == 1:
                raise
            plans.append(plan_without_change_set(cloudformation, layer, update, str(error)))
    return tuple(plans)


def _plan(session: Session, layer: Layer, update: StackUpdate, options: PreviewOptions) -> Plan:
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
        if options.keep:
            pending.keep()
        return plan(cloudformation, layer.name, pending, options.allow_replacement)
