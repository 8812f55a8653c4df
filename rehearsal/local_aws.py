"""AWS on this machine: the emulator, the local services, the host names, and the roles of the access layer.

While it is open, the environment of this process leads to it, and to nothing else. What the roles name in an account
is created before they are.
"""

from __future__ import annotations

import http
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from generator.compute import Compute
from generator.contract import IMAGE_URI, SERVICE_ARN
from generator.errors import UsageError
from generator.images.context import Context
from generator.layers import Deployment, Layer
from rehearsal.containers import start, wrapped
from rehearsal.emulator.identities import identities
from rehearsal.emulator.process import ACCOUNT, REGION, emulator
from rehearsal.emulator.registry import Registry, Start
from rehearsal.local_resources import LocalResources
from rehearsal.services.certificates import certificates
from rehearsal.services.control import LocalServices, Runner, short_minutes
from rehearsal.services.https_proxy import HttpsProxy
from rehearsal.services.runners import Containers, Processes, podman

NAME = "rehearsal"
PLACEHOLDER = Path(__file__).with_name("services") / "placeholder.py"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"


@dataclass
class LocalAws:
    """A context manager, with its files in `directory`.

    `context` is an image's source; `computes` run services; `access` has the roles of the deployment, called NAME;
    `builder` is a container tool, or None to do without containers; `types` are the resource types of the deployment.
    With `losing_redis` the cluster is suspended when a user is written. `clock` is that of LocalServices.
    """

    directory: Path
    context: Context
    computes: tuple[Compute, ...]
    access: Layer
    builder: str | None = None
    types: frozenset[str] = frozenset()
    losing_redis: bool = False
    clock: Callable[[], float] = short_minutes
    local_resources: LocalResources = field(default_factory=LocalResources)
    # By layer: the URI of a placeholder, and of those that are the value of a parameter.
    placeholders: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> LocalAws:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.services = stack.enter_context(LocalServices(self.directory / "services", self._runner(), self.clock))
        self.emulator = stack.enter_context(emulator(self.directory / "emulator", self.services.environment))
        self.absent = sorted(self.types & self.emulator.stand_ins())
        domains = dict.fromkeys(f"*.{compute.domain(REGION)}" for compute in self.computes)
        tls = certificates(self.directory, REGISTRY, *domains)
        self.proxy = stack.enter_context(HttpsProxy(tls, self._port, self._observe, self.services.count))
        self.authority = tls.authority
        self.tool = wrapped(self.builder, self.directory) if self.builder else None
        self.variables = {**self.emulator.environment, **self._through_proxy()}
        stack.enter_context(environment(self.variables))
        self.identities = identities(NAME, self.local_resources.layer(self.access))

    def _runner(self) -> Runner:
        processes = Processes(
            lambda image, credentials, to: self.registry(credentials).unpack(image, to), self.directory
        )
        program = podman()
        if not (program and self.builder):
            return processes
        containers = Containers(program, self._through_proxy)
        return lambda launch: (processes if launch.image in self.placeholders.values() else containers)(launch)

    def _through_proxy(self) -> dict[str, str]:
        """Variables with which a client reaches AWS's host names here, and trusts their certificates."""
        proxy = {"HTTPS_PROXY": self.proxy.url, "https_proxy": self.proxy.url}
        return {**proxy, "SSL_CERT_FILE": str(self.authority)}

    def registry(self, credentials: str) -> Registry:
        return Registry(self.emulator.url, credentials)

    def _port(self, host: str) -> int | None:
        if host == REGISTRY:
            return int(self.emulator.url.rpartition(":")[2])
        return self.services.port(host)

    def _observe(self, data: bytes) -> None:
        if self.losing_redis and data.startswith(b"POST / "):
            self.services.suspend_redis()

    def push(self, uri: str, context: Context | None = None) -> None:
        """Pushes an image of the source, or of another one, without building it."""
        context = context or self.context
        files = {name: context.directory / name for name in context.files()}
        self._registry_of_caller().push(f"{uri}:{context.tag()}", files, start(context))

    def push_placeholder(self, layer: Layer) -> str:
        """Pushes an image in place of a layer's that is built elsewhere; returns its URI. It runs as a process that
        answers what the workload's health check and verification ask for.

        Raises UsageError for a fixed image that is no text of the form host/name:tag.
        """
        assert layer.workload
        workload = layer.workload
        # A repository is given by its name or its ARN, or is the data layer's.
        repository = workload.repository.rpartition(":repository/")[2] or "placeholder"
        existing = f"{REGISTRY}/{repository}:{layer.name}"
        uri = existing if workload.image is None else workload.image
        named = re.fullmatch("[^/@]+/([^@:]+):[^/@:]+", uri) if isinstance(uri, str) else None
        if not named:
            raise UsageError(f"A rehearsal needs Workload.image as text such as host/name:tag, not {uri}.")
        answers = {workload.health.path or "/": http.HTTPStatus.OK, **workload.checks.paths}
        variables = {"ANSWERS": json.dumps(answers)}
        with suppress(ClientError):
            boto3.client("ecr").create_repository(repositoryName=named[1])
        image = Start(variables, entrypoint=("python", PLACEHOLDER.name))
        self._registry_of_caller().push(named[0], {PLACEHOLDER.name: PLACEHOLDER}, image)
        self.placeholders[layer.name] = named[0]
        if IMAGE_URI in layer.parameters:
            self.images[layer.name] = named[0]
        return named[0]

    def push_source(self, deployment: Deployment, layer: Layer, context: Context) -> None:
        """Without a container tool, pushes an image of the same content to the repository of the layer's source."""
        source = deployment.source_of(layer)
        if layer.compute and source and not self.tool:
            self.push(stack_outputs(source.name)[layer.compute.repository], context)

    @property
    def notes(self) -> list[str]:
        """What differs from an account."""
        programs = [f"A program that answers its paths takes the place of the image of {x}." for x in self.placeholders]
        absent = " and no ".join(self.absent)
        missing = [f"The emulator has no {absent}: names and made-up attributes take their place."] if absent else []
        return [*programs, *missing, *self.local_resources.notes]

    def _registry_of_caller(self) -> Registry:
        token = boto3.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
        return self.registry(token)

    def repositories(self) -> set[str]:
        """The URIs of all repositories that were used, also after the end."""
        resources = [check.resource for call in self.emulator.calls() for check in call.checks]
        return {f"{REGISTRY}/{name}" for name in (each.partition(":repository/")[2] for each in resources) if name}

    def kept(self) -> list[str]:
        """What `destroy` keeps on purpose."""
        found = [f"the snapshot {each['Name']}" for each in boto3.client("memorydb").describe_snapshots()["Snapshots"]]
        secrets = boto3.client("secretsmanager").list_secrets()["SecretList"]
        created = self.local_resources.created.values()
        return found + [f"the secret {each['Name']}" for each in secrets if each["ARN"] not in created]

    def deployed(self) -> list[tuple[Compute, str]]:
        """Each deployed service's compute and ARN."""
        stacks = boto3.client("cloudformation").describe_stacks()["Stacks"]
        arns = [values[SERVICE_ARN] for stack in stacks if SERVICE_ARN in (values := outputs(stack))]
        return [(compute, arn) for compute in self.computes for arn in arns if f":{compute.client_name}:" in arn]

    def leftovers(self, deployed: Iterable[tuple[Compute, str]]) -> list[str]:
        """What `destroy` should have deleted."""
        found = [
            f"the stack {stack['StackName']} ({stack['StackStatus']})"
            for stack in boto3.client("cloudformation").describe_stacks()["Stacks"]
            if stack["StackStatus"] != "DELETE_COMPLETE" and stack["StackName"] != f"{NAME}-{self.access.name}"
        ]
        found += [f"the cluster {each['Name']}" for each in boto3.client("memorydb").describe_clusters()["Clusters"]]
        for compute, arn in deployed:
            with suppress(ClientError):
                if compute.running(boto3.client(compute.client_name), arn).ready:
                    found.append(f"the service {arn}")
        found += [f"the instance {id}" for id in self.services.instances]
        found += [f"the nodes of {name}" for name in self.services.clusters]
        return found


def outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    """The outputs of a stack in the answer of DescribeStacks."""
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}


def stack_outputs(layer_name: str) -> dict[str, str]:
    """The outputs of a layer's stack."""
    return outputs(boto3.client("cloudformation").describe_stacks(StackName=f"{NAME}-{layer_name}")["Stacks"][0])


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """This process's environment with `values`, and without any other variable of AWS. boto3's default session, which
    keeps the credentials that it found first, is made again."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith("AWS_"):
            del os.environ[name]
    os.environ.update(values)
    boto3.DEFAULT_SESSION = None
    try:
        yield
    finally:
        boto3.DEFAULT_SESSION = None
        os.environ.clear()
        os.environ.update(before)
