"""Which parts make which template, and which templates are deployed together."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from types import NoneType
from typing import Any

from troposphere import encode_to_dict

from generator import contract
from generator.compute import Compute
from generator.compute.apprunner import AppRunnerCompute
from generator.compute.ecs_express import EcsExpressCompute
from generator.errors import TemplateError, UsageError, check_type
from generator.parts.apprunner.service import app_runner
from generator.parts.boundary import bounded
from generator.parts.data.memorydb import memorydb
from generator.parts.data.repository import repository
from generator.parts.data.user import User, user
from generator.parts.ecs_express.endpoints import task_endpoints
from generator.parts.ecs_express.service import ecs_express
from generator.parts.imports import data_stack_name
from generator.parts.network.place import place_exports, task_subnets_export
from generator.parts.network.vpc import network
from generator.parts.network.zones import supported_region
from generator.settings import Settings
from generator.template.assemble import assemble, elements
from generator.template.elements import Part
from generator.template.render import render
from generator.template.resources import imported_outputs
from generator.template.stateful import data_resources
from generator.workload import LIST, Place, Workload

LONGEST_STACK_NAME = 128


@dataclass(frozen=True)
class Layer:
    """One template, deployed as one stack.

    name: the stack is `<deployment's prefix>-<name>`, so that it has letters, digits and hyphens only. description: the
    template's, which the console shows.
    compute: what runs the service that the layer holds, if it holds one. template_name: the file is
    `<template_name>-layer.json`; by default the layer's own name. workload: what runs in the layer, if something does.

    >>> from troposphere import sns
    >>> Layer("alerts", "Where alerts go.", (sns.Topic("Topic"),)).file_name
    'alerts-layer.json'
    """

    name: str
    description: str
    parts: tuple[Part, ...]
    compute: Compute | None = None
    template_name: str = ""
    workload: Workload | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch("[A-Za-z0-9-]+", self.name):
            raise TemplateError(f"The layer name {self.name!r} must be letters, digits and hyphens, as of a stack.")

    def stack_name(self, prefix: str) -> str:
        """`<prefix>-<name>`. Raises UsageError where that is too long for a stack."""
        name = f"{prefix}-{self.name}"
        if len(name) > LONGEST_STACK_NAME:
            raise UsageError(
                f"The stack of the layer {self.name} would be {name[:20]}..., a name of {len(name)} characters, and at "
                f"most {LONGEST_STACK_NAME} are allowed: shorten the layer's name or --name."
            )
        return name

    @property
    def file_name(self) -> str:
        """The template's file, such as data-layer.json."""
        return f"{self.template_name or self.name}-layer.json"

    def text(self) -> str:
        """The template's exact text. Raises TemplateError when the parts do not make one."""
        return self._text

    # A frozen dataclass may still cache: the cache is no field.
    @cached_property
    def _text(self) -> str:
        with errors_of_layer(self.name):
            return render(assemble(self.description, *bounded(*self.parts)))

    @property
    def made_from(self) -> str:
        """What decides the text: equal values make equal texts. Fast, where the text itself takes long."""
        return self.text()

    @cached_property
    def template(self) -> Mapping[str, Any]:
        """The template as CloudFormation reads it."""
        template: Mapping[str, Any] = json.loads(self.text())
        return template

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters that the template declares."""
        parameters: Mapping[str, Any] = self.template.get("Parameters", {})
        return parameters

    @cached_property
    def exports(self) -> frozenset[str]:
        """The outputs that other stacks can import."""
        outputs = self.template.get("Outputs", {}).items()
        return frozenset(name for name, output in outputs if "Export" in output)

    @cached_property
    def imports(self) -> frozenset[str]:
        """The outputs that the template imports from the stack of its parameter DataStackName."""
        return frozenset(imported_outputs(self.template))

    @property
    def holds_data(self) -> bool:
        """Whether a resource of the template holds what cannot be created again."""
        return bool(data_resources(self.template))


@contextmanager
def errors_of_layer(name: str) -> Iterator[None]:
    """Names the layer in the text of a TemplateError."""
    try:
        yield
    except TemplateError as error:
        error.args = (f"The layer {name}: {error}",)
        raise


@dataclass(frozen=True)
class Deployment:
    """What is deployed together: layers, in the order in which they are deployed. `--deployment` chooses one by name.

    Raises TemplateError for two layers of one name, which would be one stack, for a layer before the one that it
    imports from, and for an import that this one does not export.

    >>> [layer.name for layer in Deployment("shop", (data_layer(name="storage"), app_runner_layer(name="web"))).layers]
    ['storage', 'web']
    """

    name: str
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        check_type("Deployment.name", self.name, (str,), "text, such as shop")
        if not isinstance(self.layers, tuple | list) or not all(isinstance(layer, Layer) for layer in self.layers):
            raise TemplateError(f"Deployment.layers of {self.name} must be a tuple of layers, such as (data, service).")
        if not self.layers:
            raise TemplateError(f"The deployment {self.name} has no layer.")
        names = [layer.name for layer in self.layers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise TemplateError(f"Two layers of the deployment {self.name} are named {twice[0]!r}.")
        for number, layer in enumerate(self.layers if len(names) > 1 else ()):
            if source := self.source_of(layer) or self._other_repository(layer):
                if missing := sorted(layer.imports - source.exports):
                    raise TemplateError(self._not_exported(layer, source, missing))
                if source.name in names[number:]:
                    raise TemplateError(
                        f"The layer {layer.name} imports from {source.name}, which must be deployed before it and "
                        f"destroyed after it: put {source.name} before {layer.name} in the deployment {self.name}."
                    )

    def _other_repository(self, layer: Layer) -> Layer | None:
        """Where a layer imports an image repository that no layer exports: the layer that exports another one."""

        def repositories(names: frozenset[str]) -> list[str]:
            return [name for name in names if name.endswith(contract.REPOSITORY_ARN)]

        others = (other for other in self.layers if other is not layer and repositories(other.exports))
        return next(others, None) if repositories(layer.imports) else None

    def _not_exported(self, layer: Layer, source: Layer, missing: Sequence[str]) -> str:
        name, prefix = missing[0], layer.workload.prefix if layer.workload else ""
        spelled = {other.lower(): other for other in sorted(source.exports)}
        near = difflib.get_close_matches(name.lower(), spelled, 1)
        hint = ""
        if elsewhere := [other.name for other in self.layers if other is not source and name in other.exports]:
            hint = f" The layer {elsewhere[0]} exports {name}, but a layer imports from one other layer only."
        elif prefix and name.startswith(prefix) and name.lower() not in spelled:
            function = "repository" if name.endswith(contract.REPOSITORY_ARN) else "user"
            hint = f" Workload.prefix {prefix!r} needs {function}({prefix!r}) there."
        elif contract.TASK_ENDPOINT_SECURITY_GROUP_ID in missing:
            hint = (
                ' ECS tasks need data_layer(Settings(task_endpoints="one")) or, in an existing VPC, the place of the '
                "data layer: Workload(network=place)."
            )
        elif contract.CLUSTER_ENDPOINT in missing:
            hint = " A service without MemoryDB is Workload(memorydb=False)."
        elif near:
            hint = f" The nearest export to {name} is {spelled[near[0]]}."
        names = ", ".join(missing)
        return f"The layer {layer.name} imports {names}, which the layer {source.name} does not export.{hint}"

    @property
    def data_layers(self) -> tuple[Layer, ...]:
        """The layers that others import from; where none is imported from, those that hold data."""
        imported = tuple(layer for layer in self.layers if any(self.source_of(other) is layer for other in self.layers))
        return imported or tuple(layer for layer in self.layers if layer.holds_data)

    def source_of(self, layer: Layer) -> Layer | None:
        """The layer that exports what `layer` imports, if there is one."""
        return next((other for other in self.layers if other is not layer and other.exports & layer.imports), None)

    def chosen(self, layer_name: str) -> tuple[Layer, ...]:
        """The layer of that name alone; all layers for an empty name. Raises UsageError if there is no such layer."""
        found = tuple(layer for layer in self.layers if not layer_name or layer.name == layer_name)
        if not found:
            raise UsageError(f"There is no layer {layer_name!r}; there are {', '.join(x.name for x in self.layers)}.")
        return found


def _check_types(function: str, settings: object, workload: object = Workload()) -> None:
    for name, value, kind in (("settings", settings, Settings), ("workload", workload, Workload)):
        check_type(f"{function}: the argument {name}", value, (kind,), kind.__name__)


def app_runner_deployment(settings: Settings = Settings()) -> Deployment:
    """The data layer and the App Runner layer.

    >>> [layer.name for layer in app_runner_deployment().layers]
    ['data', 'apprunner']
    """
    return Deployment(contract.APP_RUNNER_LAYER, (data_layer(settings), app_runner_layer(settings)))


def ecs_express_deployment(settings: Settings = Settings()) -> Deployment:
    """The data layer and the ECS Express layer. Where `settings` say "none", the tasks' endpoints are in one zone.

    >>> [layer.file_name for layer in ecs_express_deployment().layers]
    ['ecs-express-data-layer.json', 'ecs-express-layer.json']
    """
    _check_types("ecs_express_deployment", settings)
    data = replace(data_layer(for_tasks(settings)), template_name="ecs-express-data")
    return Deployment(contract.ECS_EXPRESS_LAYER, (data, ecs_express_layer(settings)))


def default_deployments(settings: Settings = Settings()) -> tuple[Deployment, ...]:
    """What build.py deploys as it is: one deployment for each compute, App Runner's first."""
    return app_runner_deployment(settings), ecs_express_deployment(settings)


def data_layer(
    settings: Settings = Settings(),
    *parts: Part,
    name: str = contract.DATA_LAYER,
    place: Place | None = None,
    users: Sequence[User] | None = None,
) -> Layer:
    """The network, the cluster and its user, the image repository, and `parts` of your own.

    place: an existing VPC, from `existing_network`, instead of a new one. users: by default `user()` alone; several for
    several services, none for a layer without a cluster.

    Raises TemplateError for endpoints in an existing VPC, which brings its own, and for users that MemoryDB refuses.

    >>> from troposphere import s3
    >>> bucket = s3.Bucket("Attachments", DeletionPolicy="Retain", UpdateReplacePolicy="Retain")
    >>> layer = data_layer(Settings(), bucket, export("AttachmentsName", "The bucket.", bucket.ref()), name="storage")
    >>> "AttachmentsName" in layer.exports
    True
    """
    _check_types("data_layer", settings)
    check_type("data_layer: the argument place", place, (Place, NoneType), 'existing_network("vpc-…", ["subnet-…"])')
    check_type("data_layer: the argument users", users, (*LIST, NoneType), 'a list, such as [user("Orders")]')
    users = (user(),) if users is None else users
    for each in users:
        check_type("data_layer: one of the users", each, (User,), 'user(), or user("Orders")')
    existing = place is not None
    if place is None:
        new = network(settings)
        place, for_ecs = new.place, settings.task_endpoints != "none"
        network_parts: Part = (new, place_exports(place), task_endpoints(settings, new) if for_ecs else None)
    else:
        for_ecs = place.task_subnet_ids is not None
        network_parts = _existing_network_parts(settings, place)
    return Layer(
        name,
        _data_layer_description(len(users), existing=existing, for_ecs=for_ecs),
        (
            memorydb(settings, place, users) if users else None,
            repository(),
            network_parts,
            supported_region(for_tasks(settings) if for_ecs else settings),
            *parts,
        ),
    )


def _existing_network_parts(settings: Settings, place: Place) -> Part:
    if settings.task_endpoints != "none":
        raise TemplateError(
            "Settings.task_endpoints adds VPC endpoints to a new VPC. For ECS tasks in an existing one, have NAT or "
            "endpoints there, and pass the data layer's place to the service: Workload(network=place)."
        )
    for_tasks = None if place.task_subnet_ids is None else task_subnets_export(place.task_subnet_ids)
    return place.inputs, place_exports(place), for_tasks


def _data_layer_description(users: int, *, existing: bool, for_ecs: bool) -> str:
    kind = f"Data layer{' for ECS Express' if for_ecs else ''}{' in an existing VPC' if existing else ''}"
    contents = [
        *([] if existing else ["a private network"]),
        *([f"Amazon MemoryDB with a user {'of its own' if users == 1 else 'for each service'}"] if users else []),
        "and a repository for the service's image",
    ]
    return f"{kind}: {', '.join(contents).removeprefix('and ')}. Deploy this first."


def app_runner_layer(
    settings: Settings = Settings(),
    workload: Workload = Workload(),
    *parts: Part,
    name: str = contract.APP_RUNNER_LAYER,
) -> Layer:
    """A service on App Runner that runs `workload`, and `parts` of your own.

    Raises TemplateError for a workload that App Runner cannot run.

    >>> web = Workload(environment={"BUCKET": imported("AttachmentsName")})
    >>> "AttachmentsName" in app_runner_layer(Settings(), web).imports
    True
    """
    _check_types("app_runner_layer", settings, workload)
    with errors_of_layer(name):
        all_parts = app_runner(settings, workload), supported_region(), *parts
    return Layer(
        name,
        _service_layer_description("App Runner", workload, "the service, or makes the update fail"),
        _with_data_stack(all_parts, "The data layer's stack"),
        AppRunnerCompute(*_compute_arguments(workload)),
        workload=workload,
    )


def ecs_express_layer(
    settings: Settings = Settings(),
    workload: Workload = Workload(),
    *parts: Part,
    name: str = contract.ECS_EXPRESS_LAYER,
) -> Layer:
    """A service on Amazon ECS Express Mode that runs `workload`, and `parts` of your own.

    In the data layer's VPC it needs one that was made for ECS tasks: `data_layer(Settings(task_endpoints="one"))`.

    Raises TemplateError for a workload that ECS Express Mode cannot run.

    >>> ecs_express_layer(Settings(), Workload(cpu=512, memory=1024)).parameters["Cpu"]["Default"]
    '512'
    """
    _check_types("ecs_express_layer", settings, workload)
    with errors_of_layer(name):
        all_parts = ecs_express(workload), supported_region(for_tasks(settings)) if workload.memorydb else None, *parts
    return Layer(
        name,
        _service_layer_description("ECS Express", workload, "the service and its address"),
        _with_data_stack(all_parts, "The stack of a data layer for ECS Express"),
        EcsExpressCompute(*_compute_arguments(workload)),
        workload=workload,
    )


def _service_layer_description(compute: str, workload: Workload, replaced: str) -> str:
    connected = ", connected to the MemoryDB cluster of a data layer's stack" if workload.memorydb is True else ""
    push = " Push an image before you deploy this." if workload.image is None else ""
    return (
        f"{compute} layer: the web service{connected}.{push} Do not tag this stack: changing a tag replaces {replaced}."
    )


def _compute_arguments(workload: Workload) -> tuple[str, str, bool, Mapping[str, int]]:
    return workload.repository_output, workload.context, workload.checks.users_api, workload.checks.paths


def for_tasks(settings: Settings) -> Settings:
    """`settings` with endpoints for ECS tasks, in one zone where they have none."""
    return settings if settings.task_endpoints != "none" else replace(settings, task_endpoints="one")


def _with_data_stack(parts: tuple[Part, ...], what: str) -> tuple[Part, ...]:
    """`parts` after the parameter DataStackName, where one of them imports from that stack."""
    placeholder = f"${{{contract.DATA_STACK_NAME}}}"
    for _, element in elements(parts):
        attributes = (getattr(element, name, None) for name in ("resource", "expression", "fragment"))
        body = next(filter(None, attributes), None)
        if body is not None and placeholder in json.dumps(encode_to_dict(body)):
            return data_stack_name(what), *parts
    return parts
