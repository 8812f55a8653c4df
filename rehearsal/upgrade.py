"""The rehearsal of an upgrade: what is there before, then the working tree over it under load, then back, then nothing.

Everything before the upgrade, and the way back, is done with the rights of the account's owner; the upgrade itself with
the roles of its access layer.
"""

from __future__ import annotations

import json
import sys
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
from generator.report.results import some
from rehearsal.before import Before, accepted
from rehearsal.load import Client, User, at_once, load, users
from rehearsal.local_aws import NAME, LocalAws, environment, stack_outputs
from rehearsal.local_resources import EVERYTHING, role
from rehearsal.options import FORMAT, CommonOptions

USERS = 100
"""Written before the upgrade and, by the new version, after it."""
# Of a list in the report.
SHOWN = 3
# Physical IDs and outputs that are shorter may be words of a template.
SHORTEST = 8

BOUNDARY = contract.PERMISSIONS_BOUNDARY_ARN


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """The command's options. `before` is what is upgraded, `ui` for what the operations show."""

    before: Before
    ui: UI
    allow_replacement: tuple[str, ...] = ()


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


def rehearse_upgrade(options: Options) -> Upgrade:
    """Deploys what is before, then the deployment over it, then the former again, and destroys everything.

    Raises UsageError, ClusterError for what is missing on this machine.
    """
    with options.on_local_aws(options.builder()) as aws:
        rehearsal = _Rehearsal(aws, options)
        rehearsal.play()
    return rehearsal.result


@dataclass(frozen=True)
class _Service:
    """A service that runs: where it answers, and what it is asked for. paths: empty for the user API."""

    layer: str
    client: Client
    paths: Mapping[str, int]


def _owner() -> str:
    """A role for CloudFormation that may do everything."""
    name = f"{NAME}-owner"
    arn = role(name)
    boto3.client("iam").put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(EVERYTHING))
    return arn


class _Rehearsal:
    """One rehearsal. A step that fails adds its reason to `result`."""

    def __init__(self, aws: LocalAws, options: Options) -> None:
        self.aws, self.options, self.before = aws, options, options.before
        self.deployment = options.deployment
        self.result = Upgrade(self.before.title, self.deployment.name, notes=list(self.before.notes))
        self.owner = _owner()
        self.local_resources = aws.local_resources
        self.local_resources.known.update({stack.name: f"{NAME}-{stack.layer}" for stack in self.before.stacks})

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
        self.result.notes += self.aws.notes

    def _preview(self) -> bool:
        """False where the upgrade is refused."""
        with self._as("preview"):
            options = PreviewOptions(
                name=NAME,
                context=self.options.context,
                build_args=self.options.build_args,
                images=self.aws.images,
                parameters=self._parameters(),
                allow_replacement=self.options.allow_replacement,
            )
            plans = preview(self.local_resources.deployment(self.deployment), Session(self.options.ui), options)
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
        options = {"parameters": self._parameters(), "allow_replacement": self.options.allow_replacement}
        for layer in self.deployment.layers:
            source = self.options.sources.get(layer.name)
            for done in self._deploy(self.deployment, layer, source, "deploy", **options):
                self.result.verified += done.facts

    def _parameters(self) -> dict[str, str]:
        """The values for the new version. Others that were deployed stay."""
        layers = self.before.deployment.layers
        deployed = [f"{layer.name}.{name}" for layer in layers for name in layer.parameters]
        return self.local_resources.parameters(self.deployment, self.options.parameters, deployed)

    def _roll_back(self) -> None:
        """The services first: then they import nothing that only the newer data layer exports."""
        for layer in reversed(self.before.deployment.layers):
            self._deploy_old(layer)

    def _deploy_old(self, layer: Layer) -> None:
        source = self.options.sources.get(layer.name)
        older = replace(source, directory=self.before.context(source.directory)) if source else None
        if older == source and source and self.before.root != Path():
            note = f"The image of {layer.name} is that of the working tree: {self.before.title} has no Dockerfile."
            self.result.notes += [note] if note not in self.result.notes else []
        values = {**self.options.parameters, **self.before.parameters}
        self._deploy(
            self.before.deployment,
            layer,
            older,
            allow_replacement=self.options.allow_replacement,
            parameters=self.local_resources.parameters(self.before.deployment, values),
            tags=self.before.tags.get(layer.name, {}),
        )

    def _destroy(self) -> None:
        with self._as("deploy") as role:
            options = DestroyOptions(name=NAME, purge_images=True, role_arn=role)
            destroy(self.deployment, Session(self.options.ui), options)

    # How they are done.

    def _deploy(
        self, deployment: Deployment, layer: Layer, source: Context | None, user: str = "", **options: Any
    ) -> Sequence[DeployedLayer]:
        """Deploys one layer, as a user with a policy or as the account's owner."""
        with self._as(user) as role:
            if layer.name in self.aws.placeholders:
                options |= {"image": self.aws.images.get(layer.name, "")}
            elif source:
                self.aws.push_source(deployment, layer, source)
                options |= {"context": source.directory, "build_args": source.arguments}
                options |= {"build_secrets": source.secrets, "container_tool": self.aws.tool and str(self.aws.tool)}
            # Before the upgrade too: the role of the access layer could not roll back to roles without it.
            boundary = {name: value for name, value in self.aws.identities.outputs.items() if name == BOUNDARY}
            options["parameters"] = accepted({**options["parameters"], **boundary}, [layer])
            chosen = DeployOptions(name=NAME, layer=layer.name, role_arn=role, **options)
            return deploy(self.local_resources.deployment(deployment), Session(self.options.ui), chosen)

    @contextmanager
    def _as(self, verb: str) -> Iterator[str]:
        """With the role of a verb, or as the account's owner. For CloudFormation a role: a stack keeps the last one,
        and that of the access layer makes no role without a boundary, which older templates lack."""
        user, roles = self.aws.identities.of(verb) if verb else {}, self.aws.identities.outputs
        with environment({**self.aws.variables, **user}):
            yield "" if verb == "preview" else roles["CloudFormationRoleArn"] if verb else self.owner

    def _physical_ids(self) -> dict[str, str]:
        """Of all resources, by layer and logical ID."""
        layers = [layer.name for layer in self.before.deployment.layers]
        return {f"{layer}.{name}": id for layer in layers for name, id in _resources(layer).items()}

    # Requests.

    def _services(self) -> list[_Service]:
        """Those that can be reached from outside."""
        found = []
        for layer in self.before.deployment.layers:
            values = stack_outputs(layer.name) if layer.compute else {}
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
            if not service.paths:
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


def _counterparts(stack: ExportedStack) -> dict[str, str]:
    """What the deployed stack has in place of the physical IDs and outputs of the exported one."""
    found = {f"{stack.name}-{output}": f"{NAME}-{stack.layer}-{output}" for output in stack.outputs}
    for before, now in ((stack.resources, _resources(stack.layer)), (stack.outputs, stack_outputs(stack.layer))):
        pairs = [(old, now.get(name, "")) for name, old in before.items()]
        found |= {old: new for old, new in pairs if new and old != new and len(old) >= SHORTEST}
    return found


def _first(faults: Sequence[str]) -> str:
    return some(list(dict.fromkeys(faults)), "; ", SHOWN)
