"""What stands for AWS on one machine: its interface, its machines, its host names, and who may do what.

Whoever has the environment of these talks to them as if they were AWS, and to nobody else.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3
from botocore.exceptions import ClientError

from generator.compute import Compute
from generator.contract import SERVICE_ARN
from generator.images.context import Context
from rehearsal.certificates import certificates
from rehearsal.emulator import ACCOUNT, REGION, emulator
from rehearsal.identities import identities
from rehearsal.internet import Internet
from rehearsal.machines import Machines, Runner
from rehearsal.registry import Registry
from rehearsal.runners import Containers, Processes, podman

NAME = "rehearsal"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
BUILDERS = ("podman", "buildah")


@dataclass
class StandIns:
    """All of it, in a directory of its own; a context manager, in which the process's environment leads here.

    `context` is what images are made from; `computes` are what runs services; `policies` are the IAM documents for a
    deployment called NAME, by their files; `builder` is a container tool, or None to do without any.
    """

    directory: Path
    context: Context
    computes: tuple[Compute, ...]
    policies: Mapping[str, str]
    builder: str | None = None
    containers: bool = False
    losing: bool = False
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> StandIns:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.machines = stack.enter_context(Machines(self.directory / "machines", self._runner()))
        self.emulator = stack.enter_context(emulator(self.directory / "emulator", self.machines.environment))
        domains = dict.fromkeys(f"*.{one.domain(REGION)}" for one in self.computes)
        names = certificates(self.directory, REGISTRY, *domains)
        self.internet = stack.enter_context(Internet(names, self._port, self._hear))
        self.authority = names.authority
        self.tool = _wrapped(self.builder, self.directory) if self.builder else None
        self.aws = {**self.emulator.environment, **self._outside()}
        stack.enter_context(environment(self.aws))
        self.identities = identities(NAME, self.policies)

    def _runner(self) -> Runner:
        program = podman()
        if program and self.containers:
            return Containers(program, self._outside)
        return Processes(self.registry, self.directory)

    def _outside(self) -> dict[str, str]:
        """What makes a client find the stand-ins of AWS's host names, and trust them."""
        proxy = {"HTTPS_PROXY": self.internet.url, "https_proxy": self.internet.url}
        return {**proxy, "SSL_CERT_FILE": str(self.authority)}

    def registry(self, credentials: str) -> Registry:
        return Registry(self.emulator.url, credentials)

    def _port(self, host: str) -> int | None:
        if host == REGISTRY:
            return int(self.emulator.url.rpartition(":")[2])
        return self.machines.port(host)

    def _hear(self, data: bytes) -> None:
        if self.losing and data.startswith(b"POST / "):
            self.machines.lose_redis()

    def push(self, uri: str, context: Context | None = None) -> None:
        """Puts an image of the source, or of another one, into a repository without building it."""
        context = context or self.context
        tag = context.tag()
        files = {name: context.directory / name for name in context.files()}
        token = boto3.Session().client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
        self.registry(token).push(f"{uri}:{tag}", files, {"BUILD_ID": tag})

    def kept(self) -> list[str]:
        """What a destroyed deployment leaves for the next one."""
        found = [f"the snapshot {one['Name']}" for one in boto3.client("memorydb").describe_snapshots()["Snapshots"]]
        secrets = boto3.client("secretsmanager").list_secrets()["SecretList"]
        return found + [f"the secret {one['Name']}" for one in secrets]

    def deployed(self) -> list[tuple[Compute, str]]:
        """What runs services, and the ARN of each."""
        stacks = boto3.client("cloudformation").describe_stacks()["Stacks"]
        arns = [told[SERVICE_ARN] for stack in stacks if SERVICE_ARN in (told := outputs(stack))]
        return [(one, arn) for one in self.computes for arn in arns if f":{one.client_name}:" in arn]

    def leftovers(self, deployed: Iterable[tuple[Compute, str]]) -> list[str]:
        """What should not be there any more."""
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


def outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    """The outputs of a stack as DescribeStacks tells it."""
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}


def clear_images() -> None:
    """Removes what was built and pulled, where podman or buildah keep it."""
    for tool in filter(shutil.which, BUILDERS):
        listed = [tool, "images", "--quiet", "--filter", f"reference={REGISTRY}/*"]
        found = subprocess.run(listed, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        for image in dict.fromkeys(found.stdout.split()):
            subprocess.run([tool, "rmi", "--force", image], stdin=subprocess.DEVNULL, capture_output=True)


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


def _wrapped(program: str, directory: Path) -> Path:
    """The tool, which logs in and pushes to the stand-ins of AWS's host names, and builds in the world as it is."""
    lines = [
        f"export {name}={shlex.quote(os.environ[name])}" if name in os.environ else f"unset {name}"
        for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE")
    ]
    script = directory / "bin" / Path(program).name
    script.parent.mkdir()
    script.touch(0o700)
    restore = "; ".join(lines)
    script.write_text(
        f'#!/bin/sh\ncase "$1" in login|push) ;; *) {restore} ;; esac\nexec {shlex.quote(program)} "$@"\n'
    )
    return script
