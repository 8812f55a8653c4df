"""The release workflow: a tag is released only as the version that it names, with few rights."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import generator
from tests.running import ROOT

JOBS: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
CHECKS = {step["name"]: step["run"] for step in JOBS["build"]["steps"] if "name" in step}


def check(name: str, tag: str, directory: Path) -> int:
    environment = {**os.environ, "GITHUB_REF_NAME": tag}
    return subprocess.run(["bash", "-e", "-c", CHECKS[name]], cwd=directory, env=environment, check=False).returncode


@pytest.mark.parametrize(("tag", "refused"), [(f"v{generator.__version__}", 0), ("v9.9.9", 1), ("v", 1)])
def test_the_tag_is_the_version_of_the_wheel(tag: str, refused: int, tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / f"memorydb_apprunner-{generator.__version__}-py3-none-any.whl").touch()
    assert check("The tag is the version", tag, tmp_path) == refused


def test_the_links_of_the_page_on_pypi_are_those_of_the_tag(tmp_path: Path) -> None:
    before = (ROOT / "README.md").read_text()
    (tmp_path / "README.md").write_text(before)
    environment = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_REF_NAME": "v1.0.0"}
    step = CHECKS["The README's links are those of the tag"]
    subprocess.run(["bash", "-e", "-c", step], cwd=tmp_path, env={**os.environ, **environment}, check=True)
    after = (tmp_path / "README.md").read_text()
    link = re.compile(r"\]\(([^)]+)\)")
    here = "https://github.com/o/r/blob/v1.0.0/"
    assert link.findall(after) == [url if ":" in url else here + url for url in link.findall(before)]
    assert "git clone https://github.com/o/r memorydb-apprunner" in after


CHANGELOG = (
    "# Changelog\n\n## [Unreleased]\n\n## [1.10.0] - 2026-12-01\n\n### Added\n\n- New.\n\n## [1.1.0]\n\n- Old.\n"
)


@pytest.mark.parametrize(
    ("tag", "notes"),
    [("v1.10.0", "\n### Added\n\n- New.\n\n"), ("v1.1.0", "\n- Old.\n"), ("v1.0.0", ""), ("v1.1", "")],
)
def test_the_notes_are_the_versions_part_of_the_changelog(tag: str, notes: str, tmp_path: Path) -> None:
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    assert check("The changelog has the version", tag, tmp_path) == (not notes)
    assert (tmp_path / "release" / "notes.md").read_text() == notes


def test_actions_are_pinned_and_only_one_job_has_each_right() -> None:
    actions = [step["uses"] for job in JOBS.values() for step in job["steps"] if "uses" in step]
    assert [action for action in actions if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)] == []
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "check": {"contents": "read"},
        "build": {"contents": "read"},
        "pypi": {"id-token": "write"},
        "github": {"contents": "write"},
    }
    assert JOBS["pypi"]["environment"] == "pypi"


def test_nothing_is_published_unchecked() -> None:
    assert (JOBS["pypi"]["needs"], JOBS["github"]["needs"]) == (["check", "build"], "pypi")
