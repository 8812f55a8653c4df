"""`status`: the stacks as they are, why the last operation failed, what runs, and manual changes. Changes nothing."""

from __future__ import annotations

from generator.layers import Deployment, Layer
from generator.operations.cause import last_operation
from generator.operations.options import StatusOptions
from generator.operations.service import Service
from generator.operations.session import Session
from generator.report.results import LayerStatus
from generator.stacks.drift import drift


def status(
    deployment: Deployment, session: Session, options: StatusOptions = StatusOptions()
) -> tuple[LayerStatus, ...]:
    """Each layer's stack as it is."""
    return tuple(
        _status(session, layer, options.stack_name(deployment, layer), options)
        for layer in deployment.chosen(options.layer)
    )


def _status(session: Session, layer: Layer, stack_name: str, options: StatusOptions) -> LayerStatus:
    stack = session.cloudformation.stack(stack_name)
    if stack is None:
        return LayerStatus(stack_name, None)
    drifted = None
    if options.drift and stack.exists:
        session.ui.progress(f"Detecting drift of {stack_name} ...")
        drifted = drift(session.cloudformation, stack_name)
    operation = last_operation(session, stack, layer.compute)
    service = Service(session, layer.compute).status(stack) if layer.compute else None
    return LayerStatus(stack_name, stack, service, drifted, operation)
