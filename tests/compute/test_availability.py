"""Regions in which one kind of compute is available and another is not."""

from __future__ import annotations

import pytest

from generator.compute.apprunner import AppRunnerCompute
from generator.compute.availability import unavailable
from generator.compute.ecs_express import EcsExpressCompute


@pytest.mark.parametrize("region", ["eu-north-1", "ca-central-1", "sa-east-1"])
def test_a_region_without_app_runner_names_ecs_express(region: str) -> None:
    assert unavailable(AppRunnerCompute(), region).endswith("or --compute ecs-express.")
    assert unavailable(EcsExpressCompute(), region) == unavailable(None, region) == ""


@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1", "xx-new-1"])
def test_a_region_with_app_runner_or_an_unknown_one_is_left_to_aws(region: str) -> None:
    assert unavailable(AppRunnerCompute(), region) == ""
