"""Which parts make which template."""

from __future__ import annotations

from dataclasses import dataclass

from generator import contract
from generator.compute import AppRunnerCompute, Compute
from generator.parts.apprunner import app_runner
from generator.parts.data import imported_data
from generator.parts.memorydb import memorydb, user
from generator.parts.network import network, place_exports, supported_region
from generator.parts.registry import repository
from generator.settings import Settings
from generator.template import Part, assemble, render


@dataclass(frozen=True)
class Layer:
    """One template: `name` makes its file and its stack, `description` its first line in the console.

    `compute` is what runs the service that the layer holds, if it holds one.
    """

    name: str
    description: str
    parts: tuple[Part, ...]
    compute: Compute | None = None

    @property
    def file_name(self) -> str:
        """The template's file, such as data-layer.json."""
        return f"{self.name}-layer.json"

    def text(self) -> str:
        """The template's exact text. Raises TemplateError when the parts do not make one."""
        return render(assemble(self.description, *self.parts))


def default_layers(settings: Settings = Settings()) -> tuple[Layer, ...]:
    """The data layer and the App Runner layer, in the order in which they are deployed."""
    return data_layer(settings), app_runner_layer(settings)


def data_layer(settings: Settings) -> Layer:
    """The network, the cluster and its user, and the image repository."""
    place = network(settings)
    return Layer(
        contract.DATA_LAYER,
        "Data layer: a private network, Amazon MemoryDB with a user of its own, and a repository for the service's "
        "image. Deploy this first.",
        (
            memorydb(settings, place, (user(),)),
            repository(),
            place,
            place_exports(place),
            supported_region(),
        ),
    )


def app_runner_layer(settings: Settings) -> Layer:
    """The App Runner service."""
    return Layer(
        contract.APP_RUNNER_LAYER,
        "App Runner layer: the web service, connected to the MemoryDB cluster of a data layer's stack. Push an image "
        "before deploying this. Do not tag this stack: a changed tag replaces the service, or fails.",
        (app_runner(imported_data(), settings), supported_region()),
        AppRunnerCompute(),
    )
