"""What `deploy` says about a failure, and what `status` says later in a session of its own: the same."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from generator import Settings, contract, data_layer, user
from generator.compute import Outcome
from generator.errors import DeployError, UsageError
from generator.layers import Deployment, app_runner_deployment, ecs_express_deployment
from generator.operations import (
    DeployOptions,
    DestroyOptions,
    LayerStatus,
    Session,
    StatusOptions,
    deploy,
    destroy,
    status,
)
from rehearsal.emulator.process import Emulator, Fault
from rehearsal.local_aws import REGISTRY
from tests.operations.causes import CAUSES, CIRCUIT, RUNNER
from tests.pushed import push
from tests.ui import ListUI

APP_RUNNER, ECS = app_runner_deployment(), ecs_express_deployment()
IMAGE = f"{REGISTRY}/users:1"
NODES = {"NodeType": "db.r7g.large"}
STARTING = [kind for kind, cause in CAUSES.items() if cause.says.startswith((CIRCUIT, RUNNER))]


@dataclass(frozen=True)
class Case:
    """Faults, and the layer that meets them: of a new stack, or of one that is updated with parameters."""

    faults: tuple[Fault, ...]
    deployment: Deployment = APP_RUNNER
    layer: str = "data"
    parameters: dict[str, str] = field(default_factory=dict)
    stack: str = "UPDATE_ROLLBACK_COMPLETE"

    @property
    def new(self) -> bool:
        return self.stack.startswith("ROLLBACK")


def created(*faults: Fault, stack: str = "ROLLBACK_COMPLETE") -> Case:
    return Case(faults, stack=stack)


def updated(kind: str, hook: str = "") -> Case:
    return Case((Fault("Cluster", "update", CAUSES[kind].why, times=1, hook=hook),), parameters=NODES)


def started(kind: str, deployment: Deployment) -> Case:
    fault = Fault("Service", "start", CAUSES[kind].why)
    return Case((fault,), deployment, deployment.layers[-1].name, {contract.IMAGE_URI: IMAGE}, "ROLLBACK_COMPLETE")


CASES = {
    "A node type has no capacity": created(Fault("Cluster", reason=CAUSES["A node type has no capacity"].why)),
    "A quota is reached": updated("A quota is reached"),
    "CloudFormation's role lacks a right": updated("CloudFormation's role lacks a right"),
    "A hook refuses a resource": updated("A hook refuses a resource", hook="Company::Guard::Nodes"),
    "A rollback fails too": created(
        Fault("Cluster", reason="not now"),
        Fault("Vpc", "delete", "it has dependencies", times=1),
        stack="ROLLBACK_FAILED",
    ),
    **{kind: started(kind, APP_RUNNER if "App Runner" in kind else ECS) for kind in STARTING},
}


def fresh(deployment: Deployment, layer: str, name: str) -> LayerStatus:
    """What `status` says in a session of its own."""
    (found,) = status(deployment, Session(ListUI()), StatusOptions(name=name, layer=layer))
    return found


@pytest.fixture(scope="module")
def layers(aws: Emulator) -> None:
    """Both layers, without a running instance."""
    push(aws, IMAGE)
    deploy(APP_RUNNER, Session(ListUI()), DeployOptions(image=IMAGE, verify=False))


@pytest.mark.parametrize(("kind", "case"), CASES.items(), ids=CASES)
def test_what_deploy_said_is_what_status_says(kind: str, case: Case, aws: Emulator, layers: None) -> None:
    name = f"new-{list(CASES).index(kind)}" if case.new else "users"
    if case.new and case.layer != "data":
        deploy(case.deployment, Session(ListUI()), DeployOptions(name=name, layer="data"))
    options = DeployOptions(name=name, layer=case.layer, parameters=case.parameters, verify=False)
    with aws.faults(*case.faults), pytest.raises(DeployError) as said:
        deploy(case.deployment, Session(ListUI()), options)
    later = fresh(case.deployment, case.layer, name)
    assert later.stack
    assert later.operation
    assert (later.stack.status, later.operation.outcome) == (case.stack, Outcome.FAILED)
    assert said.value.why == CAUSES[kind].says
    assert later.cause == said.value.why


def test_an_export_that_is_in_use_is_the_cause(aws: Emulator, layers: None) -> None:
    changed = Deployment("apprunner", (data_layer(Settings(), users=(user(prefix="Other"),)),))
    options = DeployOptions(layer="data", allow_replacement=("Cluster", "Acl", "MemoryDbUser", "PasswordSecret"))
    with pytest.raises(DeployError) as said:
        deploy(changed, Session(ListUI()), options)
    assert said.value.why == CAUSES["An export is in use"].says
    assert fresh(APP_RUNNER, "data", "users").cause == said.value.why


def test_every_cause_of_the_page_is_tested() -> None:
    """The last two: above, and in test_service_cause.py."""
    others = {"An export is in use", "App Runner rolls an update back, and the stack is UPDATE_COMPLETE"}
    assert {*CASES, *others} == set(CAUSES)


def test_a_deletion_that_fails_has_the_same_cause_later(aws: Emulator) -> None:
    deploy(APP_RUNNER, Session(ListUI()), DeployOptions(name="kept", layer="data"))
    with aws.faults(Fault("Acl", "delete", reason="Not today")), pytest.raises(DeployError) as said:
        destroy(APP_RUNNER, Session(ListUI()), DestroyOptions(name="kept"))
    later = fresh(APP_RUNNER, "data", "kept")
    assert later.operation
    assert (later.operation.kind, later.cause) == ("DELETE_STACK", "Acl (AWS::MemoryDB::ACL): Not today")
    assert later.cause == said.value.why


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (DeployOptions(capabilities=("CAPABILITY_AUTO_EXPAND",)), Fault("none")),
        (DeployOptions(layer="data", parameters=NODES), Fault("change-set", reason="A hook refuses this change set")),
        (DeployOptions(container_tool="/bin/false"), Fault("none")),
    ],
    ids=["too few capabilities", "the change set fails", "no container tool"],
)
def test_what_fails_before_a_stack_is_touched_leaves_no_cause(
    options: DeployOptions, fault: Fault, aws: Emulator
) -> None:
    """AWS has no record of it."""
    deploy(APP_RUNNER, Session(ListUI()), DeployOptions(layer="data", parameters={"SnapshotRetentionDays": "5"}))
    with aws.faults(fault), pytest.raises((DeployError, UsageError)):
        deploy(APP_RUNNER, Session(ListUI()), options)
    later = fresh(APP_RUNNER, "data", "users")
    assert later.operation
    assert (later.operation.outcome, later.cause) == (Outcome.SUCCEEDED, "")


@pytest.mark.parametrize(
    ("fails", "says"),
    [("build", "The image could not be built"), ("login", "The registry refuses"), ("push", "The push was refused")],
)
def test_an_image_that_is_not_pushed_leaves_the_service_as_it_is(
    fails: str, says: str, aws: Emulator, layers: None, tmp_path: Path
) -> None:
    """Of a first deployment there is the data layer only."""
    tool = tmp_path / "podman"
    tool.write_text(f'#!/bin/sh\ncase "$1" in {fails}) exit 1 ;; image) echo amd64 ;; esac\n')
    tool.chmod(0o755)
    for name, options in (("users", DeployOptions(parameters={"MaxSize": "3"})), (f"first-{fails}", DeployOptions())):
        with pytest.raises(DeployError, match=says):
            deploy(APP_RUNNER, Session(ListUI()), replace(options, name=name, container_tool=str(tool)))
    for layer, name in (("apprunner", "users"), ("data", f"first-{fails}")):
        later = fresh(APP_RUNNER, layer, name)
        assert later.operation
        assert (later.operation.kind, later.operation.cause) == ("CREATE_STACK", "")
    assert fresh(APP_RUNNER, "apprunner", f"first-{fails}").stack is None
