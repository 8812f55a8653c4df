"""The rehearsal of an upgrade: what is there before, then the working tree over it under load, then back, then nothing.

Everything before the upgrade, and the way back, is done with the rights of the account's owner; the upgrade itself with
the roles of its access layer.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3

from generator import contract
from generator.compute.verification import Fact
from generator.errors import GeneratorError
from generator.images.context import Context
from generator.layers import Deployment, Layer
from generator.operations import (
    UI,
    DeployedLayer,
    DeployOptions,
    DestroyOptions,
    ExportedStack,
    PreviewOptions,
    Session,
    deploy,
    destroy,
    preview,
)
from generator.parts.permissions import POLICY_VERSION, trust
from generator.report.results import some
from rehearsal.before import Before, accepted, given
from rehearsal.containers import container_tool, remove_images
from rehearsal.load import Client, User, at_once, load, users
from rehearsal.local_aws import NAME, LocalAws, environment, outputs
from rehearsal.local_resources import LocalResources
from rehearsal.processes import interrupted_by_signals
from rehearsal.services.redis_cluster import ClusterError

FORMAT = 1
"""Of the result as JSON; grows when a field changes its meaning or goes."""

USERS = 100
"""Written before the upgrade and, by the new version, after it."""
# Of a list in the report.
SHOWN = 3
# Physical IDs and outputs that are shorter may be words of a template.
SHORTEST = 8

BOUNDARY = contract.PERMISSIONS_BOUNDARY_ARN


@dataclass(frozen=True)
class Options:
    """The command's options. `context`: the image's source, and `given_context` its folder if it was given, instead of
    each service's own. `access`: the roles of the deployment. `ui`: for what the
    operations show. `process`: without containers."""

    context: Context
    access: Layer
    ui: UI
    given_context: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    allow_replacement: tuple[str, ...] = ()
    container_tool: str | None = None
    process: bool = False


@dataclass
class Upgrade:
    """What happened. `reasons` say why the upgrade does not hold; it does without any."""

    before: str
    deployment: str
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sent: int = 0
    failed: int = 0
    written: int = 0
    lost: int = 0
    replaced: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    verified: list[Fact] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """Such as "3,412 requests, 0 failed; 200 users, 0 lost"."""
        return f"{self.sent:,} requests, {self.failed:,} failed; {self.written:,} users, {self.lost:,} lost"

    def document(self) -> str:
        """The result as JSON; docs/rehearsal.md describes the fields."""
        document = {
            "version": FORMAT,
            "deployment": self.deployment,
            "from": self.before,
            "outcome": "failed" if self.reasons else "held",
            "summary": self.summary,
            "reasons": self.reasons,
            "notes": self.notes,
            "requests": {"sent": self.sent, "failed": self.failed},
            "users": {"written": self.written, "lost": self.lost},
            "replaced": self.replaced,
            "removed": self.removed,
            "verified": [{"about": fact.about, "found": fact.found} for fact in self.verified],
            "seconds": {name: round(seconds, 1) for name, seconds in self.seconds.items()},
        }
        return json.dumps(document, indent=2) + "\n"

    def lines(self) -> Iterator[str]:
        """The report."""
        for name, seconds in self.seconds.items():
            yield f"{name:24} {seconds:6.1f} s"
        yield f"{'in all':24} {sum(self.seconds.values()):6.1f} s"
        yield ""
        yield from (f"Note: {note}" for note in self.notes)
        yield f"Replaced: {', '.join(self.replaced) or 'nothing'}. Removed: {', '.join(self.removed) or 'nothing'}."
        yield f"Verified: {'; '.join(fact.about for fact in self.verified) or 'nothing'}."
        yield f"Rehearsed from {self.before}: {self.summary}."
        yield from (f"Does not hold: {reason}" for reason in self.reasons)


def rehearse_upgrade(deployment: Deployment, before: Before, options: Options) -> Upgrade:
    """Deploys `before`, then `deployment` over it, then `before` again, and destroys everything.

    Raises UsageError, ClusterError for what is missing on this machine.
    """
    if not shutil.which("redis-server"):
        raise ClusterError("redis-server is missing, which runs in place of MemoryDB: `make rehearse` installs it.")
    builder = None if options.process else container_tool(options.container_tool, options.context, required=False)
    computes = tuple(layer.compute for layer in deployment.layers if layer.compute)
    with interrupted_by_signals(), tempfile.TemporaryDirectory(prefix="rehearsal-") as directory, ExitStack() as stack:
        aws = LocalAws(Path(directory), options.context, computes, options.access, builder)
        stack.callback(lambda: remove_images(aws.repositories()) if builder else None)
        stack.enter_context(aws)
        rehearsal = _Rehearsal(aws, deployment, before, options)
        rehearsal.play()
        return rehearsal.result


@dataclass(frozen=True)
class _Service:
    """A service that runs: where it answers, and what it is asked for. paths: empty for the user API."""

    layer: str
    client: Client
    paths: Mapping[str, int]

    @property
    def keeps_users(self) -> bool:
        return not self.paths


def _owner() -> str:
    """A role for CloudFormation that may do everything."""
    iam, name = boto3.client("iam"), f"{NAME}-owner"
    everything = {"Version": POLICY_VERSION, "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    trusted = trust("cloudformation.amazonaws.com").to_json()
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(everything))
    return arn


class _Rehearsal:
    """One rehearsal. A step that fails adds its reason to `result`."""

    def __init__(self, aws: LocalAws, deployment: Deployment, before: Before, options: Options) -> None:
        self.aws, self.deployment, self.before, self.options = aws, deployment, before, options
        self.result = Upgrade(before.title, deployment.name, notes=list(before.notes))
        self.owner = _owner()
        self.local_resources = LocalResources({stack.name: f"{NAME}-{stack.layer}" for stack in before.stacks})
        # Images that are built elsewhere: by layer, the URI of a program that answers in their place.
        self.elsewhere = {
            layer.name: aws.push_placeholder(layer)
            for layer in deployment.layers
            if layer.compute and layer.workload and not layer.compute.repository
        }
        self.result.notes += [
            f"A program that answers its paths takes the place of the image of {layer}." for layer in self.elsewhere
        ]

    def play(self) -> None:
        """All steps; whatever happens, everything is destroyed."""
        try:
            if self._step("before", self._deploy_before):
                self._play_upgrade()
        finally:
            deployed = self.aws.deployed()
            self._step("destroy", self._destroy)
            self.result.reasons += [f"Left behind: {left}." for left in self.aws.leftovers(deployed)]

    def _play_upgrade(self) -> None:
        known = self._write_users("before")
        if not self._step("preview", self._preview):
            return
        with self._under_load("upgrade", known):
            self._step("upgrade", self._upgrade)
        self._read_users(known, "the upgrade")
        for layer, several in self._write_users("after").items():
            known[layer] += several
        with self._under_load("rollback", known):
            self._step("rollback", self._roll_back)
        self._read_users(known, "the rollback")

    def _step(self, name: str, do: Callable[[], object]) -> bool:
        print(f"\n=== {name} ===", file=sys.stderr, flush=True)
        started = time.monotonic()
        try:
            return do() is not False
        except GeneratorError as error:
            print(error, file=sys.stderr, flush=True)
            self.result.reasons.append(f"{name}: {error}")
            return False
        finally:
            self.result.seconds[name] = time.monotonic() - started

    # The steps.

    def _deploy_before(self) -> None:
        exported = {stack.layer: stack for stack in self.before.stacks}
        for layer in self.before.deployment.layers:
            self._deploy_old(layer)
            if layer.name in exported:
                self.local_resources.known.update(_counterparts(exported[layer.name]))
        self.result.notes += [f"{new} takes the place of {old}." for old, new in self.local_resources.created.items()]

    def _preview(self) -> bool:
        """False where the upgrade is refused."""
        with self._as("preview"):
            options = PreviewOptions(
                name=NAME,
                context=self.options.given_context,
                build_args=self.options.context.arguments,
                images={
                    layer.name: self.elsewhere[layer.name]
                    for layer in self.deployment.layers
                    if layer.name in self.elsewhere and contract.IMAGE_URI in layer.parameters
                },
                parameters=self._here(self.options.parameters),
                allow_replacement=self.options.allow_replacement,
            )
            plans = preview(self._with_local_resources(self.deployment), Session(self.options.ui), options)
        refused = [
            *(f"{plan.stack_name}: {each.logical_id} {each.what}" for plan in plans for each in plan.refusals),
            *(f"{plan.stack_name}: {plan.note}" for plan in plans if plan.failed),
        ]
        self.result.reasons += [f"refused: {reason}" for reason in refused]
        return not refused

    def _upgrade(self) -> None:
        before, services = self._physical_ids(), {arn for _, arn in self.aws.deployed()}
        try:
            self._deploy_new()
        finally:
            after = self._physical_ids()
            self.result.replaced = [name for name, id in before.items() if name in after and after[name] != id]
            self.result.removed = [name for name in before if name not in after]
            self.result.reasons += [
                f"interrupted: {name} is replaced, and its address with it"
                for name in self.result.replaced
                if before[name] in services
            ]

    def _deploy_new(self) -> None:
        options = {"parameters": self.options.parameters, "allow_replacement": self.options.allow_replacement}
        for layer in self.deployment.layers:
            context = self._context(layer)
            for done in self._deploy(self.deployment, layer, context, "deploy", **options):
                self.result.verified += done.facts

    def _roll_back(self) -> None:
        """The services first: then they import nothing that only the newer data layer exports."""
        for layer in reversed(self.before.deployment.layers):
            self._deploy_old(layer)

    def _deploy_old(self, layer: Layer) -> None:
        context = self._context(layer)
        older = replace(context, directory=self.before.context(context.directory))
        if older == context and layer.compute and layer.compute.repository and self.before.root != Path():
            note = f"The image of {layer.name} is that of the working tree: {self.before.title} has no Dockerfile."
            self.result.notes += [note] if note not in self.result.notes else []
        self._deploy(
            self.before.deployment,
            layer,
            older,
            allow_replacement=self.options.allow_replacement,
            parameters={**self.options.parameters, **self.before.parameters},
            tags=self.before.tags.get(layer.name, {}),
        )

    def _destroy(self) -> None:
        with self._as("deploy") as role:
            options = DestroyOptions(name=NAME, purge_images=True, role_arn=role)
            destroy(self.deployment, Session(self.options.ui), options)

    # How they are done.

    def _deploy(
        self, deployment: Deployment, layer: Layer, context: Context, user: str = "", **options: Any
    ) -> Sequence[DeployedLayer]:
        """Deploys one layer, as a user with a policy or as the account's owner."""
        here = self._with_local_resources(deployment)
        with self._as(user) as role:
            if layer.name in self.elsewhere:
                options |= {"image": self.elsewhere[layer.name]} if contract.IMAGE_URI in layer.parameters else {}
            elif layer.compute and contract.IMAGE_URI in layer.parameters:
                self._push(deployment, layer, context)
                options |= {"context": context.directory, "build_args": context.arguments}
                options |= {"build_secrets": context.secrets, "container_tool": self.aws.tool and str(self.aws.tool)}
            # Before the upgrade too: the role of the access layer could not roll back to roles without it.
            boundary = {name: value for name, value in self.aws.identities.outputs.items() if name == BOUNDARY}
            values = self._here(accepted(options["parameters"], [layer]))
            options["parameters"] = {**values, **accepted(boundary, [layer])}
            chosen = DeployOptions(name=NAME, layer=layer.name, role_arn=role, **options)
            return deploy(here, Session(self.options.ui), chosen)

    def _push(self, deployment: Deployment, layer: Layer, context: Context) -> None:
        """Without a container tool, pushes an image of the same content."""
        source = deployment.source_of(layer)
        if layer.compute and source and not self.aws.tool:
            self.aws.push(_outputs(source.name)[layer.compute.repository], context)

    def _context(self, layer: Layer) -> Context:
        folder = self.options.given_context or Path(layer.compute.context if layer.compute else "")
        return replace(self.options.context, directory=folder)

    @contextmanager
    def _as(self, verb: str) -> Iterator[str]:
        """With the role of a verb, or as the account's owner. For CloudFormation a role: a stack keeps the last one,
        and that of the access layer makes no role without a boundary, which older templates lack."""
        user, roles = self.aws.identities.of(verb) if verb else {}, self.aws.identities.outputs
        with environment({**self.aws.variables, **user}):
            yield "" if verb == "preview" else roles["CloudFormationRoleArn"] if verb else self.owner

    def _here(self, values: Mapping[str, str]) -> dict[str, str]:
        return {name: self.local_resources.of(value) for name, value in values.items()}

    def _with_local_resources(self, deployment: Deployment) -> Deployment:
        layers = []
        for layer in deployment.layers:
            template = self.local_resources.in_template(layer.template)
            layers.append(layer if template == layer.template else given(layer, json.dumps(template)))
        return replace(deployment, layers=tuple(layers))

    def _physical_ids(self) -> dict[str, str]:
        """Of all resources, by layer and logical ID."""
        layers = [layer.name for layer in self.before.deployment.layers]
        return {f"{layer}.{name}": id for layer in layers for name, id in _resources(layer).items()}

    # Requests.

    def _services(self) -> list[_Service]:
        """Those that can be reached from outside."""
        found = []
        for layer in self.before.deployment.layers:
            values = _outputs(layer.name) if layer.compute else {}
            if layer.compute and contract.SERVICE_ARN in values:
                running = layer.compute.running(boto3.client(layer.compute.client_name), values[contract.SERVICE_ARN])
                paths = {} if layer.compute.users_api else layer.compute.paths
                if running.public and (layer.compute.users_api or paths):
                    found.append(_Service(layer.name, Client(running.url), paths))
        return found

    def _write_users(self, prefix: str) -> dict[str, list[User]]:
        """Writes users to each service; returns those that were written, by layer."""
        written = {}
        for service in self._services():
            if service.keeps_users:
                several = users(prefix, USERS)
                faults = at_once(service.client.write, several)
                self.result.written += len(several) - len(faults)
                self.result.reasons += [f"users cannot be written: {_first(faults)}"] if faults else []
                written[service.layer] = several
        return written

    def _read_users(self, known: Mapping[str, Sequence[User]], after: str) -> None:
        for service in self._services():
            faults = at_once(service.client.read, known.get(service.layer, ()))
            self.result.lost += len(faults)
            lost = f"{len(faults)} of {len(known.get(service.layer, ()))} users lost after {after}: {_first(faults)}"
            self.result.reasons += [lost] if faults else []

    @contextmanager
    def _under_load(self, during: str, known: Mapping[str, Sequence[User]]) -> Iterator[None]:
        with ExitStack() as stack:
            loads = [
                stack.enter_context(load(service.client, tuple(known.get(service.layer, ())), service.paths))
                for service in self._services()
            ]
            yield
        sent, failed = sum(each.sent for each in loads), [fault for each in loads for fault in each.failed]
        self.result.sent += sent
        self.result.failed += len(failed)
        if failed:
            interrupted = f"{len(failed):,} of {sent:,} requests failed during the {during}: {_first(failed)}"
            self.result.reasons.append(f"interrupted: {interrupted}")


def _resources(layer: str) -> dict[str, str]:
    """The physical IDs of the deployed stack's resources."""
    listed = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=f"{NAME}-{layer}")
    return {
        each["LogicalResourceId"]: each.get("PhysicalResourceId", "")
        for each in listed.search("StackResourceSummaries[]")
        if each["ResourceStatus"] != "DELETE_COMPLETE"
    }


def _outputs(layer: str) -> dict[str, str]:
    return outputs(boto3.client("cloudformation").describe_stacks(StackName=f"{NAME}-{layer}")["Stacks"][0])


def _counterparts(stack: ExportedStack) -> dict[str, str]:
    """What the deployed stack has in place of the physical IDs and outputs of the exported one."""
    name = f"{NAME}-{stack.layer}"
    pairs = [*_pairs(stack.resources, _resources(stack.layer)), *_pairs(stack.outputs, _outputs(stack.layer))]
    exports = {f"{stack.name}-{output}": f"{name}-{output}" for output in stack.outputs}
    return {**exports, **{old: new for old, new in pairs if new and old != new and len(old) >= SHORTEST}}


def _pairs(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((value, new.get(name, "")) for name, value in old.items())


def _first(faults: Sequence[str]) -> str:
    different = list(dict.fromkeys(faults))
    return some(different, "; ", SHOWN)
