"""One rehearsal: the command's verbs in order, each with its own role, against AWS on this machine.

The verbs are the ones that run against AWS; only the environment differs. A fault makes one step fail. Whatever
happens, everything is destroyed at the end. Layers have any names, and any number of them runs a service.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import boto3

from generator.compute import Compute
from generator.errors import UsageError
from generator.images.context import DOCKERFILE, Context
from generator.layers import Deployment, Layer
from rehearsal.before import accepted
from rehearsal.containers import container_tool, remove_images
from rehearsal.emulator.process import Call, Fault
from rehearsal.local_aws import NAME, LocalAws, environment, outputs
from rehearsal.processes import interrupted_by_signals
from rehearsal.services.redis_cluster import ClusterError

FORMAT = 1
"""Of the result as JSON; grows when a field changes its meaning or goes."""
LARGER = ("--parameter", "Cpu=2048", "--parameter", "Memory=4096")

FAULTS = {
    "build": "the image cannot be built",
    "push": "the registry refuses the push",
    "data": "the cluster cannot be created",
    "unhealthy": "the first instance does not become healthy",
    "rollback": "the service rolls an update back, and CloudFormation reports success",
    "image": "an image of another build runs",
    "redis": "the cluster stops answering while a user is written",
}


@dataclass(frozen=True)
class Options:
    """The command's options. `access` has the roles of the deployment. `context` is a folder instead of the service's
    own; `parameters` are values by KEY or LAYER.KEY. `process`: without containers. `fault`: a key of FAULTS. `stay`:
    wait for Ctrl-C before destroying."""

    deployment: Deployment
    access: Layer
    context: Path | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)
    build_secrets: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    container_tool: str | None = None
    process: bool = False
    fault: str | None = None
    stay: bool = False

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


@dataclass
class Step:
    """A step of a rehearsal: its duration in seconds, its exit code, and its calls to AWS."""

    name: str
    seconds: float = 0
    code: int = 0
    calls: list[Call] = field(default_factory=list)


def rehearse(command: Callable[[list[str]], int], options: Options) -> Rehearsal:
    """Runs every step. `command` takes arguments and returns an exit code. Raises UsageError, ClusterError."""
    if not shutil.which("redis-server"):
        raise ClusterError("redis-server is missing, which runs in place of MemoryDB: `make rehearse` installs it.")
    sources = options.sources.values()
    for context in sources:
        context.tag()
    required = options.fault in ("build", "push")
    if options.process and required:
        raise UsageError(f"--fault {options.fault} needs podman or buildah, which --process excludes.")
    tools = [container_tool(options.container_tool, each, required=required) for each in sources if not options.process]
    builder = tools[0] if tools and all(tools) else None
    with interrupted_by_signals(), tempfile.TemporaryDirectory(prefix="rehearsal-") as directory, ExitStack() as stack:
        rehearsal = Rehearsal(command, options, Path(directory), builder)
        stack.callback(rehearsal.remove_images)
        rehearsal.play(stack)
    return rehearsal


@dataclass
class Rehearsal:
    """One run, in a temporary directory; `builder` is a container tool, or None to do without containers."""

    command: Callable[[list[str]], int]
    options: Options
    directory: Path
    builder: str | None = None
    steps: list[Step] = field(default_factory=list)
    placeholders: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    _aws: LocalAws | None = None

    @property
    def aws(self) -> LocalAws:
        """Where the deployment is, from the first step on."""
        assert self._aws
        return self._aws

    def play(self, stack: ExitStack) -> None:
        """Runs the steps up to the first that fails, then destroys everything. `stack` stops the local services."""
        options, fault = self.options, self.options.fault
        with self._timed("local AWS"):
            computes = tuple(compute for _, compute in options.services)
            context = next(iter(options.sources.values()), Context(Path()))
            self._aws = LocalAws(self.directory, context, computes, options.access, self.builder)
            stack.enter_context(self._aws)
            placeholders = self._placeholders()
        deploy = ["deploy", "--yes", "--name", NAME]
        images = [*placeholders, *self._source(), *_values(options.parameters)]
        with_image = [*deploy, *(["--container-tool", str(self.aws.tool)] if self.aws.tool else []), *images]
        others = [layer for layer in options.deployment.layers if not layer.compute]
        with self._at_first_deployment(fault):
            succeeded = (
                self.verb("preview", ["preview", "--name", NAME, *images])
                and all(
                    self.verb(
                        f"{layer.name} layer",
                        [*deploy, "--layer", layer.name, *_values(accepted(options.parameters, [layer]))],
                    )
                    for layer in others
                )
                and self._pushed()
                and (not options.services or self.verb("image and service", with_image))
            )
        if fault == "rollback":
            with self.aws.emulator.faults(Fault("Service", "start", spoils="secrets")):
                succeeded = succeeded and self.verb("update", [*with_image, *LARGER])
        elif succeeded:
            self.verb("status", ["status", "--name", NAME])
            self.verb("nothing to change", with_image)
            if "rotate" in self.aws.identities.users:
                self.verb("rotation", ["rotate", "--yes", "--name", NAME])
        if options.stay:
            self._wait()
        self.aws.services.resume_redis()
        deployed = self.aws.deployed()
        self.verb("destroy", ["destroy", "--yes", "--name", NAME, "--purge-images"])
        self.left, self.kept = self.aws.leftovers(deployed), self.aws.kept()

    def _wait(self) -> None:
        """Until Ctrl-C. Another terminal gets the rights of the account's owner from a file."""
        file = self.directory / "environment"
        file.touch(0o600)
        # These would take precedence; curl has a variable of its own for certificates.
        lines = ["unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN"]
        variables = {**self.aws.variables, "CURL_CA_BUNDLE": self.aws.variables["SSL_CERT_FILE"]}
        lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        file.write_text("".join(f"{line}\n" for line in lines))
        failed = [f"It failed in: {step.name}. " for step in self.steps if step.code]
        with suppress(KeyboardInterrupt):
            print(
                f"\n{''.join(failed)}Waiting until Ctrl-C. Type this in another terminal, and add --name {NAME} there:"
            )
            print(f"\n. {file}\n", flush=True)
            threading.Event().wait()

    @property
    def code(self) -> int:
        """The exit code: 0 when all steps succeeded without a fault, and nothing is left."""
        return int(bool(self.options.fault or self.left or any(step.code for step in self.steps)))

    def document(self) -> str:
        """The result as JSON; docs/rehearsal.md describes the fields."""
        calls = Counter((call.service, call.operation) for step in self.steps for call in step.calls)
        document = {
            "version": FORMAT,
            "deployment": self.options.deployment.name,
            "outcome": "failed" if self.code else "succeeded",
            "fault": self.options.fault,
            "steps": [{"name": step.name, "seconds": round(step.seconds, 1), "code": step.code} for step in self.steps],
            "calls": [
                {"service": service, "operation": operation, "number": number}
                for (service, operation), number in sorted(calls.items())
            ],
            "placeholders": self.placeholders,
            "kept": self.kept,
            "left": self.left,
        }
        return json.dumps(document, indent=2) + "\n"

    def report(self) -> None:
        """Prints the steps, the calls and what is left."""
        print()
        for step in self.steps:
            print(f"{step.name:24} {step.seconds:6.1f} s  {'done' if step.code == 0 else f'exit {step.code}'}")
        print(f"{'in all':24} {sum(step.seconds for step in self.steps):6.1f} s")
        print("\nCalls to AWS:")
        for line in table(call for step in self.steps for call in step.calls):
            print(f"  {line}")
        print(f"\nKept by destroy, as on AWS: {'; '.join(self.kept) or 'nothing'}.")
        print(f"Left behind: {'; '.join(self.left) or 'nothing'}.")
        failed = [step.name for step in self.steps if step.code]
        if self.options.fault:
            found = f"It was found in: {failed[0]}." if failed else "No step failed."
            print(f"The fault was: {FAULTS[self.options.fault]}. {found}")
        elif failed and self.builder:
            print("If the image cannot be built here: --process rehearses without containers.")

    def remove_images(self) -> None:
        """Removes the images of this rehearsal from the container tool's store, after its containers have ended."""
        if self.builder and self._aws:
            remove_images(self._aws.repositories())

    @contextmanager
    def _at_first_deployment(self, fault: str | None) -> Iterator[None]:
        self.aws.losing_redis = fault == "redis"
        faults = {
            "push": Fault("registry", "push", reason="The rehearsal refuses this push"),
            "data": Fault("Cluster", "create", reason="Insufficient capacity for this node type in these zones"),
            "unhealthy": Fault("Service", "start", spoils="secrets"),
            "image": Fault("Service", "start", spoils="build"),
        }
        with self.aws.emulator.faults(*([faults[fault]] if fault in faults else [])):
            yield

    @contextmanager
    def _timed(self, name: str) -> Iterator[Step]:
        print(f"\n=== {name} ===", file=sys.stderr, flush=True)
        started = time.monotonic()
        step = Step(name)
        self.steps.append(step)
        before = len(self.aws.emulator.calls()) if self._aws else None
        try:
            yield step
        finally:
            step.seconds = time.monotonic() - started
            # The calls that prepare the emulator belong to no step.
            if before is not None:
                step.calls = self.aws.emulator.calls()[before:]

    def verb(self, name: str, arguments: list[str]) -> bool:
        """Runs a verb with its role; `deploy` and `destroy` pass CloudFormation's."""
        verb = arguments[0]
        with self._timed(name) as step, environment({**self.aws.variables, **self.aws.identities.of(verb)}):
            step.code = self.command([*arguments, *self.aws.identities.options(verb)])
            sys.stdout.flush()
        return step.code == 0

    def _placeholders(self) -> list[str]:
        """The options for each image that is built elsewhere: a program takes its place, and a line says so."""
        options: list[str] = []
        for layer, _ in self.options.services:
            if layer.workload and layer.name not in self.options.sources:
                uri = self.aws.push_placeholder(layer)
                self.placeholders.append(layer.name)
                print(f"{layer.name}: a program that answers its paths takes the place of its image.", file=sys.stderr)
                options += ["--image", f"{layer.name}={uri}"] if layer.workload.image is None else []
        return options

    def _pushed(self) -> bool:
        """Without a container tool, pushes images of the same content."""
        sources = self.options.sources
        if self.aws.tool or not sources:
            return True
        user = self.aws.identities.of("deploy")
        with self._timed("image, without a tool"), environment({**self.aws.variables, **user}):
            print("No container tool builds the image: pushing its source.", file=sys.stderr)
            for layer, compute in self.options.services:
                if data := self.options.deployment.source_of(layer) if layer.name in sources else None:
                    described = boto3.client("cloudformation").describe_stacks(StackName=f"{NAME}-{data.name}")
                    self.aws.push(outputs(described["Stacks"][0])[compute.repository], sources[layer.name])
        return True

    def _source(self) -> list[str]:
        """The options for the images' source; with the fault `build`, a copy with a broken Dockerfile."""
        options = [f"--build-arg={name}={value}" for name, value in self.options.build_args.items()]
        options += [f"--build-secret={secret}" for secret in self.options.build_secrets]
        directory = self.options.context
        if self.options.fault == "build":
            context = next(iter(self.options.sources.values()))
            directory = self.directory / "broken"
            for name in context.files():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(context.directory / name, directory / name)
            with (directory / DOCKERFILE).open("a", encoding="utf-8") as file:
                file.write('\nRUN ["/this-program-is-missing"]\n')
        return [*options, *(["--context", str(directory)] if directory else [])]


def _values(parameters: Mapping[str, str]) -> list[str]:
    """The options that pass these parameters."""
    return ["--parameter", *(f"{name}={value}" for name, value in parameters.items())] if parameters else []


def table(calls: Iterable[Call]) -> Iterator[str]:
    """A line for each service: its operations with how often they were called."""
    counts = Counter((call.service, call.operation) for call in calls)
    for service in sorted({service for service, _ in counts}):
        counted = sorted((operation, number) for (one, operation), number in counts.items() if one == service)
        yield f"{service}: " + ", ".join(f"{operation} {number}" for operation, number in counted)
