"""Which parts make which template."""

from __future__ import annotations

from dataclasses import dataclass, replace

from generator import contract
from generator.compute.apprunner import AppRunnerCompute
from generator.compute.compute import Compute
from generator.compute.ecs_express import EcsExpressCompute
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
from generator.template.assemble import assemble
from generator.template.elements import Part
from generator.template.render import render


@dataclass(frozen=True)
class Layer:
    """One template: `name` makes its file and its stack, `description` its first line in the console.

    `compute` is what runs the service that the layer holds, if it holds one. `made_for` names the compute layer that
    it is, or is made for: layers made for different ones are never deployed together. One made for none goes with
    each, unless there is another of its name that is made for that one.
    """

    name: str
    description: str
    parts: tuple[Part, ...]
    compute: Compute | None = None
    made_for: str = ""

    @property
    def file_name(self) -> str:
        """The template's file, such as data-layer.json, or ecs-express-data-layer.json for one made for a compute."""
        made_for = f"{self.made_for}-" if self.made_for and not self.compute else ""
        return f"{made_for}{self.name}-layer.json"

    def text(self) -> str:
        """The template's exact text. Raises TemplateError when the parts do not make one."""
        return render(assemble(self.description, *self.parts))


def default_layers(settings: Settings = Settings()) -> tuple[Layer, ...]:
    """The data layer and the App Runner layer, in the order in which they are deployed."""
    return data_layer(settings), app_runner_layer(settings)


def ecs_express_layers(settings: Settings = Settings()) -> tuple[Layer, ...]:
    """The data layer and the ECS Express layer, in the order in which they are deployed.

    Where `settings` say "none", the tasks' endpoints stand in one zone.
    """
    data = data_layer(_for_tasks(settings))
    return replace(data, made_for=contract.ECS_EXPRESS_LAYER), ecs_express_layer(settings)


def all_layers(settings: Settings = Settings()) -> tuple[Layer, ...]:
    """The layers of every compute: what `build` emits. Two of them are deployed together."""
    return *default_layers(settings), *ecs_express_layers(settings)


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
        contract.APP_RUNNER_LAYER,
    )


def ecs_express_layer(settings: Settings) -> Layer:
    """The service on Amazon ECS Express Mode, for the data layer of `ecs_express_layers`."""
    data = imported_data(made_from="ecs-express-data-layer.json")
    return Layer(
        contract.ECS_EXPRESS_LAYER,
        "ECS Express layer: the web service, connected to the MemoryDB cluster of a data layer's stack. Push an image "
        "before you deploy this. Do not tag this stack: changing a tag replaces the service and its address.",
        (ecs_express(data), supported_region(_for_tasks(settings))),
        EcsExpressCompute(),
        contract.ECS_EXPRESS_LAYER,
    )


def _for_tasks(settings: Settings) -> Settings:
    return settings if settings.task_endpoints != "none" else replace(settings, task_endpoints="one")
