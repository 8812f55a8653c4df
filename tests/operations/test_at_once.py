"""Two commands at once on one deployment: what each ends with, and what is there afterwards.

The state is always one that one of the two asked for, and the command that did not get its way says what to type.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import ClassVar

import boto3
import pytest

from generator.aws.calls import Clock
from generator.compute.apprunner import AppRunnerCompute
from generator.contract import REPOSITORY_URI
from generator.errors import GeneratorError
from generator.iam.access import access_deployment
from generator.images.context import Context
from generator.layers import app_runner_deployment
from generator.operations import DeployOptions, DestroyOptions, Session, Stack, deploy, destroy, rotate
from generator.report.results import Result
from rehearsal.emulator.process import Fault
from rehearsal.local_aws import LocalAws
from tests.command import stacks
from tests.running import ROOT
from tests.ui import ListUI

DEPLOYMENT = app_runner_deployment()
DATA, SERVICE = "users-data", "users-apprunner"

Command = Callable[[Session], object]


def deploying(layer: str = "", **parameters: str) -> Command:
    return lambda session: deploy(DEPLOYMENT, session, DeployOptions(layer=layer, parameters=parameters))


def destroying(session: Session) -> object:
    return destroy(DEPLOYMENT, session, DestroyOptions(purge_images=True))


def rotating(session: Session) -> object:
    return rotate([DEPLOYMENT], session)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    access = access_deployment(DEPLOYMENT).layers[0]
    with LocalAws(tmp_path_factory.mktemp("aws"), Context(ROOT), (AppRunnerCompute(),), access) as made:
        Asking.push = made.push
        yield made


def parameter(stack: str, name: str) -> str:
    (found,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {each["ParameterKey"]: str(each["ParameterValue"]) for each in found["Parameters"]}[name]


def operation() -> str:
    """The last operation of the service, if there is one."""
    runner = boto3.client("apprunner")
    for service in runner.list_services()["ServiceSummaryList"]:
        last = runner.list_operations(ServiceArn=service["ServiceArn"])["OperationSummaryList"][0]
        return f"{last['Type']} {last['Status']}"
    return ""


@pytest.fixture(autouse=True)
def nothing_is_left(aws: LocalAws) -> Iterator[None]:
    """After each test everything that is deployed can be destroyed, and then nothing is there."""
    yield
    destroying(ready())
    assert aws.leftovers([]) == []
    memorydb = boto3.client("memorydb")
    assert (memorydb.describe_users()["Users"], memorydb.describe_acls()["ACLs"]) == ([], [])
    assert boto3.client("apprunner").list_services()["ServiceSummaryList"] == []
    assert boto3.client("ecr").describe_repositories()["repositories"] == []


@dataclass
class Asking(ListUI):
    """A UI that does something else before it confirms, and pushes the image as soon as there is a repository."""

    push: ClassVar[Callable[[str], None]]
    meanwhile: Callable[[], object] = field(default=lambda: None)

    def show(self, result: Result) -> None:
        if isinstance(result, Stack) and REPOSITORY_URI in result.outputs:
            type(self).push(result.outputs[REPOSITORY_URI])

    def confirm(self, question: str) -> bool:
        self.meanwhile()
        return True


def ready(meanwhile: Callable[[], object] = lambda: None, clock: Clock = Clock()) -> Session:
    """A session with its clients."""
    session = Session(Asking(meanwhile=meanwhile), clock=clock)
    for service in ("cloudformation", "memorydb", "secretsmanager", "ecr", "apprunner"):
        session.client(service)
    return session


def said(command: Command, session: Session | None = None) -> str:
    """The command's error; empty if it succeeds."""
    try:
        command(session or ready())
    except GeneratorError as error:
        return str(error)
    return ""


class Release:
    """Lets the first command go on from where it is held, a resource and its action; then it is held at the next one,
    if there is one, until the last call."""

    def __init__(self, aws: LocalAws, held: tuple[tuple[str, str], ...]) -> None:
        self._aws, self._held, self._stack = aws, list(held), ExitStack()
        self._hold()

    def _hold(self) -> None:
        here = [Fault(*self._held.pop(0), held=True)] if self._held else []
        self._stack.enter_context(self._aws.emulator.faults(*here))
        self._went_on = False

    def __call__(self, *, last: bool = False) -> None:
        if last:
            self._stack.close()
        elif not self._went_on:
            self._hold()
            self._went_on = True


Run = Callable[[Command, Release], tuple[str, str]]


def during(stack: str, status: str, second: Command, *, until: str = "") -> Run:
    """Runs the second command when the first has brought a stack, or the service's operation, into this status, in
    which it is held until the second has ended or waits. It waits until the data stack has the status `until`, in which
    the first is held again."""

    def run(first: Command, release: Release) -> tuple[str, str]:
        def sleep(seconds: float) -> None:
            release()
            while until and stacks().get(DATA) != until:
                time.sleep(0.02)
            time.sleep(seconds)

        outcome: dict[str, str] = {}
        session = ready(clock=Clock(sleep=sleep))
        thread = threading.Thread(target=lambda: outcome.update(first=said(first)))
        thread.start()
        while status not in (stacks().get(stack), operation()):
            assert thread.is_alive(), outcome
            time.sleep(0.02)
        second_said = said(second, session)
        release(last=True)
        thread.join()
        return outcome["first"], second_said

    return run


def before_the_confirmation(second: Command) -> Run:
    """Runs the second command while the first asks."""

    def run(first: Command, release: Release) -> tuple[str, str]:
        outcome: list[str] = []
        first_said = said(first, ready(lambda: outcome.append(said(second))))
        return first_said, outcome[0]

    return run


DELETED = (
    "The stack was deleted while it was deployed: another command or the console deleted it. If it was not meant to be "
    "deleted, deploy again."
)
OBSOLETE = (
    "Nothing was executed: another deployment was executed, or the change set was deleted, after this one was shown. "
    "Deploy again to see what is left to change."
)
GONE = (
    "There is no repository for the image: the stack is being deleted, or has no output RepositoryUri. Deploy the data "
    "layer first, or pass --image URI."
)
GONE_AGAIN = (
    "Nothing was executed: another command or the console deleted the stack after its change set was shown. If it was "
    "not meant to be deleted, deploy again."
)
UPDATING = "Nothing was changed: the stack is being updated by another command or the console. "


@dataclass(frozen=True)
class Row:
    """Two commands, and their end: what each says, and the statuses of the stacks. held: resources and the actions
    in which the first command is held."""

    deployed: tuple[str, ...]
    first: Command
    run: Run
    first_says: str = ""
    second_says: str = ""
    end: dict[str, str] = field(default_factory=dict)
    held: tuple[tuple[str, str], ...] = ()
    value: tuple[str, str, str] = ("", "", "")


BOTH = ("data", "apprunner")
UP = {DATA: "CREATE_COMPLETE", SERVICE: "CREATE_COMPLETE"}
PAIRS = {
    "create, create while the first asks": Row(
        (),
        deploying("data"),
        before_the_confirmation(deploying("data")),
        first_says=f"{DATA}: {OBSOLETE}",
        end={DATA: "CREATE_COMPLETE"},
    ),
    "create, create while the first runs": Row(
        (),
        deploying("data"),
        during(DATA, "CREATE_IN_PROGRESS", deploying("data")),
        end={DATA: "CREATE_COMPLETE"},
        held=(("Cluster", "create"),),
    ),
    "update, update while the first asks": Row(
        ("data",),
        deploying("data", SnapshotRetentionDays="8"),
        before_the_confirmation(deploying("data", SnapshotRetentionDays="9")),
        first_says=f"{DATA}: {OBSOLETE}",
        end={DATA: "UPDATE_COMPLETE"},
        value=(DATA, "SnapshotRetentionDays", "9"),
    ),
    "update, update while the first runs": Row(
        ("data",),
        deploying("data", SnapshotRetentionDays="8"),
        during(DATA, "UPDATE_IN_PROGRESS", deploying("data", SnapshotRetentionDays="9")),
        end={DATA: "UPDATE_COMPLETE"},
        held=(("Cluster", "update"),),
        value=(DATA, "SnapshotRetentionDays", "9"),
    ),
    "create, destroy while the first runs": Row(
        (),
        deploying("data"),
        during(DATA, "CREATE_IN_PROGRESS", destroying),
        first_says=f"{DATA}: {DELETED}",
        held=(("Cluster", "create"),),
    ),
    "create of the service, destroy while the first runs": Row(
        ("data",),
        deploying("apprunner"),
        during(SERVICE, "CREATE_IN_PROGRESS", destroying),
        first_says=f"{SERVICE}: {DELETED}",
        held=(("Service", "create"),),
    ),
    "update, destroy while the first runs": Row(
        BOTH,
        deploying("data", SnapshotRetentionDays="8"),
        during(DATA, "UPDATE_IN_PROGRESS", destroying),
        second_says=f"{DATA}: {UPDATING}Destroy again when it has finished: status shows that.",
        end={**UP, DATA: "UPDATE_COMPLETE"},
        held=(("Cluster", "update"),),
    ),
    "update, destroy while the first asks": Row(
        ("data",),
        deploying("data", SnapshotRetentionDays="8"),
        before_the_confirmation(destroying),
        first_says=f"{DATA}: {GONE_AGAIN}",
    ),
    "destroy, deploy of the data layer while the first runs": Row(
        ("data",),
        destroying,
        during(DATA, "DELETE_IN_PROGRESS", deploying("data")),
        end={DATA: "CREATE_COMPLETE"},
        held=(("Cluster", "delete"),),
    ),
    "destroy, deploy of both while the service is deleted": Row(
        BOTH,
        destroying,
        during(SERVICE, "DELETE_IN_PROGRESS", deploying(), until="DELETE_IN_PROGRESS"),
        second_says=f"{DATA}: {GONE}",
        held=(("Service", "delete"), ("Cluster", "delete")),
    ),
    "rotate, deploy of the service while it is redeployed": Row(
        BOTH,
        rotating,
        during(SERVICE, "START_DEPLOYMENT IN_PROGRESS", deploying("apprunner", MaxSize="4", Cpu="2048", Memory="4096")),
        end={**UP, SERVICE: "UPDATE_COMPLETE"},
        held=(("", "start"),),
    ),
    "deploy of the service, rotate while the first runs": Row(
        BOTH,
        deploying("apprunner", Cpu="2048", Memory="4096"),
        during(SERVICE, "UPDATE_IN_PROGRESS", rotating),
        second_says=f"{SERVICE}: {UPDATING}Rotate again when it has finished: status shows that.",
        end={**UP, SERVICE: "UPDATE_COMPLETE"},
        held=(("Service", "update"),),
    ),
    "deploy of the data layer, rotate while the first runs": Row(
        BOTH,
        deploying("data", SnapshotRetentionDays="8"),
        during(DATA, "UPDATE_IN_PROGRESS", rotating),
        second_says=f"{DATA}: {UPDATING}Rotate again when it has finished: status shows that.",
        end={**UP, DATA: "UPDATE_COMPLETE"},
        held=(("Cluster", "update"),),
    ),
    "rotate, deploy of both while the first asks": Row(
        BOTH, rotating, before_the_confirmation(deploying(MaxSize="4")), end={**UP, SERVICE: "UPDATE_COMPLETE"}
    ),
}


@pytest.mark.parametrize("row", PAIRS.values(), ids=PAIRS)
def test_a_pair_of_commands_ends_in_the_state_of_one(row: Row, aws: LocalAws) -> None:
    for layer in row.deployed:
        assert said(deploying(layer)) == ""
    found = row.run(row.first, Release(aws, row.held))
    assert (*found, stacks()) == (row.first_says, row.second_says, row.end)
    name, key, value = row.value
    assert not name or parameter(name, key) == value
