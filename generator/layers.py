"""Which parts make which template, and which templates are deployed together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from generator import contract
from generator.compute import Compute
from generator.compute.apprunner import AppRunnerCompute
from generator.compute.ecs_express import EcsExpressCompute
from generator.errors import TemplateError, UsageError
from generator.parts.apprunner.service import app_runner
from generator.parts.data.memorydb import memorydb
from generator.parts.data.repository import repository
from generator.parts.data.user import user
from generator.parts.ecs_express.endpoints import task_endpoints
from generator.parts.ecs_express.service import ecs_express
from generator.parts.imports import imported_data
from generator.parts.network.place import place_exports
from generator.parts.network.vpc import network
from generator.parts.network.zones import supported_region
from generator.settings import Settings
from generator.stacks.change_set import DATA
from generator.template.assemble import assemble
from generator.template.elements import Part
from generator.template.render import render


@dataclass(frozen=True)
class Layer:
    """One template, deployed as one stack.

    name: the stack is `<deployment's prefix>-<name>`. description: the template's, which the console shows.
    compute: what runs the service that the layer holds, if it holds one. template_name: the file is
    `<template_name>-layer.json`; by default the layer's own name.
    """

    name: str
    description: str
    parts: tuple[Part, ...]
    compute: Compute | None = None
    template_name: str = ""

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
        return render(assemble(self.description, *self.parts))

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
        return frozenset(_imports(self.template))

    @property
    def holds_data(self) -> bool:
        """Whether a resource of the template holds what cannot be created again."""
        return any(resource["Type"] in DATA for resource in self.template["Resources"].values())


@dataclass(frozen=True)
class Deployment:
    """What is deployed together: layers, in the order in which they are deployed. `--deployment` chooses one by name.

    Raises TemplateError for two layers of one name, which would be one stack.
    """

    name: str
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        names = [layer.name for layer in self.layers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise TemplateError(f"Two layers of the deployment {self.name} are named {twice[0]!r}.")

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


def app_runner_deployment(settings: Settings = Settings()) -> Deployment:
    """The data layer and the App Runner layer."""
    return Deployment(contract.APP_RUNNER_LAYER, (data_layer(settings), app_runner_layer(settings)))


def ecs_express_deployment(settings: Settings = Settings()) -> Deployment:
    """The data layer and the ECS Express layer. Where `settings` say "none", the tasks' endpoints are in one zone."""
    data = replace(data_layer(_for_tasks(settings)), template_name="ecs-express-data")
    return Deployment(contract.ECS_EXPRESS_LAYER, (data, ecs_express_layer(settings)))


def default_deployments(settings: Settings = Settings()) -> tuple[Deployment, ...]:
    """What build.py deploys as it is: one deployment for each compute, App Runner's first."""
    return app_runner_deployment(settings), ecs_express_deployment(settings)


def data_layer(settings: Settings) -> Layer:
    """The network, the cluster and its user, and the image repository."""
    place = network(settings)
    for_tasks = () if settings.task_endpoints == "none" else (task_endpoints(settings, place),)
    return Layer(
        contract.DATA_LAYER,
        f"Data layer{' for ECS Express' if for_tasks else ''}: a private network, Amazon MemoryDB with a user of its "
        "own, and a repository for the service's image. Deploy this first.",
        (
            memorydb(settings, place, (user(),)),
            repository(),
            place,
            place_exports(place),
            *for_tasks,
            supported_region(settings),
        ),
    )


def app_runner_layer(settings: Settings) -> Layer:
    """The App Runner service."""
    return Layer(
        contract.APP_RUNNER_LAYER,
        "App Runner layer: the web service, connected to the MemoryDB cluster of a data layer's stack. Push an image "
        "before you deploy this. Do not tag this stack: changing a tag replaces the service, or makes the update fail.",
        (app_runner(imported_data(), settings), supported_region()),
        AppRunnerCompute(),
    )


def ecs_express_layer(settings: Settings) -> Layer:
    """The service on Amazon ECS Express Mode, for the data layer of `ecs_express_deployment`."""
    data = imported_data(made_from="ecs-express-data-layer.json")
    return Layer(
        contract.ECS_EXPRESS_LAYER,
        "ECS Express layer: the web service, connected to the MemoryDB cluster of a data layer's stack. Push an image "
        "before you deploy this. Do not tag this stack: changing a tag replaces the service and its address.",
        (ecs_express(data), supported_region(_for_tasks(settings))),
        EcsExpressCompute(),
    )


def _for_tasks(settings: Settings) -> Settings:
    return settings if settings.task_endpoints != "none" else replace(settings, task_endpoints="one")


def _imports(node: Any) -> Iterator[str]:
    """The outputs that are imported anywhere below `node`."""
    match node:
        case {"Fn::ImportValue": {"Fn::Sub": str(name)}}:
            yield name.removeprefix(f"${{{contract.DATA_STACK_NAME}}}-")
        case dict():
            for value in node.values():
                yield from _imports(value)
        case list():
            for value in node:
                yield from _imports(value)
