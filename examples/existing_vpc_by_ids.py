"""Both layers in an existing VPC with NAT, by the IDs of the VPC and its subnets.

Run it with `python examples/existing_vpc_by_ids.py --out examples/existing_vpc_by_ids`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from generator import Deployment, Settings, Workload, app_runner_layer, data_layer, existing_network
from generator.cli import main

VPC = "vpc-0a1b2c3d4e5f60718"
SUBNETS = ("subnet-0a1b2c3d4e5f60718", "subnet-0b1c2d3e4f5061728")


def deployments(vpc: str = VPC, subnets: Sequence[str] = SUBNETS) -> list[Deployment]:
    """A service that also calls the internet, through the NAT gateway that the VPC has."""
    settings = Settings()
    place = existing_network(vpc, subnets)
    return [
        Deployment(
            "apprunner",
            (
                data_layer(settings, place=place),
                app_runner_layer(settings, Workload(internet=True)),
            ),
        )
    ]


if __name__ == "__main__":
    sys.exit(main(deployments))
