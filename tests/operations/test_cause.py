"""What `deploy` says about a failure, and what `status` says later in a session of its own: the same."""

from __future__ import annotations

from dataclasses import dataclass, field

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
from tests.ui import ListUI

APP_RUNNER, ECS = app_runner_deployment(), ecs_express_deployment()
IMAGE = f"{REGISTRY}/users:1"
ACCOUNT_QUOTA = 'Resource handler returned message: "Node quota exceeded" (HandlerErrorCode: ServiceLimitExceeded)'
DENIED = (
    'Resource handler returned message: "User: arn:aws:sts::123456789012:assumed-role/users-cloudformation/x is not '
    'authorized to perform: memorydb:UpdateCluster" (HandlerErrorCode: AccessDenied)'
)
PULL = (
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref users:1: not found"
)
SECRET = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable "
    "to retrieve secret from asm: ResourceNotFoundException: Secrets Manager can't find the specified secret"
)
NODES = {"NodeType": "db.r7g.large"}


@dataclass(frozen=True)
class Case:
    """A fault, the deployment that meets it, and words of the cause. new: the stack is created."""

    words: str
    faults: tuple[Fault, ...]
    deployment: Deployment = APP_RUNNER
    layer: str = "data"
    parameters: dict[str, str] = field(default_factory=dict)
    new: bool = False
    stack: str = "UPDATE_ROLLBACK_COMPLETE"


def failed_to_start(reason: str, layer: str, words: str, *, new: bool = True) -> Case:
    deployment = APP_RUNNER if layer == "apprunner" else ECS
    parameters = {contract.IMAGE_URI: IMAGE}
    faults = (Fault("Service", "start", reason=reason),)
    return Case(words, faults, deployment, layer, parameters, new, "ROLLBACK_COMPLETE")


CASES = {
    "the cluster cannot be created": Case(
        "Cluster (AWS::MemoryDB::Cluster): Insufficient capacity",
        (Fault("Cluster", reason="Insufficient capacity for this node type in these zones"),),
        new=True,
        stack="ROLLBACK_COMPLETE",
    ),
    "a quota": Case("quota exceeded", (Fault("Cluster", "update", reason=ACCOUNT_QUOTA, times=1),), parameters=NODES),
    "a handler's access is denied": Case(
        "is not authorized to perform: memorydb:UpdateCluster",
        (Fault("Cluster", "update", reason=DENIED, times=1),),
        parameters=NODES,
    ),
    "a hook refuses": Case(
        "Cluster: this node type is not allowed (Company::Guard::Nodes)",
        (Fault("Cluster", "update", "this node type is not allowed", times=1, hook="Company::Guard::Nodes"),),
        parameters=NODES,
    ),
    "a hook refuses a creation": Case(
        "Vpc: no more networks (Company::Guard::Vpcs)",
        (Fault("Vpc", reason="no more networks", hook="Company::Guard::Vpcs"),),
        new=True,
        stack="ROLLBACK_COMPLETE",
    ),
    "the rollback fails": Case(
        "Cluster (AWS::MemoryDB::Cluster): not now; the rollback failed too: Vpc (AWS::EC2::VPC): it has dependencies",
        (Fault("Cluster", reason="not now"), Fault("Vpc", "delete", "it has dependencies", times=1)),
        new=True,
        stack="ROLLBACK_FAILED",
    ),
    "App Runner: the secret is gone": failed_to_start(
        "Secrets can't be retrieved", "apprunner", "Failure reason : Secrets can't be retrieved"
    ),
    "App Runner: the image is missing": failed_to_start(
        "Failed to pull your application image", "apprunner", "Failed to pull your application image"
    ),
    "ECS: out of memory": failed_to_start(
        "OutOfMemoryError: Container killed due to memory usage",
        "ecs-express",
        "a task stopped: Essential container in task exited, Main: OutOfMemoryError: Container killed",
    ),
    "ECS: the secret is gone": failed_to_start(SECRET, "ecs-express", "unable to retrieve secret from asm"),
    "ECS: the image is missing": failed_to_start(PULL, "ecs-express", "CannotPullContainerError"),
    "ECS: a health check fails": failed_to_start(
        "Task failed ELB health checks in (target-group users)",
        "ecs-express",
        "ECS Deployment Circuit Breaker was triggered",
    ),
}


def fresh(deployment: Deployment, layer: str, name: str) -> LayerStatus:
    """What `status` says in a session of its own."""
    (found,) = status(deployment, Session(ListUI()), StatusOptions(name=name, layer=layer))
    return found


@pytest.fixture(scope="module")
def layers(aws: Emulator) -> None:
    """Both layers, without a running instance."""
    deploy(APP_RUNNER, Session(ListUI()), DeployOptions(image=IMAGE, verify=False))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_deploy_said_is_what_status_says(case: Case, aws: Emulator, layers: None) -> None:
    name = f"new-{list(CASES.values()).index(case)}" if case.new else "users"
    if case.new and case.layer != "data":
        deploy(case.deployment, Session(ListUI()), DeployOptions(name=name, layer="data"))
    options = DeployOptions(name=name, layer=case.layer, parameters=case.parameters, verify=False)
    with aws.faults(*case.faults), pytest.raises(DeployError) as said:
        deploy(case.deployment, Session(ListUI()), options)
    later = fresh(case.deployment, case.layer, name)
    assert later.stack
    assert later.operation
    assert (later.stack.status, later.operation.outcome) == (case.stack, Outcome.FAILED)
    assert case.words in said.value.why
    assert later.cause == said.value.why


def test_an_export_that_is_in_use_is_the_cause(aws: Emulator, layers: None) -> None:
    changed = Deployment("apprunner", (data_layer(Settings(), users=(user(prefix="Other"),)), *APP_RUNNER.layers[1:]))
    options = DeployOptions(layer="data", allow_replacement=("Cluster", "Acl", "MemoryDbUser", "PasswordSecret"))
    with pytest.raises(DeployError, match="cannot be deleted as it is in use by users-apprunner") as said:
        deploy(changed, Session(ListUI()), options)
    assert fresh(APP_RUNNER, "data", "users").cause == said.value.why


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
    ids=["too few capabilities", "the change set fails", "the image cannot be built"],
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
