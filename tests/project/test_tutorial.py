"""The tutorial: its commands, in order, in a copy of the project, as during `rehearse --stay`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from generator.cli import main
from generator.compute.apprunner import AppRunnerCompute
from generator.iam.access import access_deployment
from generator.images.context import Context
from generator.layers import app_runner_deployment, default_deployments
from rehearsal.local_aws import NAME, LocalAws

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
COPIED = ("build.py", "generator", "examples", "templates", "rehearsal", "service", "Dockerfile", ".dockerignore")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("clone")
    for name in COPIED:
        copying = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copying(ROOT / name, made / name)
    (made / "mine.py").write_text(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0])
    return made


def run(line: str, copy: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, *line.split()[1:]]
    environment = {**os.environ, "PYTHONPATH": "."}
    return subprocess.run(words, cwd=copy, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def test_every_step_up_to_an_account_does_what_the_page_says(copy: Path, tmp_path: Path) -> None:
    steps = PAGE.partition("## 5.")[0]
    lines = re.findall(r"^python (?!build\.py rehearse).*$", steps, re.MULTILINE)
    assert len(lines) == 10
    with LocalAws(tmp_path, Context(ROOT), (AppRunnerCompute(),), access_deployment(app_runner_deployment()).layers[0]):
        assert main(default_deployments, argv=["deploy", "--yes", "--name", NAME, "--layer", "data"]) == 0
        said = [run(line, copy) for line in lines[:3]]
        assert [one.returncode for one in said] == [0, 0, 3], [one.stderr for one in said]
        assert "      SnapshotRetentionLimit  7 → 14  (parameter SnapshotRetentionDays)" in said[0].stdout

        build = (copy / "build.py").read_text()
        (copy / "build.py").write_text(build.replace("Settings()", "Settings(flow_logs=False)"))
        said = [run(line, copy) for line in lines[3:6]]
        assert [one.returncode for one in said] == [1, 0, 0], [one.stderr for one in said]
        assert "  - FlowLogGroup  AWS::Logs::LogGroup" in said[2].stdout
        (copy / "build.py").write_text(build)

        said = [run(line, copy) for line in lines[6:]]
        assert [one.returncode for one in said] == [0, 0, 0, 0], [one.stderr for one in said]
        assert "  + Attachments  AWS::S3::Bucket" in said[1].stdout
        assert "+ OrdersMemoryDbUser" in said[2].stdout
        assert "rehearsal-orders: " in said[2].stdout


def test_the_part_of_the_page_is_refused_with_a_value_that_aws_does_not_take(copy: Path) -> None:
    mine = (copy / "mine.py").read_text()
    wrong = mine.replace("Metadata=", 'AccessControl="Everyone", Metadata=')
    assert wrong != mine
    (copy / "wrong.py").write_text(wrong)
    refused = run("python wrong.py --out wrong", copy)
    assert refused.returncode == 1
    assert "AccessControl must be one of" in refused.stderr
    assert not (copy / "wrong").exists()
