"""`logs`: the lines of services that run on this machine, and what CloudWatch Logs may do in between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from generator import contract
from generator.aws.calls import Clock
from generator.cli import main
from generator.cli.logs import moment
from generator.compute.apprunner import AppRunnerCompute
from generator.compute.ecs_express import EcsExpressCompute
from generator.errors import DeployError
from generator.layers import Deployment, app_runner_deployment, default_deployments, ecs_express_deployment
from generator.operations import DeployOptions, LogLine, LogsOptions, Session, deploy, logs
from generator.operations.logs import Source
from rehearsal.local_aws import LocalAws
from tests.command import Captured, output
from tests.rehearsed import LocalDeployment, deployed
from tests.stubbed import stubbed
from tests.ui import ListUI

APP_RUNNER, ECS = app_runner_deployment(), ecs_express_deployment()
START = datetime.now(UTC)


@pytest.fixture(scope="module")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with deployed(tmp_path_factory.mktemp("rehearsal"), AppRunnerCompute(), EcsExpressCompute()) as made:
        deploy(ECS, Session(ListUI()), DeployOptions())
        yield made


def read(deployment: Deployment, session: Session | None = None, **options: Any) -> list[LogLine]:
    return list(logs(deployment, session or Session(ListUI()), LogsOptions(**{"since": START, **options})))


@pytest.mark.parametrize(
    ("deployment", "operation", "stream"),
    [(APP_RUNNER, "CREATE_SERVICE SUCCEEDED", "instance/"), (ECS, "deployment SUCCESSFUL", "service/Main/")],
    ids=["apprunner", "ecs-express"],
)
def test_two_instances_and_the_deployments_between_them(
    deployment: Deployment, operation: str, stream: str, local_aws: LocalAws
) -> None:
    name = deployment.layers[-1].name
    deploy(deployment, Session(ListUI()), DeployOptions(layer=name, parameters={"MaxSize": "8"}))
    lines = read(deployment)
    assert [line.moment for line in lines] == sorted(line.moment for line in lines)
    streams = list(dict.fromkeys(line.instance for line in lines if line.instance.startswith(stream)))
    assert len(streams) == 2
    marks = [line.text for line in lines if not line.instance]
    assert re.fullmatch(r"--- deployment [0-9a-f-]+ started \d\d:\d\d:\d\dZ ---", marks[0])
    assert re.fullmatch(rf"--- deployment [0-9a-f-]+ ended: {operation} \d\d:\d\d:\d\dZ ---", marks[1])
    assert len(marks) == 4
    started = [line for line in lines if '"started"' in line.text]
    assert list(dict.fromkeys(line.instance for line in started)) == streams
    assert lines.index(started[0]) < [line.text for line in lines].index(marks[2]) < lines.index(started[-1])


def test_a_filter_and_a_time_select_lines(local_aws: LocalAws) -> None:
    ready = [line for line in read(APP_RUNNER, pattern="/ready") if line.instance]
    assert ready
    assert all("/ready" in line.text for line in ready)
    assert read(APP_RUNNER, since=datetime.now(UTC) + timedelta(hours=1)) == []


def test_new_lines_are_followed_until_ctrl_c(local_aws: LocalAws, capsys: Captured) -> None:
    deployment = LocalDeployment(local_aws, capsys, default_deployments)
    looks = list[float]()

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 4:
            raise KeyboardInterrupt
        assert deployment.ask("POST", "/", {"email": "not an email", "name": str(len(looks))}) == 400

    session, found = Session(ListUI(), clock=Clock(sleep=sleep)), list[LogLine]()
    with pytest.raises(KeyboardInterrupt):
        found.extend(logs(APP_RUNNER, session, LogsOptions(since=START, follow=True)))
    # extend() keeps what came before the exception.
    assert len(found) == len(set(found))
    assert sum('"POST' in line.text or '"method"' in line.text for line in found) >= 3


def test_a_secret_in_a_line_is_redacted(local_aws: LocalAws) -> None:
    arn = output("users-apprunner", contract.SERVICE_ARN)
    group = "/aws/apprunner/" + "/".join(arn.split("/")[1:]) + "/application"
    client = boto3.client("logs")
    client.create_log_stream(logGroupName=group, logStreamName="instance/leak")
    event = {"timestamp": int(1000 * datetime.now(UTC).timestamp()), "message": "postgres://app:hunter2secret@db"}
    client.put_log_events(logGroupName=group, logStreamName="instance/leak", logEvents=[event])
    (line,) = [line for line in read(APP_RUNNER) if line.instance == "instance/leak"]
    assert line.text == "postgres://app:[redacted]@db"


def test_lines_of_several_services_name_their_layers(local_aws: LocalAws) -> None:
    both = Deployment("both", (*ECS.layers, *APP_RUNNER.layers[1:]))
    assert {line.instance.split("/")[0] for line in read(both) if line.instance} == {"apprunner", "ecs-express"}
    assert "apprunner" not in {line.instance.split("/")[0] for line in read(both, layer="ecs-express")}


def test_the_command_prints_times_with_their_zone(local_aws: LocalAws, capsys: Captured) -> None:
    assert main(default_deployments, argv=["logs", "--since", "1h", "--filter", "/ready"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert any(
        re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z instance/[0-9a-f]+ \{.*/ready", line) for line in printed
    )
    assert main(default_deployments, argv=["logs", "--since", "1s", "--filter", "nothing-has-this"]) == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith("There are no lines since ")


def test_without_a_service_there_is_no_log(local_aws: LocalAws, capsys: Captured) -> None:
    assert main(default_deployments, argv=["logs", "--name", "nobody"]) == 1
    assert "nobody-apprunner: There is no log: no service is deployed. See status." in capsys.readouterr().err
    assert main(default_deployments, argv=["logs", "--layer", "data"]) == 1
    assert "data: There is no log: the layer has no service. See status." in capsys.readouterr().err


# What CloudWatch Logs may do.


class NoOperations(AppRunnerCompute):
    def operations(self, client: Any, service_arn: str) -> Any:
        return []

    def log_groups(self, client: Any, service_arn: str) -> tuple[str, ...]:
        return ("g",)


def source(stubber: Stubber, client: Any, ui: ListUI, *, follow: bool = True) -> Source:
    session = Session(ui, clients=lambda _: client)
    options = LogsOptions(since=datetime.fromtimestamp(100, UTC), follow=follow)
    return Source(session, NoOperations(), "arn:service", "", options)


def texts(found: Source) -> list[str]:
    return [line.text for line in found.read()]


@pytest.fixture
def prepared() -> Iterator[tuple[Stubber, Any, ListUI]]:
    with stubbed("logs") as (client, stubber):
        yield stubber, client, ListUI()


def page(stubber: Stubber, since: int, *events: tuple[str, int], token: str = "", following: str = "") -> None:
    answer: dict[str, Any] = {
        "events": [
            {"eventId": text, "timestamp": 1000 * moment, "message": f"{text}\n", "logStreamName": "instance/a"}
            for text, moment in events
        ]
    }
    asked: dict[str, Any] = {"logGroupName": "g", "startTime": 1000 * since}
    stubber.add_response(
        "filter_log_events",
        answer | ({"nextToken": following} if following else {}),
        asked | ({"nextToken": token} if token else {}),
    )


def test_an_empty_page_is_not_the_last_one(prepared: tuple[Stubber, Any, ListUI]) -> None:
    page(prepared[0], 100, following="p2")
    page(prepared[0], 100, ("a", 150), token="p2", following="p3")
    page(prepared[0], 100, ("b", 151), token="p3")
    assert texts(source(*prepared)) == ["a", "b"]


def test_a_line_that_comes_late_is_told_once_and_none_twice(prepared: tuple[Stubber, Any, ListUI]) -> None:
    found = source(*prepared)
    page(prepared[0], 100, ("a", 200), ("b", 300))
    assert texts(found) == ["a", "b"]
    page(prepared[0], 240, ("late", 250), ("b", 300), ("c", 300))
    assert texts(found) == ["late", "c"]
    page(prepared[0], 240, ("late", 250), ("b", 300), ("c", 300))
    assert texts(found) == []


def test_a_group_that_does_not_exist_yet_has_no_lines(prepared: tuple[Stubber, Any, ListUI]) -> None:
    found = source(*prepared)
    prepared[0].add_client_error("filter_log_events", "ResourceNotFoundException")
    assert texts(found) == []
    page(prepared[0], 100, ("a", 150))
    assert texts(found) == ["a"]


def test_a_look_that_is_throttled_loses_nothing(prepared: tuple[Stubber, Any, ListUI]) -> None:
    found = source(*prepared)
    page(prepared[0], 100, ("a", 150), following="p2")
    prepared[0].add_client_error("filter_log_events", "ThrottlingException", "Rate exceeded")
    assert texts(found) == ["a"]
    assert "AWS throttles FilterLogEvents" in prepared[2].said[-1]
    page(prepared[0], 100, ("a", 150), ("b", 151))
    assert texts(found) == ["b"]


def test_a_log_that_is_cut_short_by_throttling_is_an_error(prepared: tuple[Stubber, Any, ListUI]) -> None:
    page(prepared[0], 100, ("a", 150), following="p2")
    prepared[0].add_client_error("filter_log_events", "ThrottlingException", "Rate exceeded")
    with pytest.raises(DeployError, match="AWS throttles FilterLogEvents"):
        texts(source(*prepared, follow=False))


def test_a_pattern_that_aws_does_not_understand_is_an_error(prepared: tuple[Stubber, Any, ListUI]) -> None:
    prepared[0].add_client_error("filter_log_events", "InvalidParameterException", "Invalid filter pattern")
    with pytest.raises(Exception, match="FilterLogEvents failed: InvalidParameterException: Invalid filter pattern"):
        texts(source(*prepared))


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("3d", 259200), ("1w", 604800)])
def test_a_time_may_be_relative(text: str, seconds: int) -> None:
    assert abs((datetime.now(UTC) - moment(text)).total_seconds() - seconds) < 5


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-11-25", "2026-11-25T00:00:00+00:00"),
        ("2026-11-25T12:30:00Z", "2026-11-25T12:30:00+00:00"),
        ("2026-11-25T12:30:00+02:00", "2026-11-25T12:30:00+02:00"),
    ],
)
def test_a_time_may_be_iso_and_is_utc_without_a_zone(text: str, iso: str) -> None:
    assert moment(text).isoformat() == iso


@pytest.mark.parametrize("text", ["yesterday", "10", "m", "-5m", "1.5h", "99999999999d", ""])
def test_another_time_is_wrong_usage(text: str, capsys: Captured) -> None:
    assert main(default_deployments, argv=["logs", f"--since={text}"]) == 64
    assert "is neither like 10m, 2h or 3d nor an ISO time" in capsys.readouterr().err
