"""The data layer in an existing VPC: `existing_network` replaces `network`, as any other `Place` could.

Run it with `python examples/existing_vpc.py --out examples/existing_vpc`.
"""

from __future__ import annotations

import sys

from generator import (
    Deployment,
    Layer,
    Settings,
    app_runner_layer,
    existing_network,
    memorydb,
    place_exports,
    repository,
    supported_region,
    user,
)
from generator.cli import main


def deployments() -> list[Deployment]:
    """A data layer without its own VPC, and the usual App Runner layer."""
    settings = Settings()
    place = existing_network()
    data_layer = Layer(
        "data",
        "Data layer in an existing VPC: Amazon MemoryDB with a user of its own, and a repository. Deploy this first.",
        (
            memorydb(settings, place, (user(),)),
            repository(),
            place,
            place_exports(place),
            supported_region(),
        ),
    )
    return [Deployment("default", (data_layer, app_runner_layer(settings)))]


if __name__ == "__main__":
    sys.exit(main(deployments))
