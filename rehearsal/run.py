"""One rehearsal: the command's verbs in order, each with its own role, against AWS on this machine.

The verbs are the ones that run against AWS; only the environment differs. A fault makes one step fail. Whatever
happens, everything is destroyed at the end. Layers have any names, and any number of them runs a service.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby

from generator.compute.ecs_express import EcsExpressCompute
from generator.compute.logs import LINES_SHOWN
from generator.images.context import DOCKERFILE
from generator.layers import Deployment, Layer
from rehearsal.before import accepted
from rehearsal.emulator.process import Call, Fault
from rehearsal.local_aws import NAME, LocalAws, environment
from rehearsal.options import FORMAT, CommonOptions

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
class Options(CommonOptions):
    """The command's options. `fault`: a key of FAULTS. `stay`: wait for Ctrl-C before destroying."""

    fault: str | None = None
    stay: bool = False


@dataclass
class Step:
    """A step of a rehearsal: its duration in seconds, its exit code, and its calls to AWS."""

    name: str
    seconds: float = 0
    code: int = 0
    calls: list[Call] = field(default_factory=list)


def rehearse(command: Callable[[Deployment, list[str]], int], options: Options) -> Rehearsal:
    """Runs every step. `command` takes a deployment and arguments, and returns an exit code.

    Raises UsageError, ClusterError.
    """
    rehearsal = Rehearsal(command, options, options.builder(options.fault))
    with ExitStack() as stack:
        rehearsal.play(stack)
    return rehearsal


@dataclass
class Rehearsal:
    """One run; `builder` is a container tool, or None to do without."""

    command: Callable[[Deployment, list[str]], int]
    options: Options
    builder: str | None = None
    steps: list[Step] = field(default_factory=list)
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
            self._aws = stack.enter_context(options.on_local_aws(self.builder))
            self.deployment = self.aws.local_resources.deployment(options.deployment)
            self.parameters = self.aws.local_resources.parameters(options.deployment, options.parameters)
            print("".join(f"{note}\n" for note in self.aws.notes), end="", file=sys.stderr)
        deploy = ["deploy", "--yes", "--name", NAME]
        images = [word for layer, uri in self.aws.images.items() for word in ("--image", f"{layer}={uri}")]
        images += [*self._source(), *_values(self.parameters)]
        # What only a build takes.
        build = [f"--build-secret={secret}" for secret in options.build_secrets]
        build += ["--container-tool", str(self.aws.tool)] if self.aws.tool else []
        with_image = [*deploy, *build, *images]
        with self._at_first_deployment(fault):
            succeeded = (
                self.verb("preview", ["preview", "--name", NAME, *images])
                and all(self._deploy_layer(layer) for layer in self.deployment.layers if not layer.compute)
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

    def _deploy_layer(self, layer: Layer) -> bool:
        words = ["deploy", "--yes", "--name", NAME, "--layer", layer.name]
        return self.verb(f"{layer.name} layer", [*words, *_values(accepted(self.parameters, [layer]))])

    def _wait(self) -> None:
        """Until Ctrl-C. Another terminal gets the rights of the account's owner from a file."""
        file = self.aws.directory / "environment"
        file.touch(0o600)
        # These would take precedence; curl has a variable of its own for certificates.
        lines = ["unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN"]
        variables = {**self.aws.variables, "CURL_CA_BUNDLE": self.aws.variables["SSL_CERT_FILE"]}
        lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        file.write_text("".join(f"{line}\n" for line in lines))
        failed = "".join(f"It failed in: {step}. " for step in self.failed)
        with suppress(KeyboardInterrupt):
            print(f"\n{failed}Waiting until Ctrl-C. Type this in another terminal, and add --name {NAME} there:")
            print(f"\n. {file}\n", flush=True)
            threading.Event().wait()

    @property
    def failed(self) -> list[str]:
        """The steps that failed."""
        return [step.name for step in self.steps if step.code]

    @property
    def code(self) -> int:
        """The exit code: 0 when all steps succeeded without a fault, and nothing is left."""
        return int(bool(self.options.fault or self.left or self.failed))

    def document(self) -> str:
        """The result as JSON; docs/rehearsal.md describes the fields."""
        document = {
            "version": FORMAT,
            "deployment": self.options.deployment.name,
            "outcome": "failed" if self.code else "succeeded",
            "summary": f"{len(self.steps)} steps, {len(self.failed)} failed",
            "reasons": [f"{step} failed" for step in self.failed] + [f"Left behind: {left}" for left in self.left],
            "fault": self.options.fault,
            "steps": [{"name": step.name, "seconds": round(step.seconds, 1), "code": step.code} for step in self.steps],
            "calls": [
                {"service": service, "operation": operation, "number": number}
                for (service, operation), number in counted(call for step in self.steps for call in step.calls)
            ],
            "placeholders": list(self.aws.placeholders),
            "notes": self.aws.notes,
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
        print("Left behind:" if self.left else "Left behind: nothing.", *(f"  {one}" for one in self.left), sep="\n")
        if self.left and self.options.stay:
            print(f"Stacks that were deployed without --name {NAME} are not destroyed by a rehearsal.")
        if self.options.fault:
            found = f"It was found in: {self.failed[0]}." if self.failed else "No step failed."
            print(f"The fault was: {FAULTS[self.options.fault]}. {found}")
        elif self.failed and self.builder:
            print("If the image cannot be built here: --process rehearses without containers.")

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
        layer = arguments[arguments.index("--layer") + 1] if "--layer" in arguments else ""
        role = self.aws.identities.options(verb, self.deployment.chosen(layer))
        services = self.aws.services
        services.unhealthy, services.unanswered = [], ""
        with self._timed(name) as step, environment({**self.aws.variables, **self.aws.identities.of(verb)}):
            step.code = self.command(self.deployment, [*arguments, *role])
            sys.stdout.flush()
        # CloudFormation deletes the log group of a new service on ECS with its stack; App Runner's stays.
        on_ecs = any(isinstance(layer.compute, EcsExpressCompute) for layer in self.deployment.layers)
        if step.code and on_ecs and services.unhealthy:
            lines = services.unhealthy[-LINES_SHOWN:]
            print("The end of what the service wrote:", *lines, sep="\n  ", file=sys.stderr, flush=True)
        if step.code and services.unanswered:
            print(services.unanswered, file=sys.stderr, flush=True)
        return step.code == 0

    def _pushed(self) -> bool:
        """Without a container tool, pushes images of the same content."""
        sources = self.options.sources
        if self.aws.tool or not sources:
            return True
        user = self.aws.identities.of("deploy")
        with self._timed("image, without a tool"), environment({**self.aws.variables, **user}):
            print("No container tool builds the image: pushing its source.", file=sys.stderr)
            for layer in self.deployment.layers:
                if layer.name in sources:
                    self.aws.push_source(self.deployment, layer, sources[layer.name])
        return True

    def _source(self) -> list[str]:
        """The options for the images' source; with the fault `build`, a copy with a broken Dockerfile."""
        options = [f"--build-arg={name}={value}" for name, value in self.options.build_args.items()]
        directory = self.options.context
        if self.options.fault == "build":
            context = next(iter(self.options.sources.values()))
            directory = self.aws.directory / "broken"
            for name in context.files():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(context.directory / name, directory / name)
            with (directory / DOCKERFILE).open("a", encoding="utf-8") as file:
                file.write('\nRUN ["/this-program-is-missing"]\n')
        return [*options, *(["--context", str(directory)] if directory else [])]


def _values(parameters: Mapping[str, str]) -> list[str]:
    """The options that pass these parameters."""
    return ["--parameter", *(f"{name}={value}" for name, value in parameters.items())] if parameters else []


def counted(calls: Iterable[Call]) -> list[tuple[tuple[str, str], int]]:
    """How often each operation of each service was called."""
    return sorted(Counter((call.service, call.operation) for call in calls).items())


def table(calls: Iterable[Call]) -> Iterator[str]:
    """A line for each service: its operations with how often they were called."""
    for service, operations in groupby(counted(calls), key=lambda found: found[0][0]):
        yield f"{service}: " + ", ".join(f"{operation} {number}" for (_, operation), number in operations)
