"""The workflows' scripts, run as GitHub's runner does, with programs that record how they are called."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import generator
from generator.cli import parser
from tests.running import ROOT

WORKFLOWS: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text())["jobs"] for path in (ROOT / ".github" / "workflows").iterdir()
}
RELEASE = {step.get("name"): step.get("run") for step in WORKFLOWS["release"]["build"]["steps"]}
*_, DETECT, REPORT, END = (step.get("run") for step in WORKFLOWS["drift"]["drift"]["steps"])
GITLAB = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "ci.md").read_text(), re.DOTALL)[0])


def programs(directory: Path, **scripts: str) -> str:
    """A PATH on which these shell scripts come first."""
    directory.mkdir()
    for name, script in scripts.items():
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"


def run(script: str, directory: Path, **variables: str) -> int:
    """The exit code of a step. The runner's files are `output` and `summary`."""
    files = {"GITHUB_OUTPUT": str(directory / "output"), "GITHUB_STEP_SUMMARY": str(directory / "summary")}
    environment = {"PATH": os.environ["PATH"], **files, **variables}
    return subprocess.run(["bash", "-e", "-c", script], cwd=directory, env=environment).returncode


def test_actions_are_pinned_and_get_no_credentials_of_git() -> None:
    steps = [step for jobs in WORKFLOWS.values() for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert [step["uses"] for step in steps if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])] == []
    checkouts = [step["with"] for step in steps if step["uses"].startswith("actions/checkout@")]
    assert checkouts == [{"persist-credentials": False}] * len(checkouts)


def test_a_release_is_checked_before_it_is_published_and_one_job_has_each_right() -> None:
    jobs = WORKFLOWS["release"]
    assert {name: (job["permissions"], job.get("needs")) for name, job in jobs.items()} == {
        "check": ({"contents": "read"}, None),
        "build": ({"contents": "read"}, None),
        "pypi": ({"id-token": "write"}, ["check", "build"]),
        "github": ({"contents": "write"}, "pypi"),
    }
    assert jobs["pypi"]["environment"] == "pypi"


@pytest.mark.parametrize(("tag", "code"), [(f"v{generator.__version__}", 0), ("v9.9.9", 1), ("v", 1)])
def test_the_tag_is_the_version_of_the_wheel(tmp_path: Path, tag: str, code: int) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / f"memorydb_apprunner-{generator.__version__}-py3-none-any.whl").touch()
    assert run(RELEASE["The tag is the version"], tmp_path, GITHUB_REF_NAME=tag) == code


def test_links_on_pypi_and_in_the_notes_are_those_of_the_tag(tmp_path: Path) -> None:
    files = {name: (ROOT / name).read_text() for name in ("README.md", "CHANGELOG.md")}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    address = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_REF_NAME": "v1.0.0"}
    assert run(RELEASE["Links are those of the tag"], tmp_path, **address) == 0
    here = "https://github.com/o/r/blob/v1.0.0/"
    for name, before in files.items():
        links = [re.findall(r"\]\(([^)]+)\)", text) for text in (before, (tmp_path / name).read_text())]
        assert links[1] == [url if ":" in url else here + url for url in links[0]]
        assert any(url.startswith(here) for url in links[1])
    assert "git clone https://github.com/o/r memorydb-apprunner" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("tag", "notes"),
    [("v1.10.0", "\n### Added\n\n- New.\n\n"), ("v1.1.0", "\n- Old.\n"), ("v1.0.0", ""), ("v1.1", "")],
)
def test_the_notes_are_the_versions_part_of_the_changelog(tmp_path: Path, tag: str, notes: str) -> None:
    changelog = (
        "# Changelog\n\n## [Unreleased]\n\n## [1.10.0] - 2026-12-01\n\n### Added\n\n- New.\n\n## [1.1.0]\n\n- Old.\n"
    )
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    assert run(RELEASE["The changelog has the version"], tmp_path, GITHUB_REF_NAME=tag) == (not notes)
    assert (tmp_path / "release" / "notes.md").read_text() == notes


STATUS = """\
users-data: CREATE_COMPLETE
  ClusterName: db-1
  drift: Cluster is MODIFIED
    /SnapshotRetentionLimit: 7 is 1
"""
CREATED = "api --method POST issues --field title=Drift of users --field body=@issue.md"
UPDATED = "api --method PATCH issues/7 --field body=@issue.md"


@pytest.mark.parametrize(
    ("code", "open_issue", "calls", "begins"),
    [
        (0, "", [], "No drift of users was found."),
        (0, "7", ["api --method PATCH issues/7 --field state=closed"], "No drift of users was found."),
        (2, "", [CREATED], "Resources of users differ from their templates."),
        (2, "7", [UPDATED], "Resources of users differ from their templates."),
        (1, "7", [UPDATED], "The drift of users could not be detected everywhere."),
    ],
)
def test_there_is_one_issue_while_there_is_drift_without_outputs(
    tmp_path: Path, code: int, open_issue: str, calls: list[str], begins: str
) -> None:
    gh = f'echo "$@" >> {tmp_path}/calls\ncase "$*" in *--jq*) echo "{open_issue}" ;; esac'
    path = programs(tmp_path / "bin", python=f"cat <<'END'\n{STATUS}END\nexit {code}", gh=gh)
    variables = {"PATH": path, "DEPLOYMENT": "", "NAME": "users", "ISSUES": "issues", "CODE": str(code)}
    assert [run(script, tmp_path, **variables) for script in (DETECT, REPORT, END)] == [0, 0, code == 1]
    assert (tmp_path / "output").read_text() == f"code={code}\n"
    looked, *changed = (tmp_path / "calls").read_text().splitlines()
    assert looked.startswith("api --paginate issues?state=open --jq ")
    assert changed == calls
    text = (tmp_path / "issue.md").read_text()
    assert text == (tmp_path / "summary").read_text()
    assert text.startswith(f"{begins}\n")
    assert "  drift: Cluster is MODIFIED\n    /SnapshotRetentionLimit: 7 is 1\n" in text
    assert "ClusterName" not in text
    assert text.endswith("<!-- drift of users -->\n")


@pytest.mark.parametrize(("name", "number"), [("preview", 1), ("deploy", 3), ("drift", 1)])
@pytest.mark.parametrize("deployment", ["", "ecs-express", "it's $(one)"])
def test_every_command_is_for_the_deployment_of_one_variable(
    tmp_path: Path, name: str, number: int, deployment: str
) -> None:
    steps = [step for job in WORKFLOWS[name].values() for step in job["steps"] if "build.py" in step.get("run", "")]
    assert {step["env"]["DEPLOYMENT"] for step in steps} == {"${{ vars.DEPLOYMENT }}"}
    path = programs(tmp_path / "bin", python=f"printf '%s\\n' \"$@\" >> {tmp_path}/given\necho '{{\"layers\": []}}'")
    variables = {"DEPLOYMENT": deployment, "NAME": "users", "COMMIT": "abc", "CHANGE_SETS": "one two"}
    assert [run(step["run"], tmp_path, PATH=path, **variables) for step in steps] == [0] * len(steps)
    commands = [text.splitlines() for text in (tmp_path / "given").read_text().split("build.py\n")[1:]]
    assert len(commands) == number
    for words in commands:
        arguments = parser(verb=words[0]).parse_args(words)
        assert (arguments.deployment, arguments.name) == (deployment, "users")


def test_who_approves_a_deployment_sees_each_change_once(tmp_path: Path) -> None:
    changes = [{"effect": "adds", "logicalId": "Bucket"}, {"effect": "modifies", "logicalId": "Cluster"}]
    layers = [
        {"stackName": "users-data", "changeSet": "arn:one", "changes": changes},
        {"stackName": "users-web", "changeSet": None, "changes": []},
        {"stackName": "users-mail", "changeSet": "arn:two", "changes": changes[:1]},
    ]
    path = programs(tmp_path / "bin", python=f"cat <<'END'\n{json.dumps({'layers': layers})}\nEND")
    script = WORKFLOWS["deploy"]["preview"]["steps"][-1]["run"]
    assert run(script, tmp_path, PATH=path, DEPLOYMENT="", NAME="users") == 0
    assert (tmp_path / "output").read_text() == "change-sets=arn:one arn:two\n"
    assert (tmp_path / "summary").read_text().splitlines() == [
        *("- users-data: 2 changes", "  - adds Bucket", "  - modifies Cluster"),
        "- users-web: 0 changes",
        *("- users-mail: 1 changes", "  - adds Bucket"),
    ]


def test_a_note_on_gitlab_is_the_preview_s_text_and_its_exit_code_is_kept(tmp_path: Path) -> None:
    curl = f"printf '%s\\n' \"$@\" > {tmp_path}/given\ncat preview.md >> {tmp_path}/given"
    variables = {
        "PATH": programs(tmp_path / "bin", python="echo '### Preview'\nexit 3", curl=curl),
        **{"CI_API_V4_URL": "https://gitlab.example/api/v4", "CI_PROJECT_ID": "7", "CI_MERGE_REQUEST_IID": "5"},
        **{"DEPLOYMENT": "", "DEPLOYMENT_NAME": "shop", "CI_COMMIT_SHORT_SHA": "abc", "PREVIEW_ROLE_ARN": "role"},
        "NOTES_TOKEN": "token",
    }
    assert run("\n".join(GITLAB["preview"]["script"]), tmp_path, **variables) == 3
    assert (tmp_path / "given").read_text().splitlines()[-4:] == [
        "--data-urlencode",
        "body@preview.md",
        "https://gitlab.example/api/v4/projects/7/merge_requests/5/notes",
        "### Preview",
    ]
