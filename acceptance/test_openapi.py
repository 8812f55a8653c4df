"""schemathesis asks the container whatever its own /openapi.json permits, and much that it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from acceptance.conftest import Container, note
from tests.running import curl

CASES = 2000
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


@pytest.fixture(scope="module")
def report(container: Container, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, int]]:
    assert curl(f"{container.url}/ready")[0] == 200
    directory = tmp_path_factory.mktemp("schemathesis")
    ran = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{container.url}/openapi.json"),
            *("--checks", ",".join(CHECKS), "--max-examples", "500", "--seed", "4", "--generation-database", "none"),
            *("--continue-on-failure", "--request-timeout", "10", "--no-color"),
            *("--report", "json", "--report-json-path", str(directory / "report.json")),
        ],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    made: dict[str, dict[str, int]] = json.loads((directory / "report.json").read_text())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    note(f"schemathesis: {made['test_cases']['generated']} cases of {made['operations']['tested']} operations")
    return made


def test_no_case_gets_an_answer_that_is_not_documented(report: dict[str, dict[str, int]]) -> None:
    assert report["test_cases"]["with_failures"] == 0
    assert report["test_cases"]["errored"] == 0


def test_there_were_enough_cases(report: dict[str, dict[str, int]]) -> None:
    assert report["test_cases"]["generated"] >= CASES


def test_every_operation_was_asked(report: dict[str, dict[str, int]]) -> None:
    assert report["operations"]["tested"] == report["operations"]["total"]


def test_every_line_of_the_log_is_json(report: dict[str, dict[str, int]], container: Container) -> None:
    lines = container.log().splitlines()
    assert lines
    for line in lines:
        assert isinstance(json.loads(line), dict)
