"""The service of a compute layer while a verb is about it: its image beforehand, its log and its proof afterwards."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator import contract
from generator.compute import Compute, Running
from generator.context import TAG_LABEL, TOOLS, Context
from generator.errors import DeployError, UsageError
from generator.layers import Layer

if TYPE_CHECKING:
    from generator.deploy import Conversation, Request, Stack
    from generator.events import Event
    from generator.image import Repository
    from generator.proof import Wanted


def service(talk: Conversation, layer: Layer, arguments: argparse.Namespace) -> Service | None:
    """The service that a layer holds; None for one that holds none."""
    return Service(talk, layer.compute, arguments) if layer.compute else None


def check_source(wanted: Sequence[Layer], arguments: argparse.Namespace) -> None:
    """Raises UsageError for what can be seen to be wrong with the source of an image before anything is deployed."""
    from generator.cli.stacks import pairs

    named = [layer.name for layer in wanted if layer.compute]
    if arguments.context and len(named) > 1:
        raise UsageError(f"--context is the source of one service: choose --layer {' or --layer '.join(named)}.")
    pairs("--build-arg", arguments.build_arg)
    if arguments.context and named and not arguments.image:
        Context(arguments.context).tag()
    tool = getattr(arguments, "container_tool", None)
    if tool and Path(tool).name not in TOOLS:
        raise UsageError(f"--container-tool {tool} is none of {', '.join(TOOLS)}.")


class Service:
    """What a compute layer runs, in the account and Region of the arguments."""

    def __init__(self, talk: Conversation, compute: Compute, arguments: argparse.Namespace) -> None:
        self._talk = talk
        self._compute = compute
        self._arguments = arguments

    @cached_property
    def _client(self) -> Any:
        return self._of(self._compute.client_name)

    @cached_property
    def _logs(self) -> Any:
        return self._of("logs")

    def _of(self, name: str) -> Any:
        from generator.cli.stacks import clients

        return clients(self._arguments, name)[0]

    @property
    def usual_minutes(self) -> Mapping[str, int]:
        """How long its slow resources take, by type."""
        return self._compute.usual_minutes

    # Before: the image.

    def can_be_made(self, request: Request) -> None:
        """Raises UsageError where there is nothing to make an image from, DeployError where nothing can make it.

        Before anything is deployed, since the data layer takes its time. Whether an image is there already can be
        asked once there is a repository."""
        from generator.image import tool

        if contract.IMAGE_URI in request.parameters or self._talk.stack(request.stack_name):
            return
        self._context().tag()
        data = self._talk.stack(request.parameters.get(contract.DATA_STACK_NAME, ""))
        if not (data and self._compute.repository in data.outputs):
            tool(self._arguments.container_tool)

    def previewed(self, request: Request) -> Request:
        """The request with the image that a deployment would run; nothing is built."""
        request = self._as_its_data(request)
        found = self._source(request)
        if found is None:
            return request
        context, repository = found
        tag = context.tag()
        digest = repository.digest(tag)
        if not digest:
            _say(f"{tag} is not in {repository.name} yet: a deployment would build and push it.")
        return _with_image(request, f"{repository.uri}@{digest}" if digest else f"{repository.uri}:{tag}")

    def published(self, request: Request) -> Request:
        """The request with the image that was built and pushed for it, unless it was there already."""
        from generator.image import publish

        self._ready_for_an_update(request.stack_name)
        request = self._as_its_data(request)
        found = self._source(request)
        if found is None:
            return request
        context, repository = found
        image = publish(self._arguments.container_tool, context, repository, context.tag(), _say)
        return _with_image(request, image)

    def _context(self) -> Context:
        from generator.cli.stacks import pairs

        return Context(
            self._arguments.context or Path(self._compute.context),
            pairs("--build-arg", self._arguments.build_arg),
            tuple(self._arguments.build_secret),
        )

    def _as_its_data(self, request: Request) -> Request:
        """The request with the data stack's way to log in, unless somebody has named one: the two have to agree."""
        data = self._talk.stack(request.parameters.get(contract.DATA_STACK_NAME, ""))
        way = data.parameters.get(contract.AUTHENTICATION) if data else None
        declared = json.loads(request.template).get("Parameters", {})
        if way is None or contract.AUTHENTICATION not in declared or contract.AUTHENTICATION in request.parameters:
            return request
        return replace(request, parameters={**request.parameters, contract.AUTHENTICATION: way})

    def _source(self, request: Request) -> tuple[Context, Repository] | None:
        """What the image is made from and where it goes; None where somebody has named an image."""
        from generator.image import Repository

        if contract.IMAGE_URI in request.parameters:
            return None
        context = self._context()
        if not context.exists and not self._arguments.context:
            stack = self._talk.stack(request.stack_name)
            image = stack.parameters.get(contract.IMAGE_URI) if stack else None
            if image:
                _say(f"There is no Dockerfile in {context.directory.resolve()}: the image stays {image}.")
                return None
        data_stack = request.parameters[contract.DATA_STACK_NAME]
        data = self._talk.stack(data_stack)
        uri = data.outputs.get(self._compute.repository) if data else None
        if not uri:
            raise DeployError(
                stack=data_stack,
                what="There is no repository for the image",
                why=f"the stack has no output {self._compute.repository}",
                then="Deploy the data layer first, or pass --image URI.",
            )
        return context, Repository(uri, self._of("ecr"))

    def _ready_for_an_update(self, stack_name: str) -> None:
        """Raises DeployError for a service that CloudFormation could not update, such as a paused one."""
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

    # Afterwards: what runs.

    def seen(self, stack: Stack) -> dict[str, Any] | None:
        """What can be seen of it without writing anything; None where the stack has no service."""
        from generator.proof import send

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
        from generator.deploy import explained

        with explained(stack_name):
            return self._compute.running(self._client, service_arn)

    def redeploy(self, stack: Stack) -> None:
        """Starts the service anew, so that it reads its secrets again, and proves that it runs."""
        from generator.deploy import explained
        from generator.proof import Proof

        arn = stack.outputs[contract.SERVICE_ARN]
        before = self.running(stack.name, arn)
        with explained(stack.name):
            self._compute.redeploy(self._client, arn)
        Proof(stack.name, sleep=self._talk.pause).as_begun(lambda: self.running(stack.name, arn), before)
        self.prove(stack)

    def prove(self, stack: Stack) -> None:
        """Tells what is seen; raises DeployError, after the end of the log, where it is not as it should be."""
        from generator.proof import NotProvenError, Proof

        arn = stack.outputs[contract.SERVICE_ARN]
        wanted = self._wanted(stack)
        proof = Proof(stack.name, sleep=self._talk.pause)
        _say(f"{stack.name}: is what runs what was deployed?")
        try:
            for fact in proof.as_told(lambda: self.running(stack.name, arn), wanted):
                _say(f"  {fact.about:16} {fact.seen}")
            running = self.running(stack.name, arn)
            if not running.public:
                _say("  not proven from outside: the service answers inside its VPC only")
            else:
                for fact in proof.as_answered(running.url, wanted):
                    _say(f"  {fact.about:16} {fact.seen}")
                for fact in proof.as_used(running.url) if self._compute.users_api else ():
                    _say(f"  {fact.about:16} {fact.seen}")
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
        from generator.image import Repository
        from generator.proof import Wanted

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
        from generator.proof import LOG_LINES, last_lines, telling

        lines: list[str] = []
        for group in self._log_groups(service_arn) if service_arn else ():
            lines = telling(last_lines(self._logs, group))
            if lines:
                _say(f"The end of {group}:")
                for line in lines[-LOG_LINES:]:
                    _say(f"  {line}")
        return lines[-1] if lines else ""

    def _keep_logs(self, stack_name: str, service_arn: str) -> None:
        from generator.deploy import explained
        from generator.proof import RETENTION_DAYS, keep_for

        with explained(stack_name):
            for group in keep_for(self._logs, self._compute.log_groups(self._client, service_arn)):
                _say(f"  log group        {group} is kept for {RETENTION_DAYS} days now, no longer for ever")

    def _log_groups(self, service_arn: str) -> tuple[str, ...]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._compute.log_groups(self._client, service_arn)
        except (BotoCoreError, ClientError):
            # What cannot be found out must not hide what it was wanted for.
            return ()


def _with_image(request: Request, image: str) -> Request:
    return replace(request, parameters={**request.parameters, contract.IMAGE_URI: image})


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
