"""The options that every rehearsal has, and local AWS started for them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from generator.compute import Compute
from generator.errors import UsageError
from generator.images.context import Context
from generator.layers import Deployment, Layer
from generator.template.resources import resources_in
from rehearsal.containers import container_tool, remove_images
from rehearsal.local_aws import LocalAws
from rehearsal.processes import interrupted_by_signals
from rehearsal.services.redis_cluster import ClusterError

FORMAT = 1
"""Of a result as JSON; grows when a field changes its meaning or goes."""


@dataclass(frozen=True)
class CommonOptions:
    """What is rehearsed, and how.

    `access` has the roles of the deployment. `context` is a folder instead of the services' own; `parameters` are
    values by KEY or LAYER.KEY. `process`: without containers.
    """

    deployment: Deployment
    access: Layer
    context: Path | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)
    build_secrets: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    container_tool: str | None = None
    process: bool = False

    @property
    def services(self) -> tuple[tuple[Layer, Compute], ...]:
        """The layers that run a service, each with what runs it."""
        return tuple((layer, layer.compute) for layer in self.deployment.layers if layer.compute)

    @property
    def sources(self) -> dict[str, Context]:
        """The source of each image that is built, by its layer."""
        return {
            layer.name: Context(self.context or Path(compute.context), self.build_args, self.build_secrets)
            for layer, compute in self.services
            if compute.repository and compute.context
        }

    def builder(self, fault: str | None = None) -> str | None:
        """The container tool, or None to do without. Raises UsageError, ClusterError for what is missing on this
        machine, also for the `fault`."""
        if not shutil.which("redis-server"):
            raise ClusterError("redis-server is missing, which runs in place of MemoryDB: `make rehearse` installs it.")
        sources = list(self.sources.values())
        for context in sources:
            context.tag()
        builds = fault in ("build", "push")
        if self.process and builds:
            raise UsageError(f"--fault {fault} needs podman or buildah, which --process excludes.")
        tool = None
        for context in [] if self.process else sources:
            tool = container_tool(self.container_tool, context, required=builds)
            if tool is None:
                break
        return tool

    @contextmanager
    def on_local_aws(self, builder: str | None) -> Iterator[LocalAws]:
        """Starts AWS on this machine, and stops it at the end, also after SIGTERM."""
        context = next(iter(self.sources.values()), Context(Path()))
        computes = tuple(compute for _, compute in self.services)
        with (
            interrupted_by_signals(),
            tempfile.TemporaryDirectory(prefix="rehearsal-") as directory,
            ExitStack() as stack,
        ):
            layers = self.deployment.layers
            types = frozenset(each["Type"] for layer in layers for _, each in resources_in(layer.template))
            aws = LocalAws(Path(directory), context, computes, self.access, builder, types)
            if builder:
                # After the containers have ended.
                stack.callback(lambda: remove_images(aws.repositories()))
            stack.enter_context(aws)
            for layer, _ in self.services:
                if layer.workload and layer.name not in self.sources:
                    aws.push_placeholder(layer)
            yield aws
