"""A second service on the same cluster, with its own user, secret, repository and App Runner layer.

Run it with `python examples/second_service.py --out examples/second_service`.
"""

from __future__ import annotations

import sys

from generator import (
    AppRunnerCompute,
    Deployment,
    Layer,
    Settings,
    app_runner,
    app_runner_layer,
    imported_data,
    memorydb,
    network,
    place_exports,
    repository,
    supported_region,
    user,
)
from generator.cli import main

ORDER_COMMANDS = ("hset", "hgetall", "del", "cluster|slots", "command", "readonly", "ping", "asking")


def deployments() -> list[Deployment]:
    """One data layer with two users, and a layer for each service. The prefix "Orders" separates their logical IDs."""
    settings = Settings()
    place = network(settings)
    users = (user(), user("Orders", keys="order:*", commands=ORDER_COMMANDS))
    data_layer = Layer(
        "data",
        "Data layer for two services: a private network, Amazon MemoryDB with a user for each, and two repositories.",
        (
            memorydb(settings, place, users),
            repository(),
            repository("Orders"),
            place,
            place_exports(place),
            supported_region(),
        ),
    )
    orders_layer = Layer(
        "orders",
        "App Runner layer of the orders service, on the data layer of both. Push an image before deploying this.",
        (app_runner(imported_data("Orders"), settings), supported_region()),
        AppRunnerCompute(repository="OrdersRepositoryUri", context="orders", users_api=False),
    )
    return [Deployment("default", (data_layer, app_runner_layer(settings), orders_layer))]


if __name__ == "__main__":
    sys.exit(main(deployments))
