"""docs/from-apprunner-to-ecs-express.md, step by step: two computes beside each other on one data layer.

The tests go on where the one before ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest

from generator import contract
from generator.compute.apprunner import AppRunnerCompute
from generator.compute.ecs_express import EcsExpressCompute
from generator.layers import default_deployments
from rehearsal.stand_ins import StandIns
from tests.command import output
from tests.rehearsed import World, deployed
from tests.running import ROOT

PAGE = ROOT / "docs" / "from-apprunner-to-ecs-express.md"
ECS = "users-ecs-express"
BEFORE = {"email": "before@foo.com", "name": "before"}
BESIDE = {"email": "beside@foo.com", "name": "beside"}


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIns]:
    with deployed(tmp_path_factory.mktemp("rehearsal"), AppRunnerCompute(), EcsExpressCompute()) as made:
        yield made


@pytest.fixture
def world(stand_ins: StandIns, capsys: pytest.CaptureFixture[str]) -> World:
    return World(stand_ins, capsys, default_deployments)


def typed(world: World, line: str) -> None:
    """Runs a line of the page, which has to be there."""
    assert f"\n$ {line}\n" in PAGE.read_text(), line
    verb, *options = line.removeprefix("python build.py ").split()
    world.must(verb, *options, *(["--yes"] if verb in ("deploy", "destroy", "rotate") else []))


def read(world: World, stack: str, email: str) -> dict[str, str] | None:
    status, body = world.answer("GET", output(stack, contract.SERVICE_URL), f"/{email}")
    return dict(json.loads(body)) if status == 200 else None


def clusters() -> list[str]:
    return [cluster["ARN"] for cluster in boto3.client("memorydb").describe_clusters()["Clusters"]]


def test_the_data_stack_gets_the_endpoints_in_place(world: World) -> None:
    assert world.ask("POST", "/", BEFORE) == 200
    before = clusters()
    typed(world, "python build.py preview --compute ecs-express --layer data")
    assert "14 added" in world.said
    assert "replaced" not in world.said
    assert "removed" not in world.said
    typed(world, "python build.py deploy --compute ecs-express --layer data")
    assert clusters() == before
    assert read(world, "users-apprunner", BEFORE["email"]) == BEFORE


def test_both_serve_the_same_users(world: World) -> None:
    with world.load() as wrong:
        typed(world, "python build.py deploy --compute ecs-express")
    assert wrong == []
    assert "last operation   deployment SUCCESSFUL" in world.said
    assert "a user           written, read back, deleted" in world.said
    assert output(ECS, contract.SERVICE_URL).endswith(".ecs.eu-west-1.on.aws")
    assert read(world, ECS, BEFORE["email"]) == BEFORE
    assert world.ask("POST", "/", BESIDE, ECS) == 200
    assert read(world, "users-apprunner", BESIDE["email"]) == BESIDE


def test_the_status_shows_the_new_service(world: World) -> None:
    typed(world, "python build.py status --compute ecs-express")
    assert "runs: ACTIVE, after deployment SUCCESSFUL" in world.said
    assert "GET /ready: 200, build content-" in world.said


def test_a_rotation_reaches_both(world: World) -> None:
    with world.load(ECS) as wrong:
        typed(world, "python build.py rotate")
    assert wrong == []
    for stack in ("users-apprunner", ECS):
        assert f"{stack} will be redeployed" in world.said
        assert world.ask("GET", "/ready", stack=stack) == 200


def test_what_one_compute_is_made_of_does_not_take_away_what_the_other_needs(world: World) -> None:
    assert world("deploy", "--yes", "--layer", "data") == 1
    assert "cannot be deleted as it is in use by users-ecs-express" in world.said
    assert world("destroy", "--yes") == 1
    assert "users-ecs-express would lose their data" in world.said
    assert read(world, ECS, BEFORE["email"]) == BEFORE


def test_going_back_leaves_what_there_was(world: World) -> None:
    typed(world, "python build.py destroy --layer ecs-express")
    typed(world, "python build.py deploy --layer data")
    assert "14 removed" in world.said
    assert read(world, "users-apprunner", BESIDE["email"]) == BESIDE
    world.must("deploy", "--yes", "--compute", "ecs-express")
    assert read(world, ECS, BESIDE["email"]) == BESIDE


def test_without_app_runner_the_other_still_serves(world: World) -> None:
    before = clusters()
    with world.load(ECS) as wrong:
        typed(world, "python build.py destroy --layer apprunner")
    assert wrong == []
    assert "kept: log groups /aws/apprunner/" in world.said
    assert [read(world, ECS, user["email"]) for user in (BEFORE, BESIDE)] == [BEFORE, BESIDE]
    assert clusters() == before


def test_at_the_end_nothing_runs(world: World) -> None:
    world.must("destroy", "--yes", "--compute", "ecs-express", "--purge-images")
    assert (world.stand_ins.machines.instances, world.stand_ins.machines.clusters) == ({}, {})
