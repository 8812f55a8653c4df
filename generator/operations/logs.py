"""`logs`: what the instances of the services wrote, in order, with deployments marked. Changes nothing.

While the log is followed, each look begins a minute before the newest line, since CloudWatch Logs takes lines late and
those of several instances out of order; an event is shown once, by its ID.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

from generator import contract
from generator.aws.calls import pages
from generator.aws.errors import code_of, translate_errors
from generator.aws.faults import THROTTLED
from generator.compute import Compute
from generator.compute.logs import milliseconds
from generator.errors import DeployError, UsageError
from generator.layers import Deployment
from generator.operations.cause import failed_service
from generator.operations.instead import another_deployed
from generator.operations.options import LogsOptions
from generator.operations.session import Session
from generator.redaction import redact
from generator.report.results import LogLine
from generator.stacks.cloudformation import Stack

PAUSE_SECONDS = 5
# How late a line may come and still be shown.
LATE = timedelta(seconds=60)


def logs(deployment: Deployment, session: Session, options: LogsOptions) -> Iterator[LogLine]:
    """The lines since `options.since`, oldest first; with `follow` without end.

    Raises UsageError where another deployment is there instead, DeployError where no layer has a service.
    """
    services = [(layer, layer.compute) for layer in deployment.chosen(options.layer) if layer.compute]
    names = [options.stack_name(deployment, layer) for layer, _ in services]
    sources = [
        Source(session, compute, arn, layer.name if len(services) > 1 else "", options)
        for (layer, compute), name in zip(services, names, strict=True)
        if (stack := session.cloudformation.stack(name)) and (arn := service_arn(session, stack, compute))
    ]
    if not sources:
        if services and (instead := another_deployed(session.cloudformation, deployment, options)):
            raise UsageError(instead)
        raise DeployError(
            stack=" and ".join(names) or options.layer or deployment.name,
            what="There is no log",
            why="no service is deployed" if services else "the layer has no service",
            then="See status.",
        )
    while True:
        yield from heapq.merge(*(source.read() for source in sources), key=lambda line: line.moment)
        if not options.follow:
            return
        session.clock.sleep(PAUSE_SECONDS)


def service_arn(session: Session, stack: Stack, compute: Compute) -> str:
    """The service of a stack, also of one whose creation failed, whose log stays; empty if there is none."""
    if arn := stack.outputs.get(contract.SERVICE_ARN):
        return arn
    operation = session.cloudformation.last_operation(stack)
    return failed_service(operation, compute) if operation else ""


@dataclass
class Source:
    """The log of one service; `layer` precedes the stream of each line, if it is not empty."""

    session: Session
    compute: Compute
    arn: str
    layer: str
    options: LogsOptions
    _shown: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.since = self.options.since

    def read(self) -> Iterator[LogLine]:
        """What was not read before, oldest first."""
        try:
            with translate_errors(self.arn):
                groups = self.compute.log_groups(self.session.client(self.compute.client_name), self.arn)
                found = heapq.merge(
                    *map(self._of_group, groups), self._boundaries(), key=lambda identified: identified[1].moment
                )
                for id, line in found:
                    if id not in self._shown:
                        self._shown[id] = line.moment
                        yield line
        except DeployError as error:
            if code_of(error) not in THROTTLED or not self.options.follow:
                raise
            self.session.ui.progress(f"{error} The next look reads what this one has not.")
            return
        if self._shown:
            self.since = max(self.since, max(self._shown.values()) - LATE)
            self._shown = {id: moment for id, moment in self._shown.items() if moment >= self.since}

    def _of_group(self, group: str) -> Iterator[tuple[str, LogLine]]:
        """FilterLogEvents has the events of all streams in their order, on pages that may be empty."""
        client = self.session.client("logs")
        pattern = {"filterPattern": self.options.pattern} if self.options.pattern else {}
        asked = {"logGroupName": group, "startTime": milliseconds(self.since), **pattern}
        try:
            for page in pages(client.filter_log_events, **asked):
                for event in page["events"]:
                    moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                    instance = f"{self.layer}/{event['logStreamName']}" if self.layer else event["logStreamName"]
                    yield event["eventId"], LogLine(moment, instance, redact(event["message"].rstrip()))
        except client.exceptions.ResourceNotFoundException:
            # No instance has written anything yet.
            return

    def _boundaries(self) -> Iterator[tuple[str, LogLine]]:
        client = self.session.client(self.compute.client_name)
        try:
            operations = self.compute.operations(client, self.arn)
        except ClientError as error:
            if "NotFound" in error.response["Error"]["Code"]:
                # The service is gone; its log stays.
                return
            raise
        moments = [
            (moment.astimezone(UTC), f"{operation.id.rpartition('/')[2]} {what}")
            for operation in operations
            for moment, what in ((operation.started, "started"), (operation.ended, f"ended: {operation.text}"))
            if moment and moment >= self.since
        ]
        layer = f"{self.layer}: " if self.layer else ""
        for moment, text in sorted(moments):
            yield text, LogLine(moment, "", f"--- {layer}deployment {text} {moment:%H:%M:%SZ} ---")
