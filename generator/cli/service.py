"""The service of a compute layer while a verb is about it: what it is made of, whether it runs, what it logs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from generator import contract
from generator.cli.requests import as_its_data
from generator.cli.source import Source
from generator.cli.stacks import clients
from generator.cli.terminal import say
from generator.compute.compute import Compute, Running
from generator.errors import DeployError
from generator.images.context import TAG_LABEL
from generator.layers import Layer

if TYPE_CHECKING:
    from generator.compute.verification import Wanted
    from generator.stacks.cloudformation import Conversation, Request, Stack
    from generator.stacks.events import Event


def service(talk: Conversation, layer: Layer, arguments: argparse.Namespace) -> Service | None:
    """The service that a layer holds; None for one that holds none."""
    return Service(talk, layer.compute, arguments) if layer.compute else None


class Service:
    """What a compute layer runs, in the account and Region of the arguments."""

    def __init__(self, talk: Conversation, compute: Compute, arguments: argparse.Namespace) -> None:
        self._talk = talk
        self._compute = compute
        self._arguments = arguments
        self.source = Source(talk, compute, arguments)

    @cached_property
    def _client(self) -> Any:
        return self._of(self._compute.client_name)

    @cached_property
    def _logs(self) -> Any:
        return self._of("logs")

    def _of(self, name: str) -> Any:
        return clients(self._arguments, name)[0]

    @property
    def usual_minutes(self) -> Mapping[str, int]:
        """How long its slow resources take, by type."""
        return self._compute.usual_minutes

    def previewed(self, request: Request) -> Request:
        """The request as a deployment would have it, with its image; nothing is built."""
        return self.source.previewed(as_its_data(self._talk, request))

    def published(self, request: Request) -> Request:
        """The request with its image, built and pushed unless it was there already.

        Raises DeployError for a service that CloudFormation could not update, such as a paused one.
        """
        self._check_ready(request.stack_name)
        return self.source.published(as_its_data(self._talk, request))

    def _check_ready(self, stack_name: str) -> None:
        stack = self._talk.stack(stack_name)
        arn = stack.outputs.get(contract.SERVICE_ARN) if stack else None
        if not arn:
            return
        running = self.running(stack_name, arn)
        if running.ended is not None and not running.ready:
            raise DeployError(
                stack=stack_name,
                what="The service cannot be updated",
                why=f"it is {running.status}",
                then=running.then,
            )

    def seen(self, stack: Stack) -> dict[str, Any] | None:
        """What can be seen of it without writing anything; None where the stack has no service."""
        from generator.compute.verification import send

        arn = stack.outputs.get(contract.SERVICE_ARN)
        if not arn:
            return None
        running = self.running(stack.name, arn)
        ready = send("GET", running.url + contract.READY_PATH, None) if running.public and running.ready else None
        return {
            "status": running.status,
            "operation": running.operation,
            "image": running.image,
            "asDeployed": running.image == stack.parameters.get(contract.IMAGE_URI),
            "url": running.url,
            "public": running.public,
            "ready": str(ready) if ready else None,
            "build": (ready.field("build") or None) if ready else None,
        }

    def running(self, stack_name: str, service_arn: str) -> Running:
        """What AWS says that runs."""
        from generator.stacks.errors import explained

        with explained(stack_name):
            return self._compute.running(self._client, service_arn)

    def redeploy(self, stack: Stack) -> None:
        """Starts the service anew, so that it reads its secrets again, and proves that it runs."""
        from generator.compute.verification import Proof
        from generator.stacks.errors import explained

        arn = stack.outputs[contract.SERVICE_ARN]
        before = self.running(stack.name, arn)
        with explained(stack.name):
            self._compute.redeploy(self._client, arn)
        Proof(stack.name, sleep=self._talk.pause).as_begun(lambda: self.running(stack.name, arn), before)
        self.prove(stack)

    def prove(self, stack: Stack) -> None:
        """Tells what is seen; raises DeployError, after the end of the log, where it is not as it should be."""
        from generator.compute.verification import NotProvenError, Proof

        arn = stack.outputs[contract.SERVICE_ARN]
        wanted = self._wanted(stack)
        proof = Proof(stack.name, sleep=self._talk.pause)
        say(f"{stack.name}: checking that what runs is what was deployed")
        try:
            for fact in proof.as_told(lambda: self.running(stack.name, arn), wanted):
                say(f"  {fact.about:16} {fact.seen}")
            running = self.running(stack.name, arn)
            if not running.public:
                say("  not proven from outside: the service answers inside its VPC only")
            else:
                for fact in proof.as_answered(running.url, wanted):
                    say(f"  {fact.about:16} {fact.seen}")
                for fact in proof.as_used(running.url) if self._compute.users_api else ():
                    say(f"  {fact.about:16} {fact.seen}")
        except NotProvenError:
            self._tell_logs(arn)
            raise
        self._keep_logs(stack.name, arn)

    def failed(self, events: Sequence[Event]) -> str:
        """Tells the end of the log of a service that failed, since CloudFormation's own reason is often empty.

        Returns the last line of the log, empty where it was another resource that failed or where there is no log."""
        about = [event for event in events if event.resource_type == self._compute.resource_type]
        if any(event.failed for event in about):
            return self._tell_logs(next((event.physical_id for event in reversed(about) if event.physical_id), ""))
        return ""

    def _wanted(self, stack: Stack) -> Wanted:
        from generator.compute.verification import Wanted
        from generator.images.repository import Repository

        image = stack.parameters.get(contract.IMAGE_URI, "")
        uri, at, digest = image.partition("@")
        data = self._talk.stack(stack.parameters.get(contract.DATA_STACK_NAME, ""))
        if at and data and data.outputs.get(self._compute.repository) == uri:
            tags: Sequence[str] = Repository(uri, self._of("ecr")).tags(digest)
        else:
            tags = (image.rpartition(":")[2],)
        # Only such a tag is what the image says of itself.
        return Wanted(image, tuple(tag for tag in tags if tag.startswith(TAG_LABEL)))

    def _tell_logs(self, service_arn: str) -> str:
        from generator.compute.logs import LINES_SHOWN, last_lines, telling

        lines: list[str] = []
        for group in self._log_groups(service_arn) if service_arn else ():
            lines = telling(last_lines(self._logs, group))
            if lines:
                say(f"The end of {group}:")
                for line in lines[-LINES_SHOWN:]:
                    say(f"  {line}")
        return lines[-1] if lines else ""

    def _keep_logs(self, stack_name: str, service_arn: str) -> None:
        from generator.compute.logs import RETENTION_DAYS, keep_for
        from generator.stacks.errors import explained

        with explained(stack_name):
            for group in keep_for(self._logs, self._compute.log_groups(self._client, service_arn)):
                say(f"  log group        {group} is kept for {RETENTION_DAYS} days now, no longer forever")

    def _log_groups(self, service_arn: str) -> tuple[str, ...]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._compute.log_groups(self._client, service_arn)
        except (BotoCoreError, ClientError):
            # What cannot be found out must not hide what it was wanted for.
            return ()
