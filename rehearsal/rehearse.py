"""All of it on this machine, without an AWS account: the very verbs, in their order, against stand-ins.

AWS's interface is the emulator, its machines are `rehearsal.machines`, its host names `rehearsal.internet`. The command
itself knows nothing of it: what differs is the environment. A fault makes one step fail; everything is cleared away
then as well.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
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
from types import FrameType
from typing import Any

from generator.compute import Compute
from generator.context import DOCKERFILE, Context
from generator.contract import SERVICE_ARN
from generator.errors import UsageError
from rehearsal.certificates import certificates
from rehearsal.cluster import ClusterError
from rehearsal.emulator import ACCOUNT, REGION, Call, Emulator, Fault, emulator
from rehearsal.identities import identities
from rehearsal.internet import Internet
from rehearsal.machines import Machines, Runner
from rehearsal.registry import Registry
from rehearsal.runners import Containers, Processes, podman

NAME = "rehearsal"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
BUILDERS = ("podman", "buildah")
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
    if options.fault in ("build", "push") and not _builder(options):
        raise UsageError(f"--fault {options.fault} needs {' or '.join(BUILDERS)}, which builds and pushes.")
    with _ended_in_order(), tempfile.TemporaryDirectory(prefix="rehearsal-") as directory, ExitStack() as stack:
        rehearsal = Rehearsal(run, options, Path(directory), stack)
        try:
            rehearsal.play()
        finally:
            rehearsal.clear_images()
        return rehearsal.told()


@dataclass
class Rehearsal:
    """One run, in a directory that is gone afterwards."""

    run: Callable[[list[str]], int]
    options: Options
    directory: Path
    stack: ExitStack
    parts: list[Part] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    running: Emulator | None = None

    def play(self) -> None:
        """Every part, up to the first that fails; then clears away."""
        with self._timed("stand-ins"):
            self.start()
        emulated = self.running
        assert emulated is not None
        fault = self.options.fault
        source = self._source()
        deploy = ["deploy", "--yes", "--name", NAME]
        with self._before(emulated, fault):
            succeeded = (
                self.verb("preview", ["preview", "--name", NAME, *source])
                and self.verb("data layer", [*deploy, "--layer", "data"])
                and self._pushed()
                and self.verb("image, service, proof", [*deploy, *self._tool(), *source])
            )
        if fault == "rollback":
            with emulated.faults(Fault("Service", "start", spoils="secrets")):
                succeeded = succeeded and self.verb("update", [*deploy, *self._tool(), *source, *LARGER])
        elif succeeded:
            self.verb("status", ["status", "--name", NAME])
            self.verb("nothing to change", [*deploy, *self._tool(), *source])
        if self.options.stay:
            self._wait()
        self.machines.find_redis()
        deployed = self._deployed()
        self.verb("destroy", ["destroy", "--yes", "--name", NAME, "--purge-images"])
        self.left, self.kept = self._leftovers(deployed), self._kept()

    def _wait(self) -> None:
        """Until Ctrl-C; another terminal may meanwhile be the account's owner."""
        file = self.directory / "environment"
        file.touch(0o600)
        file.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in self.aws.items()))
        print(f"\nWaiting until Ctrl-C. In another terminal, for the stacks {NAME}-...:\n\n. {file}\n", flush=True)
        with suppress(KeyboardInterrupt):
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
        print(f"\nKept on purpose: {'; '.join(self.kept) or 'nothing'}.")
        print(f"Left behind: {'; '.join(self.left) or 'nothing'}.")
        failed = [part.name for part in self.parts if part.code]
        if self.options.fault:
            what = FAULTS[self.options.fault]
            print(f"The fault was: {what}. " + (f"It was found in: {failed[0]}." if failed else "Nobody noticed it."))
            return 1
        return 1 if failed or self.left else 0

    def clear_images(self) -> None:
        """Removes what was built and pulled, where podman or buildah keep it."""
        for tool in filter(shutil.which, BUILDERS):
            listed = [tool, "images", "--quiet", "--filter", f"reference={REGISTRY}/*"]
            found = subprocess.run(listed, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            for image in dict.fromkeys(found.stdout.split()):
                subprocess.run([tool, "rmi", "--force", image], stdin=subprocess.DEVNULL, capture_output=True)

    # The stand-ins.

    def start(self) -> None:
        """Starts the stand-ins; the stack ends them."""
        bin = self.directory / "bin"
        bin.mkdir()
        self.machines = self.stack.enter_context(Machines(self.directory / "machines", self._runner()))
        self.running = self.stack.enter_context(emulator(self.directory / "emulator", self.machines.environment))
        names = certificates(
            self.directory, REGISTRY, *dict.fromkeys(f"*.{one.domain(REGION)}" for one in self.options.computes)
        )
        self.internet = self.stack.enter_context(Internet(names, self._port, self._hear))
        self.authority = names.authority
        self.builder = _wrapped(_builder(self.options), bin)
        self.aws = {**self.running.environment, **self._outside()}
        self.stack.enter_context(environment(self.aws))
        self.identities = identities(NAME, self.options.policies)
        self._losing = False

    def _runner(self) -> Runner:
        program = podman()
        if program and not self.options.process:
            return Containers(program, self._outside)
        return Processes(self._registry, self.directory)

    def _outside(self) -> dict[str, str]:
        """What makes a client find the stand-ins of AWS's host names, and trust them."""
        proxy = {"HTTPS_PROXY": self.internet.url, "https_proxy": self.internet.url}
        return {**proxy, "SSL_CERT_FILE": str(self.authority)}

    def _registry(self, credentials: str) -> Registry:
        assert self.running is not None
        return Registry(self.running.url, credentials)

    def _port(self, host: str) -> int | None:
        assert self.running is not None
        if host == REGISTRY:
            return int(self.running.url.rpartition(":")[2])
        return self.machines.port(host)

    def _hear(self, data: bytes) -> None:
        if self._losing and data.startswith(b"POST / "):
            self.machines.lose_redis()

    @contextmanager
    def _before(self, emulated: Emulator, fault: str | None) -> Iterator[None]:
        """The fault that the first deployment meets."""
        self._losing = fault == "redis"
        faults = {
            "push": Fault("registry", "push", reason="The rehearsal refuses this push"),
            "data": Fault("Cluster", "create", reason="Insufficient capacity for this node type in these zones"),
            "unhealthy": Fault("Service", "start", spoils="secrets"),
            "image": Fault("Service", "start", spoils="build"),
        }
        with emulated.faults(*([faults[fault]] if fault in faults else [])):
            yield

    # The parts.

    @contextmanager
    def _timed(self, name: str) -> Iterator[Part]:
        print(f"\n=== {name} ===", file=sys.stderr, flush=True)
        started = time.monotonic()
        part = Part(name, 0, 0)
        self.parts.append(part)
        before = len(self.running.calls()) if self.running else None
        try:
            yield part
        finally:
            part.seconds = time.monotonic() - started
            # What the rehearsal itself asks before the first part is no part's.
            if self.running and before is not None:
                part.calls = self.running.calls()[before:]

    def verb(self, name: str, arguments: list[str]) -> bool:
        """A verb, by whoever may do no more than this; all but a preview let CloudFormation act with its own role."""
        previews = arguments[0] == "preview"
        keys = self.identities.preview if previews else self.identities.deploy
        role = [] if previews else ["--role-arn", self.identities.role_arn]
        with self._timed(name) as part, environment({**self.aws, **keys}):
            part.code = self.run([*arguments, *role])
            sys.stdout.flush()
        return part.code == 0

    def _pushed(self) -> bool:
        """Where nothing builds, an image of the same content is put into the repository by other means."""
        if self.builder:
            return True
        import boto3

        with self._timed("image, without a tool"), environment({**self.aws, **self.identities.deploy}):
            print("Neither podman nor buildah is there to build the image: pushing its source.", file=sys.stderr)
            # Not boto3's own session, which has met other credentials.
            client = boto3.Session().client("cloudformation")
            outputs = _outputs(client.describe_stacks(StackName=f"{NAME}-data")["Stacks"][0])
            for uri in dict.fromkeys(outputs[compute.repository] for compute in self.options.computes):
                self.push(uri)
        return True

    def push(self, uri: str, context: Context | None = None) -> None:
        """Puts an image of the source, or of another one, into a repository without building it."""
        import boto3

        context = context or self.options.context
        tag = context.tag()
        files = {name: context.directory / name for name in context.files()}
        token = boto3.Session().client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
        self._registry(token).push(f"{uri}:{tag}", files, {"BUILD_ID": tag})

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
        return ["--container-tool", str(self.builder)] if self.builder else []

    def _kept(self) -> list[str]:
        """What a destroyed deployment leaves for the next one."""
        import boto3

        found = [f"the snapshot {one['Name']}" for one in boto3.client("memorydb").describe_snapshots()["Snapshots"]]
        secrets = boto3.client("secretsmanager").list_secrets()["SecretList"]
        return found + [f"the secret {one['Name']}" for one in secrets]

    def _deployed(self) -> list[tuple[Compute, str]]:
        """What runs services, and the ARN of each."""
        import boto3

        stacks = boto3.client("cloudformation").describe_stacks()["Stacks"]
        arns = [outputs[SERVICE_ARN] for stack in stacks if SERVICE_ARN in (outputs := _outputs(stack))]
        return [(one, arn) for one in self.options.computes for arn in arns if f":{one.client_name}:" in arn]

    def _leftovers(self, deployed: Iterable[tuple[Compute, str]]) -> list[str]:
        """What should not be there any more."""
        import boto3
        from botocore.exceptions import ClientError

        found = [
            f"the stack {stack['StackName']} ({stack['StackStatus']})"
            for stack in boto3.client("cloudformation").describe_stacks()["Stacks"]
            if stack["StackStatus"] != "DELETE_COMPLETE"
        ]
        found += [f"the cluster {one['Name']}" for one in boto3.client("memorydb").describe_clusters()["Clusters"]]
        for compute, arn in deployed:
            with suppress(ClientError):
                if compute.running(boto3.client(compute.client_name), arn).ready:
                    found.append(f"the service {arn}")
        found += [f"the instance {id}" for id in self.machines.instances]
        found += [f"the nodes of {name}" for name in self.machines.clusters]
        return found


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}


def table(calls: Iterable[Call]) -> Iterator[str]:
    """A line for each service: its operations with how often they were called."""
    counts = Counter((call.service, call.operation) for call in calls)
    for service in sorted({service for service, _ in counts}):
        counted = sorted((operation, number) for (one, operation), number in counts.items() if one == service)
        yield f"{service}: " + ", ".join(f"{operation} {number}" for operation, number in counted)


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """The process's environment with `values`, and without what would lead to an account."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith("AWS_"):
            del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _builder(options: Options) -> str | None:
    """A container tool that makes its own connections; none where none is wanted."""
    if options.process:
        return None
    for tool in [options.container_tool] if options.container_tool else BUILDERS:
        if Path(tool).name not in BUILDERS:
            raise UsageError(f"--container-tool {tool} cannot rehearse; {' and '.join(BUILDERS)} can.")
        if shutil.which(tool) and subprocess.run([tool, "info"], capture_output=True, check=False).returncode == 0:
            return shutil.which(tool)
    return None


def _wrapped(program: str | None, directory: Path) -> Path | None:
    """The tool, which logs in and pushes to the stand-ins of AWS's host names, and builds in the world as it is."""
    if program is None:
        return None
    lines = [
        f"export {name}={shlex.quote(os.environ[name])}" if name in os.environ else f"unset {name}"
        for name in ("HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE")
    ]
    script = directory / Path(program).name
    script.touch(0o700)
    body = (
        f'#!/bin/sh\ncase "$1" in\nlogin|push) ;;\n*) {"; ".join(lines)} ;;\nesac\nexec {shlex.quote(program)} "$@"\n'
    )
    script.write_text(body)
    return script


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
