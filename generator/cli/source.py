"""Where the image of a service comes from: named by --image, deployed already, or built from --context."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from generator import contract
from generator.cli.requests import pairs
from generator.cli.stacks import clients
from generator.cli.terminal import say
from generator.compute.compute import Compute
from generator.errors import DeployError, UsageError
from generator.images.context import TOOLS, Context
from generator.layers import Layer

if TYPE_CHECKING:
    from generator.images.repository import Repository
    from generator.stacks.cloudformation import Conversation, Request


def check_source(wanted: Sequence[Layer], arguments: argparse.Namespace) -> None:
    """Raises UsageError for what can be seen to be wrong with the source of an image before anything is deployed."""
    named = [layer.name for layer in wanted if layer.compute]
    if arguments.context and len(named) > 1:
        raise UsageError(f"--context is the source of one service: choose --layer {' or --layer '.join(named)}.")
    pairs("--build-arg", arguments.build_arg)
    if arguments.context and named and not arguments.image:
        Context(arguments.context).tag()
    tool = getattr(arguments, "container_tool", None)
    if tool and Path(tool).name not in TOOLS:
        raise UsageError(f"--container-tool {tool} is none of {', '.join(TOOLS)}.")


@dataclass(frozen=True)
class Source:
    """The source of one service's image, as the arguments have it."""

    talk: Conversation
    compute: Compute
    arguments: argparse.Namespace

    def check(self, request: Request) -> None:
        """Raises UsageError where there is nothing to make an image from, DeployError where nothing can make it.

        Before anything is deployed, since the data layer takes its time. Whether an image is there already can be
        asked once there is a repository.
        """
        from generator.images.build import tool

        if contract.IMAGE_URI in request.parameters or self.talk.stack(request.stack_name):
            return
        self._context().tag()
        data = self.talk.stack(request.parameters.get(contract.DATA_STACK_NAME, ""))
        if not (data and self.compute.repository in data.outputs):
            tool(self.arguments.container_tool)

    def previewed(self, request: Request) -> Request:
        """The request with the image that a deployment would run; nothing is built."""
        found = self._found(request)
        if found is None:
            return request
        context, repository = found
        tag = context.tag()
        digest = repository.digest(tag)
        if not digest:
            say(f"{tag} is not in {repository.name} yet: a deployment would build and push it.")
        return _with_image(request, f"{repository.uri}@{digest}" if digest else f"{repository.uri}:{tag}")

    def published(self, request: Request) -> Request:
        """The request with the image that was built and pushed for it, unless it was there already."""
        from generator.images.build import publish

        found = self._found(request)
        if found is None:
            return request
        context, repository = found
        return _with_image(request, publish(self.arguments.container_tool, context, repository, context.tag(), say))

    def _context(self) -> Context:
        return Context(
            self.arguments.context or Path(self.compute.context),
            pairs("--build-arg", self.arguments.build_arg),
            tuple(self.arguments.build_secret),
        )

    def _found(self, request: Request) -> tuple[Context, Repository] | None:
        """What the image is made from and where it goes; None where the image is named or stays."""
        from generator.images.repository import Repository

        if contract.IMAGE_URI in request.parameters:
            return None
        context = self._context()
        if not context.exists and not self.arguments.context:
            stack = self.talk.stack(request.stack_name)
            image = stack.parameters.get(contract.IMAGE_URI) if stack else None
            if image:
                say(f"There is no Dockerfile in {context.directory.resolve()}: the image stays {image}.")
                return None
        data_stack = request.parameters[contract.DATA_STACK_NAME]
        data = self.talk.stack(data_stack)
        uri = data.outputs.get(self.compute.repository) if data else None
        if not uri:
            raise DeployError(
                stack=data_stack,
                what="There is no repository for the image",
                why=f"the stack has no output {self.compute.repository}",
                then="Deploy the data layer first, or pass --image URI.",
            )
        return context, Repository(uri, clients(self.arguments, "ecr")[0])


def _with_image(request: Request, image: str) -> Request:
    return replace(request, parameters={**request.parameters, contract.IMAGE_URI: image})
