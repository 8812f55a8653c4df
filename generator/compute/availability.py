"""Where a kind of compute is not available, and what to use there instead."""

from __future__ import annotations

from generator.compute import Compute
from generator.compute.apprunner import AppRunnerCompute
from generator.regions import ECS_REGIONS, REGIONS


def unavailable(compute: Compute | None, region: str) -> str:
    """Why a compute cannot be used in a Region, and what can be; empty where it can, or where that is not known."""
    if isinstance(compute, AppRunnerCompute) and region not in REGIONS and region in ECS_REGIONS:
        return f"App Runner is not in {region}: choose another Region with --region, or --compute ecs-express."
    return ""
