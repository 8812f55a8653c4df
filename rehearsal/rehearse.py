"""All of it on this machine, without an AWS account: the very verbs, in their order, against stand-ins.

What stands for AWS is in rehearsal/stand_ins.py. The command itself knows nothing of it: what differs is the
environment. A fault makes one step fail; everything is cleared away then as well.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
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
from rehearsal.cluster import ClusterError
from rehearsal.emulator import Call, Fault
from rehearsal.processes import ended_in_order
from rehearsal.stand_ins import BUILDERS, NAME, StandIns, clear_images, environment, outputs

LARGER = ("--parameter", "Cpu=2048", "--parameter", "Memory=4096")

FAULTS = {
    "build": "the image cannot be built",
    "push": "the registry refuses the push",
    "data": "the cluster cannot be created",
    "unhealthy": "the first instance does not become healthy",
    "rollback": "an update is rolled back although the stack says success",
    "image": "an image of another build runs",
    "redis": "the cluster is gone while a user is written",
}


@dataclass(frozen=True)
class Options:
    """What the command line says. `computes` are what runs services, whose host names and repositories are known then.
    `policies`: the IAM documents for a deployment of that NAME, by their files. `process`: without container tools.
    `fault`: a name of FAULTS. `stay`: wait for Ctrl-C before destroying."""

    context: Context
    computes: tuple[Compute, ...]
    policies: Mapping[str, str]
    container_tool: str | None = None
    process: bool = False
    fault: str | None = None
    stay: bool = False


@dataclass
class Part:
    """A part of a rehearsal, how long it took in seconds, its exit code, and what it asked of AWS."""

    name: str
    seconds: float
    code: int
    calls: list[Call] = field(default_factory=list)


def rehearse(run: Callable[[list[str]], int], options: Options) -> int:
    """Runs the whole of it; 0 when every part succeeded and nothing is left. `run` is the command."""
    if not shutil.which("redis-server"):
        raise ClusterError("redis-server is missing, which stands for MemoryDB: `make rehearse` installs it.")
    options.context.tag()
    builds = builder(options)
    if not builds and options.fault in ("build", "push"):
        raise UsageError(f"--fault {options.fault} needs {' or '.join(BUILDERS)}, which builds and pushes.")
    with ended_in_order(), tempfile.TemporaryDirectory(prefix="rehearsal-") as directory, ExitStack() as stack:
        if not options.process:
            stack.callback(clear_images)
        rehearsal = Rehearsal(run, options, Path(directory), builds)
        rehearsal.play(stack)
        return rehearsal.told()


@dataclass
class Rehearsal:
    """One run, in a directory that is gone afterwards; `builder` is a container tool, or None to do without any."""

    run: Callable[[list[str]], int]
    options: Options
    directory: Path
    builder: str | None = None
    parts: list[Part] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    _world: StandIns | None = None

    @property
    def world(self) -> StandIns:
        """What it plays in, from the first part on."""
        assert self._world
        return self._world

    def play(self, stack: ExitStack) -> None:
        """Every part, up to the first that fails; then clears away. `stack` ends what stands in."""
        options, fault = self.options, self.options.fault
        with self._timed("stand-ins"):
            self._world = stack.enter_context(
                StandIns(
                    self.directory,
                    options.context,
                    options.computes,
                    options.policies,
                    self.builder,
                    containers=not options.process,
                )
            )
        source = self._source()
        deploy = ["deploy", "--yes", "--name", NAME]
        with self._before(fault):
            succeeded = (
                self.verb("preview", ["preview", "--name", NAME, *source])
                and self.verb("data layer", [*deploy, "--layer", "data"])
                and self._pushed()
                and self.verb("image, service, proof", [*deploy, *self._tool(), *source])
            )
        if fault == "rollback":
            with self.world.emulator.faults(Fault("Service", "start", spoils="secrets")):
                succeeded = succeeded and self.verb("update", [*deploy, *self._tool(), *source, *LARGER])
        elif succeeded:
            self.verb("status", ["status", "--name", NAME])
            self.verb("nothing to change", [*deploy, *self._tool(), *source])
            if "rotate" in self.world.identities.users:
                self.verb("rotation", ["rotate", "--yes", "--name", NAME])
        if options.stay:
            self._wait()
        self.world.machines.find_redis()
        deployed = self.world.deployed()
        self.verb("destroy", ["destroy", "--yes", "--name", NAME, "--purge-images"])
        self.left, self.kept = self.world.leftovers(deployed), self.world.kept()

    def _wait(self) -> None:
        """Until Ctrl-C; another terminal may meanwhile be the account's owner."""
        file = self.directory / "environment"
        file.touch(0o600)
        # What would win over these, and where curl looks for its authorities.
        lines = ["unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN"]
        variables = {**self.world.aws, "CURL_CA_BUNDLE": self.world.aws["SSL_CERT_FILE"]}
        lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        file.write_text("".join(f"{line}\n" for line in lines))
        failed = [f"It failed in: {part.name}. " for part in self.parts if part.code]
        with suppress(KeyboardInterrupt):
            print(
                f"\n{''.join(failed)}Waiting until Ctrl-C. Type this in another terminal, and add --name {NAME} there:"
            )
            print(f"\n. {file}\n", flush=True)
            threading.Event().wait()

    def told(self) -> int:
        """Tells parts and calls; the exit code."""
        print()
        for part in self.parts:
            print(f"{part.name:24} {part.seconds:6.1f} s  {'done' if part.code == 0 else f'exit {part.code}'}")
        print(f"{'in all':24} {sum(part.seconds for part in self.parts):6.1f} s")
        print("\nCalls to AWS:")
        for line in table(call for part in self.parts for call in part.calls):
            print(f"  {line}")
        print(f"\nKept by destroy, as on AWS: {'; '.join(self.kept) or 'nothing'}.")
        print(f"Left behind: {'; '.join(self.left) or 'nothing'}.")
        failed = [part.name for part in self.parts if part.code]
        if self.options.fault:
            what = FAULTS[self.options.fault]
            print(f"The fault was: {what}. " + (f"It was found in: {failed[0]}." if failed else "Nobody noticed it."))
            return 1
        if failed and self.builder:
            print("If the image cannot be built here: --process rehearses without container tools.")
        return 1 if failed or self.left else 0

    @contextmanager
    def _before(self, fault: str | None) -> Iterator[None]:
        """The fault that the first deployment meets."""
        self.world.losing = fault == "redis"
        faults = {
            "push": Fault("registry", "push", reason="The rehearsal refuses this push"),
            "data": Fault("Cluster", "create", reason="Insufficient capacity for this node type in these zones"),
            "unhealthy": Fault("Service", "start", spoils="secrets"),
            "image": Fault("Service", "start", spoils="build"),
        }
        with self.world.emulator.faults(*([faults[fault]] if fault in faults else [])):
            yield

    # The parts.

    @contextmanager
    def _timed(self, name: str) -> Iterator[Part]:
        print(f"\n=== {name} ===", file=sys.stderr, flush=True)
        started = time.monotonic()
        part = Part(name, 0, 0)
        self.parts.append(part)
        before = len(self.world.emulator.calls()) if self._world else None
        try:
            yield part
        finally:
            part.seconds = time.monotonic() - started
            # What the rehearsal itself asks before the first part is no part's.
            if before is not None:
                part.calls = self.world.emulator.calls()[before:]

    def verb(self, name: str, arguments: list[str]) -> bool:
        """A verb, by whoever may do no more than this; what deploys and destroys lets CloudFormation act with its own
        role."""
        verb = arguments[0]
        role = ["--role-arn", self.world.identities.role_arn] if verb in ("deploy", "destroy") else []
        with self._timed(name) as part, environment({**self.world.aws, **self.world.identities.of(verb)}):
            part.code = self.run([*arguments, *role])
            sys.stdout.flush()
        return part.code == 0

    def _pushed(self) -> bool:
        """Where nothing builds, an image of the same content is put into the repository by other means."""
        if self.world.tool:
            return True
        with (
            self._timed("image, without a tool"),
            environment({**self.world.aws, **self.world.identities.of("deploy")}),
        ):
            print("No container tool builds the image: pushing its source.", file=sys.stderr)
            # Not boto3's own session, which has met other credentials.
            client = boto3.Session().client("cloudformation")
            told = outputs(client.describe_stacks(StackName=f"{NAME}-data")["Stacks"][0])
            for uri in dict.fromkeys(told[compute.repository] for compute in self.options.computes):
                self.world.push(uri)
        return True

    def _source(self) -> list[str]:
        """The options that say what the image is made from."""
        context = self.options.context
        options = [f"--build-arg={name}={value}" for name, value in context.arguments.items()]
        options += [f"--build-secret={secret}" for secret in context.secrets]
        directory = context.directory
        if self.options.fault == "build":
            for name in context.files():
                (self.directory / "broken" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(directory / name, self.directory / "broken" / name)
            directory = self.directory / "broken"
            with (directory / DOCKERFILE).open("a", encoding="utf-8") as file:
                file.write('\nRUN ["/this-program-is-missing"]\n')
        return [*options, "--context", str(directory)]

    def _tool(self) -> list[str]:
        return ["--container-tool", str(self.world.tool)] if self.world.tool else []


def table(calls: Iterable[Call]) -> Iterator[str]:
    """A line for each service: its operations with how often they were called."""
    counts = Counter((call.service, call.operation) for call in calls)
    for service in sorted({service for service, _ in counts}):
        counted = sorted((operation, number) for (one, operation), number in counts.items() if one == service)
        yield f"{service}: " + ", ".join(f"{operation} {number}" for operation, number in counted)


def builder(options: Options) -> str | None:
    """A container tool that makes its own connections; none where none is wanted, or none is named and there is none.
    Raises UsageError for one that is named and does not work."""
    if options.process:
        return None
    for tool in [options.container_tool] if options.container_tool else BUILDERS:
        if Path(tool).name not in BUILDERS:
            raise UsageError(f"--container-tool {tool} cannot rehearse; {' and '.join(BUILDERS)} can.")
        if shutil.which(tool) and subprocess.run([tool, "info"], capture_output=True, check=False).returncode == 0:
            return shutil.which(tool)
    if options.container_tool:
        raise UsageError(
            f"--container-tool {options.container_tool} does not work: try `{options.container_tool} info`."
        )
    return None
