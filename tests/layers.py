"""The layers of all deployments, one after the other, and a layer with a topic alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from troposphere import sns

from generator.layers import Deployment, Layer, default_deployments
from generator.settings import Settings


def every_layer(settings: Settings = Settings()) -> tuple[Layer, ...]:
    """The data layer and the App Runner layer, then the data layer and the layer of ECS Express."""
    return tuple(layer for deployment in default_deployments(settings) for layer in deployment.layers)


def topic(name: str = "topic", **properties: Any) -> Layer:
    return Layer(name, "A topic.", (sns.Topic("Topic", **properties),))


def one_topic(**properties: Any) -> tuple[Deployment, ...]:
    return (Deployment("topic", (topic(**properties),)),)


def files(directory: Path) -> list[str]:
    """The names of templates and policies; diagrams have a test of their own."""
    return sorted(path.name for path in directory.rglob("*") if path.suffix != ".mmd" and path.name != "diagrams")
