"""Which parts make which template: a layer, the layers that this library offers, and what is deployed together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from troposphere import encode_to_dict

from generator import contract
from generator.compute.apprunner import AppRunnerCompute
from generator.compute.compute import Compute
from generator.compute.ecs_express import EcsExpressCompute
from generator.errors import TemplateError
from generator.parts.apprunner.service import app_runner
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
from generator.workload import Place, Workload


@dataclass(frozen=True)
class Layer:
    """One template: `name` makes its file and its stack, `description` its first line in the console.

    `compute` is what runs the service that the layer holds, if it holds one. `made_for` names the compute layer that
    it is, or is made for: layers made for different ones are never deployed together. One made for none goes with
    each, unless there is another of its name that is made for that one. `workload` is what runs in it.
    """

    name: str
    description: str
    parts: tuple[Part, ...]
    compute: Compute | None = None
    made_for: str = ""
    workload: Workload | None = None

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
    data = data_layer(for_tasks(settings))
    return replace(data, made_for=contract.ECS_EXPRESS_LAYER), ecs_express_layer(settings)


def all_layers(settings: Settings = Settings()) -> tuple[Layer, ...]:
    """The layers of every compute: what `build` emits. Two of them are deployed together."""
    return *default_layers(settings), *ecs_express_layers(settings)


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
    """
    users = (user(),) if users is None else users
    new = network(settings) if place is None else None
    place = new.place if new else place
    assert place
    if new:
        for_ecs = settings.task_endpoints != "none"
        network_parts: Part = (new, place_exports(place), task_endpoints(settings, new) if for_ecs else None)
    elif settings.task_endpoints != "none":
        raise TemplateError(
            "Settings.task_endpoints adds VPC endpoints to a new VPC. For ECS tasks in an existing one, pass "
            "existing_network(…, task_subnet_ids=…), and have NAT or endpoints there."
        )
    else:
        for_ecs = place.task_subnet_ids is not None
        network_parts = (
            place.inputs,
            place_exports(place),
            task_subnets_export(place.task_subnet_ids) if place.task_subnet_ids is not None else None,
        )
    contents = [
        *(["a private network"] if new else []),
        *([f"Amazon MemoryDB with a user {'of its own' if len(users) == 1 else 'for each service'}"] if users else []),
        "and a repository for the service's image",
    ]
    kind = f"Data layer{' for ECS Express' if for_ecs else ''}{'' if new else ' in an existing VPC'}"
    return Layer(
        name,
        f"{kind}: {', '.join(contents).removeprefix('and ')}. Deploy this first.",
        (
            memorydb(settings, place, users) if users else None,
            repository(),
            network_parts,
            supported_region(for_tasks(settings) if for_ecs else settings),
            *parts,
        ),
    )


def app_runner_layer(
    settings: Settings = Settings(),
    workload: Workload = Workload(),
    *parts: Part,
    name: str = contract.APP_RUNNER_LAYER,
) -> Layer:
    """A service on App Runner that runs `workload`, and `parts` of your own.

    Raises TemplateError for a workload that App Runner cannot run.
    """
    connected = ", connected to the MemoryDB cluster of a data layer's stack" if workload.memorydb is True else ""
    push = " Push an image before you deploy this." if workload.image is None else ""
    return Layer(
        name,
        f"App Runner layer: the web service{connected}.{push} Do not tag this stack: changing a tag replaces the "
        "service, or makes the update fail.",
        _with_data_stack((app_runner(settings, workload), supported_region(), *parts), "data-layer.json"),
        AppRunnerCompute(workload.repository_output, workload.context, workload.checks.users_api),
        contract.APP_RUNNER_LAYER,
        workload,
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
    """
    connected = ", connected to the MemoryDB cluster of a data layer's stack" if workload.memorydb is True else ""
    push = " Push an image before you deploy this." if workload.image is None else ""
    region = supported_region(for_tasks(settings)) if workload.memorydb else None
    return Layer(
        name,
        f"ECS Express layer: the web service{connected}.{push} Do not tag this stack: changing a tag replaces the "
        "service and its address.",
        _with_data_stack((ecs_express(workload), region, *parts), "ecs-express-data-layer.json"),
        EcsExpressCompute(workload.repository_output, workload.context, workload.checks.users_api),
        contract.ECS_EXPRESS_LAYER,
        workload,
    )


def for_tasks(settings: Settings) -> Settings:
    """`settings` with endpoints for ECS tasks, in one zone where they have none."""
    return settings if settings.task_endpoints != "none" else replace(settings, task_endpoints="one")


def _with_data_stack(parts: tuple[Part, ...], made_from: str) -> tuple[Part, ...]:
    """`parts` after the parameter DataStackName, where one of them imports from that stack."""
    placeholder = f"${{{contract.DATA_STACK_NAME}}}"
    for _, element in elements(parts):
        body = getattr(element, "resource", None) or getattr(element, "expression", None)
        if body is not None and placeholder in json.dumps(encode_to_dict(body)):
            return data_stack_name(made_from), *parts
    return parts
