"""Why a stack's last operation failed: one answer for `deploy` and `destroy`, which have just seen it, and for
`status`, from another machine an hour later. Everything is read from AWS; nothing depends on having watched."""

from __future__ import annotations

from generator.compute import Compute, Outcome
from generator.compute.logs import Window
from generator.operations.service import Service
from generator.operations.session import Session
from generator.report.results import LastOperation
from generator.stacks.cloudformation import Stack
from generator.stacks.events import SUCCEEDED, Operation, in_progress


def last_operation(
    session: Session, stack: Stack, compute: Compute | None, *, report_log: bool = False
) -> LastOperation | None:
    """The last operation of a layer's stack, with its cause if it failed; None if there was none. report_log: the end
    of the log of a service that failed is reported too."""
    operation = session.cloudformation.last_operation(stack)
    if operation is None:
        return None
    cause = ""
    if in_progress(stack.status):
        outcome = Outcome.IN_PROGRESS
    elif stack.status in SUCCEEDED:
        outcome = Outcome.SUCCEEDED
    else:
        outcome = Outcome.FAILED
        cause = operation.cause or stack.reason or "CloudFormation gives no reason"
        if compute and (arn := failed_service(operation, compute)):
            service = Service(session, compute)
            window = Window(operation.events[0].moment, operation.events[-1].moment)
            if report_log:
                service.report_log(arn, window)
            cause = service.explain(cause, arn, window)
    return LastOperation(operation.kind, operation.id, outcome, operation.events[0].moment, cause.rstrip("."))


def failed_service(operation: Operation, compute: Compute) -> str:
    """The ARN of the service, if it is what failed first; else empty."""
    failure = operation.failure
    if operation.refusals or not failure or failure.resource_type != compute.resource_type:
        return ""
    own = [event.physical_id for event in operation.events if event.logical_id == failure.logical_id]
    return next(filter(None, reversed(own)), "")
