"""Both layers in an existing VPC, on ECS Express Mode: MemoryDB in its private subnets, tasks in its public ones.

Run it with `python examples/existing_vpc_ecs.py --out examples/existing_vpc_ecs`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from generator import Deployment, Settings, Workload, data_layer, ecs_express_layer, existing_network
from generator.cli import main

VPC = "vpc-0a1b2c3d4e5f60718"
PRIVATE = ("subnet-0a1b2c3d4e5f60718", "subnet-0b1c2d3e4f5061728")
PUBLIC = ("subnet-0c1d2e3f405162738", "subnet-0d1e2f30415263748")


def deployments(vpc: str = VPC, private: Sequence[str] = PRIVATE, public: Sequence[str] = PUBLIC) -> list[Deployment]:
    """The same place for both layers. Its tasks reach ECR, logs and secrets through endpoints that the VPC has."""
    settings = Settings()
    place = existing_network(vpc, private, task_subnet_ids=public)
    return [
        Deployment(
            "ecs-express",
            (
                data_layer(settings, place=place),
                ecs_express_layer(settings, Workload(network=place)),
            ),
        )
    ]


if __name__ == "__main__":
    sys.exit(main(deployments))
