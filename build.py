#!/usr/bin/env python3
"""The file to edit: the settings, and what is deployed together. `python build.py --help` lists the commands."""

from __future__ import annotations

import sys
from pathlib import Path

try:
    from generator import Deployment, Settings, app_runner_deployment, ecs_express_deployment
    from generator.cli import main
    from generator.iam.access import access_deployment
except ModuleNotFoundError as missing:
    if Path(".venv", "bin", "activate").exists() and sys.prefix == sys.base_prefix:
        sys.exit(
            f"The package {missing.name} is not installed here, but .venv may have it: run `. .venv/bin/activate`."
        )
    sys.exit(f"The package {missing.name} is not installed. Run `make build`, which installs all that is needed.")


def deployments() -> tuple[Deployment, ...]:
    """What `build` writes. The other commands take the first of these, or the one that --deployment names."""
    settings = Settings()
    services = app_runner_deployment(settings), ecs_express_deployment(settings)
    return *services, *map(access_deployment, services)


if __name__ == "__main__":
    sys.exit(main(deployments))
