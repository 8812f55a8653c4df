"""The data layer in an existing VPC, which parameters name.

Run it with `python examples/existing_vpc.py --out examples/existing_vpc`.
"""

from __future__ import annotations

import sys

from generator import Deployment, Settings, app_runner_layer, data_layer, existing_network
from generator.cli import main


def deployments() -> list[Deployment]:
    """A data layer without its own VPC, and the usual App Runner layer, which imports what it needs of that VPC."""
    settings = Settings()
    return [
        Deployment(
            "apprunner",
            (
                data_layer(settings, place=existing_network()),
                app_runner_layer(settings),
            ),
        )
    ]


if __name__ == "__main__":
    sys.exit(main(deployments))
