"""Whole rehearsals without containers, and with each fault. acceptance/ rehearses with an image."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from troposphere import GetAtt, Sub, awslambda, iam, kms, logs, rum

from generator.cli import main
from generator.cli.rehearse import FAULTS as OFFERED
from generator.compute import verification
from generator.iam.access import access_deployment
from generator.images.context import Context
from generator.layers import Deployment, Layer, app_runner_deployment, default_deployments
from generator.parts.permissions import trust
from rehearsal.emulator.process import Call
from rehearsal.local_aws import LocalAws
from rehearsal.processes import START_SECONDS
from rehearsal.run import FAULTS, Options, Rehearsal, table
from tests.command import Command, Run
from tests.running import ROOT, eventually

STEPS = (
    *("local AWS", "preview", "data layer", "image and service", "status", "nothing to change", "rotation", "destroy"),
)


def processes(directory: Path) -> list[str]:
    """The processes in a folder below `directory`, or with an open file there: servers, emulator, service."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            used = [process.cwd(), *(file.path for file in process.open_files())]
            if process.pid != os.getpid() and any(path.startswith(f"{directory}/") for path in used):
                found.append(process.name())
    return found


class Rehearse:
    """The verb, in this process, with its temporary folders in `directory`."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._directory = directory
        self._command = Command(default_deployments, capsys)

    def __call__(self, *arguments: str) -> Run:
        environment = dict(os.environ)
        run = self._command("rehearse", "--process", *arguments)
        assert dict(os.environ) == environment
        assert processes(self._directory) == []
        assert not list(self._directory.glob("rehearsal-*"))
        return run


@pytest.fixture
def rehearse(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Rehearse:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Rehearse(tmp_path, capsys)


def test_every_verb_from_preview_to_destroy(rehearse: Rehearse) -> None:
    run = rehearse()
    assert run.code == 0, run.err
    assert all(f"\n{step:24} " in run.out for step in STEPS)
    assert run.out.splitlines()[-1] == "Left behind: nothing."
    # Verified three times: the second deployment changed nothing, and the third had the new password.
    assert run.err.count("  a user           written, read back, deleted") == 3
    assert run.err.count("retention set to 30 days") == 2
    assert "has content-" in run.err
    assert "  GET /ready: 200, build content-" in run.out
    assert "apprunner: DescribeService " in run.out
    # The README's transcript has these steps, and these facts about the service.
    (shown,) = re.findall(r"\$ make rehearse\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert re.findall(r"^(\w.*?)  +\d+\.\d s  done$", shown, re.MULTILINE) == list(STEPS)
    facts = re.findall(r"^  (\S.{15}) ", shown, re.MULTILINE)
    assert len(facts) == 6
    assert all(f"  {fact} " in run.err for fact in facts)


def test_every_verb_on_ecs_express(rehearse: Rehearse) -> None:
    run = rehearse("--compute", "ecs-express")
    assert run.code == 0, run.err
    assert run.out.splitlines()[-1] == "Left behind: nothing."
    assert run.err.count("  last operation   deployment SUCCESSFUL") == 3
    assert run.err.count("  a user           written, read back, deleted") == 3
    assert "  GET /ready: 200, build content-" in run.out
    assert "ecs: DescribeExpressGatewayService " in run.out


@pytest.mark.parametrize(
    ("fault", "message", "step"),
    [
        (
            "rollback",
            "Could not verify that the new version is running: the last operation is deployment ROLLBACK_SUCCESSFUL (",
            "update",
        ),
        ("unhealthy", "'ECS Deployment Circuit Breaker was triggered'", "image and service"),
        ("image", "/ready reports the build another, not content-", "image and service"),
    ],
)
def test_a_fault_on_ecs_express_is_found(
    fault: str, message: str, step: str, rehearse: Rehearse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "READY_SECONDS", 2)
    run = rehearse("--compute", "ecs-express", "--fault", fault)
    assert run.code == 1
    assert message in run.err
    # The log group is deleted with the stack.
    wrote = "The end of what the service wrote:\n  Missing from the environment: MEMORYDB_PASSWORD." in run.err
    assert wrote is (fault != "image")
    assert f"The fault was: {FAULTS[fault]}. It was found in: {step}." in run.out
    assert "Left behind: nothing." in run.out


def test_resources_of_a_user_s_own_deploy_with_the_roles_of_the_access_layer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A log group with a name, a role with a path and with known and unknown policies, a key, and a type that the
    emulator does not have."""
    gone: Any = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
    key = kms.Key("Key", EnableKeyRotation=True, KeyPolicy={"Version": "2012-10-17", "Statement": [ADMINISTER]}, **gone)
    group = logs.LogGroup("Group", LogGroupName=Sub("/${AWS::StackName}/work"), RetentionInDays=7, **gone)
    policy = iam.ManagedPolicy("Reads", PolicyDocument={"Version": "2012-10-17", "Statement": [LIST]})
    policies = (*("service-role/AWSLambdaBasicExecutionRole", "ReadOnlyAccess"),)
    role = iam.Role(
        "Worker",
        Path="/jobs/",
        AssumeRolePolicyDocument=trust("lambda.amazonaws.com"),
        ManagedPolicyArns=[
            *(Sub(f"arn:${{AWS::Partition}}:iam::aws:policy/{name}") for name in policies),
            policy.ref(),
        ],
    )
    function = awslambda.Function(
        "Function",
        Role=GetAtt(role, "Arn"),
        Runtime="python3.13",
        Handler="index.handler",
        Timeout=30,
        Code=awslambda.Code(ZipFile="def handler(event, context): pass"),
    )
    monitor = rum.AppMonitor("Monitor", Name="web", Domain="example.com")
    parts = (key, group, policy, role, function, monitor)
    command = Command(lambda: [Deployment("mine", (Layer("work", "Work.", parts),))], capsys)
    run = command("rehearse", "--process")
    assert run.code == 0, run.err
    assert "What ReadOnlyAccess needs is not known here, so the permissions boundary of this rehearsal " in run.err
    assert "The emulator has no AWS::RUM::AppMonitor: names and made-up attributes take their place.\n" in run.err
    assert "Left behind: nothing." in run.out


ADMINISTER = {
    "Effect": "Allow",
    "Principal": {"AWS": Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")},
    "Action": "kms:*",
    "Resource": "*",
}
LIST = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}


def test_an_update_that_app_runner_rolls_back_is_found(rehearse: Rehearse) -> None:
    run = rehearse("--fault", "rollback")
    assert run.code == 1
    assert "UPDATE_COMPLETE              rehearsal-apprunner" in run.err
    assert (
        "Could not verify that the new version is running: the last operation is UPDATE_SERVICE ROLLBACK_SUCCEEDED"
        in run.err
    )
    assert "[AppRunner] Health check failed on protocol" in run.err
    assert "  Missing from the environment: MEMORYDB_PASSWORD." in run.err
    assert f"The fault was: {FAULTS['rollback']}. It was found in: update." in run.out
    assert "Left behind: nothing." in run.out


def test_a_cluster_that_stops_answering_is_found(rehearse: Rehearse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "READY_SECONDS", 2)
    run = rehearse("--fault", "redis")
    assert run.code == 1
    assert "is answered 503: Redis does not answer in time. Look at the service's log. The user probe-" in run.err
    assert "Left behind: nothing." in run.out


def started(tmp_path: Path, *options: str, stdout: int, stderr: int) -> subprocess.Popen[str]:
    """The command in a process group of its own, with its temporary folders in `tmp_path`."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    words = [sys.executable, "build.py", "rehearse", "--process", *options]
    return subprocess.Popen(
        words, cwd=ROOT, env=environment, text=True, stdout=stdout, stderr=stderr, start_new_session=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    with started(tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr
        for line in process.stderr:
            if "=== status" in line:
                assert len(processes(tmp_path)) >= 3
                process.send_signal(number)
        assert process.wait(START_SECONDS) == 130
    eventually(lambda: not processes(tmp_path))


def test_ctrl_c_ends_stay_and_everything_is_destroyed(tmp_path: Path) -> None:
    with started(tmp_path, "--stay", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("Waiting until Ctrl-C."):
                # A terminal sends it to the whole process group.
                os.killpg(process.pid, signal.SIGINT)
        assert process.wait(START_SECONDS) == 0
    assert line == "Left behind: nothing.\n"
    assert processes(tmp_path) == []


@pytest.mark.parametrize("fault", ["build", "push"])
def test_a_fault_of_a_skipped_step_is_refused(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(default_deployments, argv=["rehearse", "--process", "--fault", fault]) == 64
    assert f"--fault {fault} needs podman or buildah" in capsys.readouterr().err


def test_docker_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(default_deployments, argv=["rehearse", "--container-tool", "docker"]) == 64
    assert "--container-tool docker: use podman or buildah. Docker and Finch cannot" in capsys.readouterr().err


def test_a_named_tool_that_does_not_work_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(default_deployments, argv=["rehearse", "--container-tool", "/nonexistent/podman"]) == 64
    assert "--container-tool /nonexistent/podman does not work: try" in capsys.readouterr().err


def test_the_tool_builds_without_the_proxy_and_pushes_through_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "podman"
    tool.write_text('#!/bin/sh\necho "$HTTPS_PROXY $NO_PROXY"\n')
    tool.chmod(0o700)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    access = access_deployment(app_runner_deployment()).layers[0]
    with LocalAws(tmp_path / "aws", Context(ROOT), (), access, str(tool)) as aws:
        assert aws.tool
        build, push = (subprocess.check_output([aws.tool, verb], text=True).split() for verb in ("build", "push"))
        assert (build, push) == (["http://proxy.example", "inside.example"], [aws.proxy.url, "127.0.0.1"])


def test_without_redis_server_the_message_says_how_to_install_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert main(default_deployments, argv=["rehearse"]) == 1
    assert capsys.readouterr().err.startswith("redis-server is missing")


def test_the_option_offers_every_fault() -> None:
    assert tuple(FAULTS) == OFFERED


def test_calls_are_counted_by_service() -> None:
    calls = [Call(*pair, "", ()) for pair in (("ecr", "B"), ("ecr", "A"), ("logs", "C"), ("ecr", "B"))]
    assert list(table(calls)) == ["ecr: A 1, B 2", "logs: C 1"]


def test_each_leftover_has_a_line_and_after_a_stay_where_it_may_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    deployment = app_runner_deployment()
    options = Options(deployment=deployment, access=access_deployment(deployment).layers[0], stay=True)
    stacks = [f"the stack users-{name} (CREATE_COMPLETE)" for name in ("data", "apprunner")]
    Rehearsal(lambda *_: 0, options, left=stacks).report()
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "Left behind:",
        "  the stack users-data (CREATE_COMPLETE)",
        "  the stack users-apprunner (CREATE_COMPLETE)",
        "Stacks that were deployed without --name rehearsal are not destroyed by a rehearsal.",
    ]
