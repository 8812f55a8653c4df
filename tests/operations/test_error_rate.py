"""Deployments of an Express service under load with 404s: what the command says before, and what ECS does."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import boto3
import pytest

from generator import contract
from generator.compute.ecs_express import EcsExpressCompute
from generator.iam.access import access_deployment
from generator.images.context import Context
from generator.layers import Deployment, default_deployments
from rehearsal.local_aws import NAME, LocalAws, environment
from tests.command import Captured, Command, output
from tests.running import ROOT

STACK = f"{NAME}-ecs-express"
CONNECTIONS, REQUESTS = 2, 10
DEPLOY = ("deploy", "--yes", "--layer", "ecs-express", "--name", NAME)
STATUS = ("status", "--layer", "ecs-express", "--name", NAME)
REFUSED = f"{STACK}: The deployment would be rolled back: too many requests are answered with 4xx or 5xx, "


def deployments() -> tuple[Deployment, ...]:
    return tuple(found for found in default_deployments() if found.name == "ecs-express")


class Clock:
    """Each answer moves it on, so that a minute has as many answers on a slow machine; without load, a minute each."""

    def __init__(self) -> None:
        self.passed, self.answers = 0.0, 1

    def __call__(self) -> float:
        self.passed += 1 / self.answers
        return self.passed


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def local_aws(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    access = access_deployment(deployments()[0]).layers[0]
    directory = tmp_path_factory.mktemp("rehearsal")
    with LocalAws(directory, Context(ROOT), (EcsExpressCompute(),), access, clock=clock) as made:
        yield made


@pytest.fixture
def command(local_aws: LocalAws, capsys: Captured) -> Command:
    return Command(deployments, capsys)


@contextmanager
def load(every: int, clock: Clock) -> Iterator[None]:
    """Requests for a known user from several connections at once; each `every`th is for an unknown one. A minute has
    five or six of these: fewer 404s do not count."""
    proxy, host = urlsplit(os.environ["HTTPS_PROXY"]), urlsplit(output(STACK, contract.SERVICE_URL)).netloc
    trust = ssl.create_default_context()
    numbers, ended = itertools.count(1), threading.Event()

    def connection() -> http.client.HTTPSConnection:
        made = http.client.HTTPSConnection(proxy.hostname or "", proxy.port, timeout=20, context=trust)
        made.set_tunnel(host, 443)
        return made

    def ask() -> None:
        while not ended.is_set():
            # An instance that is stopped ends its connections.
            with suppress(OSError, http.client.HTTPException):
                client = connection()
                for number in itertools.islice(numbers, REQUESTS):
                    client.request("GET", "/unknown@foo.com" if number % every == 0 else "/known@foo.com")
                    client.getresponse().read()
                client.close()

    first = connection()
    first.request("POST", "/", json.dumps({"email": "known@foo.com", "name": "a"}))
    assert first.getresponse().status == 200
    first.close()
    threads = [threading.Thread(target=ask) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        clock.answers = every * 11 // 2
        until = clock.passed + 3
        while clock.passed < until:
            time.sleep(0.02)
        yield
    finally:
        clock.answers = 1
        ended.set()
        for thread in threads:
            thread.join()
        print(f"{next(numbers)} requests, one of {every} for an unknown user")


def rates() -> list[float]:
    """What ECS's alarm sees, in percent."""
    cloudwatch, now = boto3.client("cloudwatch"), datetime.now(UTC)
    (alarm,) = cloudwatch.describe_alarms(AlarmNamePrefix="default/")["MetricAlarms"]
    period = {"StartTime": now - timedelta(minutes=5), "EndTime": now}
    (found,) = cloudwatch.get_metric_data(MetricDataQueries=alarm["Metrics"], **period)["MetricDataResults"]
    return list(found["Values"])


def last_deployment() -> str:
    arn = output(STACK, contract.SERVICE_ARN)
    return EcsExpressCompute().running(boto3.client("ecs"), arn).operation


def test_a_service_without_traffic_is_deployed(command: Command, local_aws: LocalAws) -> None:
    command.must("deploy", "--yes", "--layer", "data", "--name", NAME)
    local_aws.push(output(f"{NAME}-data", contract.REPOSITORY_URI))
    command.must(*DEPLOY)
    assert last_deployment() == "deployment SUCCESSFUL"


def test_without_the_alarm_the_error_rate_is_not_checked_which_is_said(command: Command) -> None:
    cloudwatch = boto3.client("cloudwatch")
    (name,) = (alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"] if "Rollback" in str(alarm))
    reason = f"the service has no alarm {name}"

    def error_rate() -> object:
        return json.loads(command(*STATUS, "--format", "json").out)["stacks"][0]["service"]["errorRate"]

    assert error_rate() == {"checked": True, "reason": None}
    assert "rolled back" not in command.must(*STATUS)
    for arguments in ((*DEPLOY, "--parameter", "MaxSize=6"), ("rotate", "--yes", "--name", NAME)):
        cloudwatch.delete_alarms(AlarmNames=[name])
        assert f"  error rate not checked: {reason}\n" in command.must(*STATUS)
        assert error_rate() == {"checked": False, "reason": reason}
        # ECS writes it anew.
        assert f"{STACK}: the error rate is not checked: {reason}.\n" in command.must(*arguments)
        assert error_rate() == {"checked": True, "reason": None}


@contextmanager
def without(action: str, role: str, aws: LocalAws) -> Iterator[None]:
    """The identity of a role that lacks an action."""
    iam, policy = boto3.client("iam"), {"RoleName": f"{NAME}-{role}", "PolicyName": role}
    whole = iam.get_role_policy(**policy)["PolicyDocument"]
    less = json.loads(json.dumps(whole))
    for statement in less["Statement"]:
        statement["Action"] = [one for one in statement["Action"] if one != action]
    iam.put_role_policy(**policy, PolicyDocument=json.dumps(less))
    with environment({**aws.variables, **aws.identities.of(role)}):
        yield
    iam.put_role_policy(**policy, PolicyDocument=json.dumps(whole))


@pytest.mark.parametrize("action", EcsExpressCompute().metric_actions)
def test_without_the_right_to_read_the_error_rate_nothing_is_rotated_and_the_status_is_shown(
    action: str, command: Command, local_aws: LocalAws
) -> None:
    with without(action, "rotate", local_aws):
        refused = command("rotate", "--yes", "--name", NAME)
    assert refused.code == 1
    assert f"is not authorized to perform: {action}" in refused.err
    with without(action, "deploy", local_aws):
        shown = command.must(*STATUS)
    assert f"  error rate not checked: AWS does not permit {action.partition(':')[2]}\n" in shown


def test_with_half_a_percent_of_404s_an_update_is_deployed_and_stays(command: Command, clock: Clock) -> None:
    with load(200, clock):
        assert rates() == [pytest.approx(0.5, abs=0.05)] * 3
        said = command.must(*DEPLOY, "--parameter", "MaxSize=3")
    assert "last operation   deployment SUCCESSFUL" in said


def test_with_two_percent_of_404s_an_update_is_refused_and_would_be_rolled_back(command: Command, clock: Clock) -> None:
    with load(50, clock):
        assert rates() == [pytest.approx(2, abs=0.2)] * 3
        refused = command(*DEPLOY, "--parameter", "MaxSize=4")
        rotation = command("rotate", "--yes", "--name", NAME)
        before = last_deployment()
        shown = command.must(*STATUS)
        ignored = command(*DEPLOY, "--parameter", "MaxSize=4", "--ignore-error-rate")
    assert (refused.code, rotation.code) == (1, 1)
    for run in (refused, rotation):
        assert REFUSED in run.err
        assert "and ECS allows 1 % (alarm default/" in run.err
        assert "or pass --ignore-error-rate." in run.err
    assert before == "deployment SUCCESSFUL"
    assert "  a deployment would be rolled back: too many requests are answered with 4xx or 5xx, " in shown
    assert "Old and new passwords" not in rotation.said
    assert ignored.code == 1
    assert (
        "the last operation is deployment ROLLBACK_SUCCESSFUL (Service deployment rolled back because an" in ignored.err
    )
