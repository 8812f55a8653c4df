"""`build`: templates, policies and diagrams as files, linted, all or none of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from troposphere import GetAtt, If, Ref, Sub, sns, sqs

from generator.cli import main
from generator.layers import Deployment, Layer, app_runner_deployment, app_runner_layer, default_deployments
from generator.settings import Settings
from generator.stacks.cloudformation import StackUpdate
from generator.workload import Workload
from tests.command import Captured
from tests.layers import files, one_topic, topic
from tests.running import ROOT

POLICIES = ["boundary.json", "deploy.json", "drift.json", "execution-role.json", "iam", "preview.json", "rotate.json"]


def app_runner() -> list[Deployment]:
    return [app_runner_deployment()]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )


def test_build_writes_a_file_for_each_layer_and_prints_a_line_for_it(tmp_path: Path, capsys: Captured) -> None:
    assert main(app_runner, argv=["build", "--out", str(tmp_path / "new" / "folder")]) == 0
    written = tmp_path / "new" / "folder"
    templates = ["apprunner-layer.json", "data-layer.json", "data-stack-policy.json"]
    assert files(written) == sorted([*templates, *POLICIES])
    out, err = capsys.readouterr()
    size = len((written / "data-layer.json").read_bytes())
    assert out.splitlines()[0] == (
        f"{written}/data-layer.json: 23 resources, 14 parameters, {size:,} of 51,200 bytes, 0 findings"
    )
    assert err == ""


@pytest.mark.parametrize(("length", "fits"), [(32, True), (90, False)])
def test_a_template_that_is_sent_without_white_space_has_its_size_without(
    length: int, fits: bool, tmp_path: Path, capsys: Captured
) -> None:
    topics = tuple(sns.Topic(f"Topic{number}", DisplayName="x" * length) for number in range(490))
    assert main(lambda: Layer("many", "", topics), argv=["build", "--no-lint", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "many-layer.json").read_text()
    sent = StackUpdate("users-many", text).body
    assert (
        f"many-layer.json: 490 resources, 0 parameters, {len(text):,} bytes, {len(sent):,} of 51,200 without white "
        "space, not linted\n"
    ) in capsys.readouterr().out
    assert (len(sent) < 51_200, len(text) > 51_200) == (fits, True)


def test_the_policies_are_for_the_deployment_of_a_name(tmp_path: Path) -> None:
    assert main(one_topic, argv=["--out", str(tmp_path), "--name", "orders"]) == 0
    policy = json.loads((tmp_path / "iam" / "preview.json").read_text())
    assert policy["Statement"][0]["Resource"] == ["arn:aws:cloudformation:*:*:stack/orders-topic/*"]


DATA = [f"{stem}-{kind}.json" for stem in ("data", "ecs-express-data") for kind in ("layer", "stack-policy")]


@pytest.mark.parametrize(
    ("deployments", "words", "written"),
    [
        (default_deployments, ["--no-lint"], sorted(["apprunner-layer.json", "ecs-express-layer.json", *DATA])),
        # The name is of a layer in both deployments.
        (default_deployments, ["--no-lint", "--layer", "data"], DATA),
        (app_runner, ["--layer", "data"], DATA[:2]),
    ],
)
def test_build_writes_the_layers_that_are_chosen(
    deployments: Callable[[], Any], words: list[str], written: list[str], tmp_path: Path
) -> None:
    assert main(deployments, argv=["build", "--out", str(tmp_path), *words]) == 0
    assert files(tmp_path) == written


def test_without_cfn_lint_the_templates_of_build_py_are_written_unlinted(tmp_path: Path) -> None:
    code = "import runpy, sys; sys.modules['cfnlint'] = None; runpy.run_path('build.py', run_name='__main__')"
    arguments = ["-c", code, "--no-lint", "--out", str(tmp_path)]
    made = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, "")
    assert "ecs-express-layer.json" in files(tmp_path)
    assert "apprunner-access-layer.json" not in files(tmp_path)


def test_without_a_verb_it_builds(tmp_path: Path, capsys: Captured) -> None:
    assert main(one_topic, argv=["--out", str(tmp_path), "--no-lint"]) == 0
    assert files(tmp_path) == ["topic-layer.json"]
    assert capsys.readouterr().out.splitlines()[0].endswith("bytes, not linted")


def test_a_diagram_of_each_layer_and_one_of_each_deployment_are_drawn(tmp_path: Path) -> None:
    assert main(default_deployments, argv=["--out", str(tmp_path), "--no-lint"]) == 0
    assert sorted(path.stem for path in (tmp_path / "diagrams").iterdir()) == [
        *("apprunner", "data", "default-architecture", "default-together", "ecs-express"),
        *("ecs-express-architecture", "ecs-express-data", "ecs-express-together"),
    ]


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_a_page_shows_current_diagrams(page: str, tmp_path: Path) -> None:
    assert main(default_deployments, argv=["--out", str(tmp_path), "--no-lint"]) == 0
    shown = re.findall(r"```mermaid\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert shown
    assert set(shown) <= {path.read_text() for path in (tmp_path / "diagrams").iterdir()}


def test_a_diagram_that_is_not_current_is_reported(tmp_path: Path, capsys: Captured) -> None:
    assert main(one_topic, argv=["--out", str(tmp_path), "--no-lint"]) == 0
    (tmp_path / "diagrams" / "topic.mmd").write_text("flowchart LR\n")
    assert main(one_topic, argv=["--out", str(tmp_path), "--no-lint", "--check"]) == 1
    assert "diagrams/topic.mmd (as it is)" in capsys.readouterr().out


def test_with_a_finding_nothing_is_written(tmp_path: Path, capsys: Captured) -> None:
    def deployments() -> list[Deployment]:
        return [Deployment("both", (topic(), topic("bad", DisplayName=Ref("Nowhere"))))]

    assert main(deployments, argv=["--out", str(tmp_path)]) == 1
    assert files(tmp_path) == []
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{tmp_path}/bad-layer.json: Topic: E1020: ")
    assert err.endswith("\nNothing was written.\n")


@pytest.mark.parametrize(
    ("value", "depends_on", "message"),
    [
        (Ref("Jobs"), [], "E1020: 'Jobs' is not in this template. base-layer.json has it: export(…) it there, and"),
        (GetAtt("Jobs", "Arn"), [], "E1010: 'Jobs' is not in this template. base-layer.json has it"),
        (Sub("${Nowhere}"), [], "E1019: 'Nowhere' is not in this template. Pass that resource or parameter to the la"),
        ("x", ["Topc"], "E3005: 'Topc' is not in this template. Did you mean Topic?"),
        # Another finding with a list.
        (GetAtt("Topic", "Arm"), [], "E1010: 'Arm' is not one of ['"),
        (If("Large", "a", "b"), [], "E1028: 'Large' is not one of []"),
    ],
)
def test_a_reference_to_what_a_template_lacks_says_where_it_is(
    value: Any, depends_on: list[str], message: str, tmp_path: Path, capsys: Captured
) -> None:
    metadata = {"cfn-lint": {"config": {"ignore_checks": ["I3011", "I3013", "I3042"]}}}
    base = Layer("base", "", (sqs.Queue("Jobs", SqsManagedSseEnabled=True, Metadata=metadata),))
    bad = Layer("bad", "", (sns.Topic("Topic"), sns.Topic("Bad", DisplayName=value, DependsOn=depends_on)))
    assert main(lambda: [base, bad], argv=["--out", str(tmp_path)]) == 1
    assert f"/bad-layer.json: Bad: {message}" in capsys.readouterr().err


def test_check_is_silent_about_what_is_current(tmp_path: Path) -> None:
    main(one_topic, argv=["--out", str(tmp_path)])
    before = (tmp_path / "topic-layer.json").stat()
    assert main(one_topic, argv=["--check", "--out", str(tmp_path)]) == 0
    after = (tmp_path / "topic-layer.json").stat()
    # Reading it may move its time of access.
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_files_of_a_renamed_layer_are_named_and_fail_the_check(tmp_path: Path, capsys: Captured) -> None:
    assert main(lambda: [Deployment("one", (topic("old"),))], argv=["--out", str(tmp_path)]) == 0
    capsys.readouterr()
    renamed = [Deployment("one", (topic("new"),))]
    assert main(lambda: renamed, argv=["--out", str(tmp_path)]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path / name}: no layer or deployment makes this file. Delete it if it is of an earlier one."
        for name in ("diagrams/old.mmd", "old-layer.json")
    ]
    assert main(lambda: renamed, argv=["--out", str(tmp_path), "--check"]) == 1
    for name in ("diagrams/old.mmd", "old-layer.json"):
        (tmp_path / name).unlink()
    assert main(lambda: renamed, argv=["--out", str(tmp_path), "--check"]) == 0


def test_check_shows_the_difference_and_writes_nothing(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "topic-layer.json"
    main(one_topic, argv=["--out", str(tmp_path)])
    path.write_text(path.read_text().replace("A topic.", "Another."))
    capsys.readouterr()
    assert main(one_topic, argv=["--check", "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert '-  "Description": "Another.",\n+  "Description": "A topic.",\n' in out
    assert err == "Not current: run `make build` and commit what it writes.\n"
    assert "Another." in path.read_text()


def test_check_shows_a_policy_that_is_not_current(tmp_path: Path, capsys: Captured) -> None:
    main(one_topic, argv=["--out", str(tmp_path)])
    assert main(one_topic, argv=["--check", "--out", str(tmp_path), "--name", "orders"]) == 1
    assert f"--- {tmp_path}/iam/preview.json (as it is)\n" in capsys.readouterr().out


def test_check_takes_a_missing_file_for_an_empty_one(tmp_path: Path, capsys: Captured) -> None:
    assert main(one_topic, argv=["--check", "--out", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().out.startswith(f"--- {tmp_path}/none/topic-layer.json (as it is)\n")
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            lambda: Layer("twice", "Twice.", (sns.Topic("Topic"), sns.Topic("Topic"))),
            "The layer twice: Logical ID Topic is used twice, by the AWS::SNS::Topic of part 1 and by the "
            "AWS::SNS::Topic of part 2.",
        ),
        (lambda: Deployment("two", (topic(), topic())), "Two layers of the deployment two are named 'topic'."),
        (
            lambda: [*one_topic(), Deployment("other", (topic(DisplayName="another"),))],
            "Two layers would be written to topic-layer.json: give one of them",
        ),
    ],
    ids=["a logical ID", "a name", "a file"],
)
def test_what_is_there_twice_is_refused(made: Any, message: str, tmp_path: Path, capsys: Captured) -> None:
    assert main(made, argv=["--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(message)
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_one_paragraph_and_1(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(one_topic, argv=["--out", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == f"Cannot write {tmp_path}/file/topic-layer.json: File exists.\n"
    assert (tmp_path / "file").read_text() == "mine"


def test_when_one_file_cannot_be_written_none_is(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "apprunner-layer.json").mkdir()
    (tmp_path / "data-layer.json").write_text("mine")
    assert main(app_runner, argv=["--out", str(tmp_path), "--no-lint"]) == 1
    assert capsys.readouterr().err == f"Cannot write {tmp_path}/apprunner-layer.json: it is a directory.\n"
    assert files(tmp_path) == ["apprunner-layer.json", "data-layer.json"]
    assert (tmp_path / "data-layer.json").read_text() == "mine"


def test_check_of_what_cannot_be_read_is_one_paragraph_and_1(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "topic-layer.json").mkdir()
    assert main(one_topic, argv=["--check", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"Cannot read {tmp_path}/topic-layer.json: Is a directory.\n"


def test_build_py_and_the_module_are_the_same_and_the_committed_templates_are_current() -> None:
    script, module = run("build.py", "--check"), run("-m", "generator", "--check")
    assert (script.returncode, script.stderr) == (0, "")
    assert script.stdout == module.stdout
    (shown,) = re.findall(r"\$ make build\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert [line for line in shown.splitlines() if line != "..." and line not in script.stdout.splitlines()] == []
    assert script.stdout.splitlines()[0].startswith("templates/data-layer.json: 23 resources")


def test_a_name_that_is_too_long_for_a_stack_is_refused(tmp_path: Path, capsys: Captured) -> None:
    assert main(lambda: topic("n" * 122), argv=["--no-lint", "--out", str(tmp_path)]) == 0
    assert main(lambda: topic("n" * 123), argv=["--no-lint", "--out", str(tmp_path)]) == 64
    assert "a name of 129 characters, and at most 128 are allowed" in capsys.readouterr().err
    assert main(lambda: topic("n" * 123), argv=["--no-lint", "--out", str(tmp_path), "--name", "shop"]) == 0


@pytest.mark.parametrize(
    ("workload", "code"),
    [
        (Workload(context="no-such-folder"), 64),
        (Workload(context="Dockerfile"), 64),
        (Workload(context="service"), 0),
        (Workload(context=""), 0),
        (Workload(context="no-such-folder", repository="team/web"), 0),
        (Workload(context="no-such-folder", image="public.ecr.aws/nginx/nginx:1.29"), 0),
    ],
)
def test_a_context_is_a_folder_where_the_image_is_built_from_it(
    workload: Workload, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(ROOT)
    layer = app_runner_layer(Settings(), workload, name="web")
    assert main(lambda: layer, argv=["--no-lint", "--out", str(tmp_path)]) == code
    refused = f"Workload.context of the layer web is {workload.context!r}, and there is no such folder."
    assert (refused in capsys.readouterr().err) is (code == 64)


@pytest.mark.parametrize(("accepted", "code"), [([], 1), (["I3011"], 0), (["E3012"], 1)])
def test_information_is_called_so_and_can_be_accepted(
    accepted: list[str], code: int, tmp_path: Path, capsys: Captured
) -> None:
    metadata = {"cfn-lint": {"config": {"ignore_checks": accepted}}}
    queue = sqs.Queue("Jobs", SqsManagedSseEnabled=True, MessageRetentionPeriod=86_400, Metadata=metadata)
    assert main(lambda: Layer("jobs", "Jobs.", (queue,)), argv=["--out", str(tmp_path)]) == code
    *findings, how, last = capsys.readouterr().err.splitlines() if code else ("", "")
    assert [line.split(": ")[2] for line in findings] == 2 * code * ["I3011 (information)"]
    assert not code or how.endswith('Metadata: {"cfn-lint": {"config": {"ignore_checks": ["I3011"]}}}')
    assert not code or last == "Nothing was written."


def test_a_rehearsal_lints_first_what_no_build_did(capsys: Captured) -> None:
    nowhere = topic("bad", DisplayName=Ref("Nowhere"))
    assert main(lambda: nowhere, argv=["rehearse", "--process"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("bad-layer.json: Topic: E1020: 'Nowhere' is not in this template.")
    assert err.endswith("\nNothing was deployed.\n")
