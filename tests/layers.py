"""The layers of all deployments, one after the other."""

from __future__ import annotations

from generator.layers import Layer, default_deployments
from generator.settings import Settings


def every_layer(settings: Settings = Settings()) -> tuple[Layer, ...]:
    """The data layer and the App Runner layer, then the data layer and the layer of ECS Express."""
    return tuple(layer for deployment in default_deployments(settings) for layer in deployment.layers)
