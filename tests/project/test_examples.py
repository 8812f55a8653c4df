"""Each example makes its committed files, clean, and its layers fit together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.templates import references, unresolved

EXAMPLES = Path(__file__).parents[2] / "examples"
# The one without a folder makes no files; tests/operations/test_from_python.py runs it.
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.with_suffix("").is_dir())


def test_there_are_examples() -> None:
    assert NAMES == ["existing_vpc", "second_service"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_makes_its_committed_files_without_a_finding(name: str) -> None:
    made = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", "--check", "--out", EXAMPLES / name],
        capture_output=True,
        text=True,
    )
    assert (made.returncode, made.stderr) == (0, "")
    lines = made.stdout.splitlines()
    assert len(lines) == len([path for path in (EXAMPLES / name).rglob("*") if path.is_file()])
    assert all(line.endswith(("bytes, 0 findings", "of 10,240 characters", "boxes")) for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_every_import_of_an_example_is_exported_by_its_data_layer(name: str) -> None:
    files = {path.stem: json.loads(path.read_text()) for path in (EXAMPLES / name).glob("*-layer.json")}
    exported = {f"${{DataStackName}}-{output}" for output in files["data-layer"]["Outputs"]}
    assert not [wrong for template in files.values() for wrong in unresolved(template, exported)]


def test_the_second_service_reads_its_own_secret_and_repository_only() -> None:
    template = json.loads((EXAMPLES / "second_service" / "orders-layer.json").read_text())
    imports = {reference.name for reference in references(template) if reference.kind == "Import"}
    assert {name.removeprefix("${DataStackName}-") for name in imports} == {
        "ClusterArn",
        "ClusterEndpoint",
        "ClusterName",
        "MemoryDbSecurityGroupId",
        "OrdersPasswordSecretArn",
        "OrdersRepositoryArn",
        "OrdersUserArn",
        "OrdersUserName",
        "PrivateSubnetIds",
        "VpcId",
    }
