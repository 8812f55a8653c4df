"""Each example makes its committed files, clean; a `Deployment` checks that its layers fit together."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from generator.template.capabilities import capabilities
from generator.template.stateful import data_resources
from tests.running import ROOT
from tests.templates import references

EXAMPLES = ROOT / "examples"
# The one without a folder makes no files; tests/operations/test_from_python.py runs it.
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.with_suffix("").is_dir())


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
    assert all(
        line.endswith(("bytes, 0 findings", "of 10,240 characters", "of 6,144 characters", "boxes", "protected"))
        for line in lines
    )


def layer(name: str, file: str) -> dict[str, Any]:
    template: dict[str, Any] = json.loads((EXAMPLES / name / f"{file}-layer.json").read_text())
    return template


def test_the_second_service_reads_its_own_secret_and_repository_only() -> None:
    template = layer("second_service", "orders")
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


def test_the_guard_sees_the_table_and_bucket_of_ones_own_whatever_the_layer_is_called() -> None:
    held = data_resources(layer("own_resources", "storage"))
    assert {"Attachments", "Orders", "Cluster", "PasswordSecret", "Repository"} == held.keys()


def test_the_custom_resource_is_guarded_and_the_named_role_is_told() -> None:
    template = layer("custom_resource", "data")
    assert data_resources(template)["Ledger"] == "Custom::Ledger"
    assert capabilities(template) == ("CAPABILITY_NAMED_IAM",)


def test_the_worker_needs_no_data_layer() -> None:
    template = layer("worker", "worker")
    assert not [reference for reference in references(template) if reference.kind == "Import"]
    assert "DataStackName" not in template["Parameters"]


def test_an_existing_vpc_by_ids_is_no_parameter_and_its_nat_is_used() -> None:
    assert not {"VpcId", "PrivateSubnetIds"} & layer("existing_vpc_by_ids", "data")["Parameters"].keys()
    group = layer("existing_vpc_by_ids", "apprunner")["Resources"]["ConnectorSecurityGroup"]["Properties"]
    assert [rule["Description"] for rule in group["SecurityGroupEgress"]] == ["MemoryDB", "HTTPS through NAT"]
