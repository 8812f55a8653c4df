"""A second service on the same cluster, with its own user, secret, repository and App Runner layer.

Run it with `python examples/second_service.py --out examples/second_service`.
"""

from __future__ import annotations

import sys

from generator import Deployment, Settings, Verification, Workload, app_runner_layer, data_layer, repository, user
from generator.cli import main

ORDER_COMMANDS = ("hset", "hgetall", "del", "cluster|slots", "command", "readonly", "ping", "asking")


def deployments(context: str = "") -> list[Deployment]:
    """One data layer with two users and two repositories, and a layer for each service.

    context: the folder that the second image is built from; by default it is built elsewhere.
    """
    settings = Settings()
    users = (user(), user("Orders", keys="order:*", commands=ORDER_COMMANDS))
    orders = Workload(prefix="Orders", context=context, verification=Verification(paths={"/health": 200}))
    return [
        Deployment(
            "apprunner",
            (
                data_layer(settings, repository("Orders"), users=users),
                app_runner_layer(settings),
                app_runner_layer(settings, orders, name="orders"),
            ),
        )
    ]


if __name__ == "__main__":
    sys.exit(main(deployments))
