"""`python -m generator`: what build.py does, with the default settings."""

from __future__ import annotations

import sys

from generator.cli import main
from generator.iam.access import access_deployment
from generator.layers import Deployment, default_deployments


def deployments() -> tuple[Deployment, ...]:
    """A deployment for each compute, and the roles of each."""
    services = default_deployments()
    return *services, *map(access_deployment, services)


if __name__ == "__main__":
    sys.exit(main(deployments))
