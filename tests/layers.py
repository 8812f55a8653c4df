"""The layers of all deployments, and their templates for every combination of `Settings` that changes what is in them.

`@every_shape` runs a test with each combination. Blocks of addresses and upgrades of the engine change only a value.
`topic` is a layer with a topic alone.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
from troposphere import sns

from generator.layers import Deployment, Layer, default_deployments
from generator.settings import Settings, Spread

SHAPES = [
    Settings(zones=zones, nat=nat, flow_logs=flow_logs, private_ingress=private_ingress, task_endpoints=endpoints)
    for zones, nat, flow_logs, private_ingress, endpoints in product(
        (2, 3), get_args(Spread), (True, False), (True, False), get_args(Spread)
    )
]
every_shape = pytest.mark.parametrize("settings", SHAPES, ids=str)


@cache
def every_layer(settings: Settings = Settings()) -> tuple[Layer, ...]:
    """The data layer and the App Runner layer, then the data layer and the layer of ECS Express."""
    return tuple(layer for deployment in default_deployments(settings) for layer in deployment.layers)


def every_template(settings: Settings = Settings()) -> list[Any]:
    """Their templates."""
    return [layer.template for layer in every_layer(settings)]


def topic(name: str = "topic", **properties: Any) -> Layer:
    return Layer(name, "A topic.", (sns.Topic("Topic", **properties),))


def one_topic(**properties: Any) -> tuple[Deployment, ...]:
    return (Deployment("topic", (topic(**properties),)),)


def files(directory: Path) -> list[str]:
    """The names of templates and policies; diagrams have a test of their own."""
    return sorted(path.name for path in directory.rglob("*") if path.suffix != ".mmd" and path.name != "diagrams")
