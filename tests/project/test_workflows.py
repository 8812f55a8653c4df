"""The workflows' commands are run: with a recorded `python`, and drift's with a recorded `gh` and each exit code."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator.cli import parser
from tests.running import ROOT


def workflow(name: str) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    return loaded


WORKFLOW = workflow("drift")
JOB = WORKFLOW["jobs"]["drift"]
_, _, _, _, DETECT, REPORT, END = JOB["steps"]

STATUS = """\
users-data: CREATE_COMPLETE
  ClusterName: db-1
  drift: Cluster is MODIFIED
    /SnapshotRetentionLimit: 7 is 1
"""


def programs(directory: Path, **scripts: str) -> str:
    """A PATH on which these shell scripts come first."""
    directory.mkdir()
    for name, script in scripts.items():
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"


def run(directory: Path, code: int, number: str = "") -> tuple[list[str], str]:
    """What is asked of GitHub, and the issue's text, when `status` ends with a code and an issue is open or not."""
    environment = {
        "PATH": programs(
            directory / "bin",
            python=f"cat <<'END'\n{STATUS}END\nexit {code}",
            gh=f'echo "$@" >> {directory}/calls\ncase "$*" in *--jq*) echo "{number}" ;; esac',
        ),
        "DEPLOYMENT": "",
        "NAME": "users",
        "ISSUES": "repos/o/r/issues",
        "GITHUB_OUTPUT": str(directory / "output"),
        "GITHUB_STEP_SUMMARY": str(directory / "summary"),
    }
    for step in (DETECT, REPORT):
        subprocess.run(
            ["bash", "-e", "-c", step["run"]], cwd=directory, env={**environment, "CODE": str(code)}, check=True
        )
    assert (directory / "output").read_text() == f"code={code}\n"
    ended = subprocess.run(["bash", "-c", END["run"]], env={**environment, "CODE": str(code)}, check=False)
    assert ended.returncode == (code == 1)
    calls = [re.sub(" --jq .*", "", call) for call in (directory / "calls").read_text().splitlines()]
    return calls, (directory / "issue.md").read_text()


LOOK = "api --paginate repos/o/r/issues?state=open"


@pytest.mark.parametrize(
    ("code", "number", "calls"),
    [
        (0, "", []),
        (0, "7", ["api --method PATCH repos/o/r/issues/7 --field state=closed"]),
        (2, "", ["api --method POST repos/o/r/issues --field title=Drift of users --field body=@issue.md"]),
        (2, "7", ["api --method PATCH repos/o/r/issues/7 --field body=@issue.md"]),
        (1, "7", ["api --method PATCH repos/o/r/issues/7 --field body=@issue.md"]),
    ],
)
def test_there_is_one_issue_while_there_is_drift(tmp_path: Path, code: int, number: str, calls: list[str]) -> None:
    assert run(tmp_path, code, number)[0] == [LOOK, *calls]


def test_the_issue_has_the_drift_and_no_outputs(tmp_path: Path) -> None:
    _, text = run(tmp_path, 2)
    assert "  drift: Cluster is MODIFIED\n    /SnapshotRetentionLimit: 7 is 1\n" in text
    assert "ClusterName" not in text
    assert text.endswith("<!-- drift of users -->\n")


def test_actions_are_pinned_and_rights_are_few() -> None:
    actions = [step["uses"] for step in JOB["steps"] if "uses" in step]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in actions)
    assert (WORKFLOW["permissions"], set(JOB["permissions"])) == ({}, {"contents", "id-token", "issues"})
    assert JOB["steps"][0]["with"] == {"persist-credentials": False}


@pytest.mark.parametrize("name", ["preview", "deploy", "drift"])
@pytest.mark.parametrize("deployment", ["", "ecs-express", "it's $(one)"])
def test_every_command_is_for_the_deployment_of_one_variable(tmp_path: Path, name: str, deployment: str) -> None:
    steps = [step for job in workflow(name)["jobs"].values() for step in job["steps"]]
    commands = [step for step in steps if "build.py" in step.get("run", "")]
    assert {step["env"]["DEPLOYMENT"] for step in commands} == {"${{ vars.DEPLOYMENT }}"}
    environment = {
        "PATH": programs(tmp_path / "bin", python=f"printf '%s\\n' \"$@\" >> {tmp_path}/given\necho '{{}}'", jq=":"),
        "DEPLOYMENT": deployment,
        **{"NAME": "users", "COMMIT": "abc", "CHANGE_SETS": "one two"},
        **{"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")},
    }
    for step in commands:
        subprocess.run(["bash", "-e", "-c", step["run"]], cwd=tmp_path, env=environment, check=True)
    commands_given = [text.splitlines() for text in (tmp_path / "given").read_text().split("build.py\n")[1:]]
    assert len(commands_given) == {"preview": 1, "deploy": 3, "drift": 1}[name]
    for given in commands_given:
        arguments = parser(verb=given[0]).parse_args(given)
        assert (arguments.deployment, arguments.name) == (deployment, "users")


def test_a_note_on_gitlab_is_the_preview_s_text_and_its_exit_code_is_kept(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    script = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])["preview"]["script"]
    curl = f"printf '%s\\n' \"$@\" > {tmp_path}/given\ncat preview.md >> {tmp_path}/given"
    environment = {
        "PATH": programs(tmp_path / "bin", python="echo '### Preview'\nexit 3", curl=curl),
        **{"CI_API_V4_URL": "https://gitlab.example/api/v4", "CI_PROJECT_ID": "7", "CI_MERGE_REQUEST_IID": "5"},
        **{"DEPLOYMENT": "", "DEPLOYMENT_NAME": "shop", "CI_COMMIT_SHORT_SHA": "abc", "PREVIEW_ROLE_ARN": "role"},
        "NOTES_TOKEN": "token",
    }
    ran = subprocess.run(["bash", "-e", "-c", "\n".join(script)], cwd=tmp_path, env=environment)
    assert ran.returncode == 3
    given = (tmp_path / "given").read_text().splitlines()
    assert given[-4:] == [
        "--data-urlencode",
        "body@preview.md",
        "https://gitlab.example/api/v4/projects/7/merge_requests/5/notes",
        "### Preview",
    ]
