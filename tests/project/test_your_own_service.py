"""docs/your-own-service.md: its commands, in order, in a folder beside this project."""

from __future__ import annotations

import filecmp
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3
import pytest

from examples.shop import build
from generator.compute.ecs_express import EcsExpressCompute
from generator.images.context import Context
from rehearsal.emulator.process import ACCOUNT
from rehearsal.local_aws import LocalAws
from tests.command import output
from tests.running import ROOT

PAGE = (ROOT / "docs" / "your-own-service.md").read_text()
SHOP = ROOT / "examples" / "shop"
START, BUILD, ACCESS, FIRST, TAG, WORKFLOWS, VARIABLES = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
# These need a network; the environment of the tests has what they install.
INSTALLS = ("git clone", "python3 -m venv", "pip install")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder after the first commands."""
    beside = tmp_path_factory.mktemp("beside")
    (beside / "memorydb-apprunner").symlink_to(ROOT)
    start = "".join(f"{line}\n" for line in START.splitlines() if not line.startswith(INSTALLS))
    assert len(start.splitlines()) == len(START.splitlines()) - len(INSTALLS)
    sh(start, beside)
    return beside / "shop"


def sh(script: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = subprocess.run(["sh", "-ec", script], cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_the_page_shows_what_is_deployed() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert (SHOP / "build.py").read_text().endswith(code)


def test_the_shop_is_built_as_committed_and_rehearsed(shop: Path) -> None:
    said = sh(BUILD, shop)
    compared = filecmp.dircmp(SHOP, shop, ignore=[".git", "constraints.txt", "__pycache__"])
    assert list(differences(compared)) == []
    # After the first deployment, after one that changes nothing, and after the rotation, which leaves the mailer alone.
    assert (said.count("GET /ready       200"), said.count("GET /health      200")) == (3, 5)
    assert "\nLeft behind: nothing.\n" in said


def differences(compared: filecmp.dircmp[str]) -> Iterator[str]:
    yield from (*compared.left_only, *compared.right_only, *compared.diff_files)
    for below in compared.subdirs.values():
        yield from differences(below)


def test_the_roles_and_the_data_stack_with_its_tag_are_deployed(shop: Path, tmp_path: Path) -> None:
    access = build.deployments()[1].layers[0]
    with LocalAws(tmp_path, Context(SHOP / "catalog"), (EcsExpressCompute(),), access):
        provider = boto3.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"][0]["Arn"]
        sh(deployed(ACCESS, {"OWNER/NAME": f"example/shop OidcProviderArn={provider}"}), shop)
        values = {"ACCOUNT": ACCOUNT, "POLICY_ARN": output("shop-access", "PermissionsBoundaryArn")}
        first = deployed(FIRST, values)
        assert output("shop-access", "FirstDeployment") in first
        sh(f"{first} --layer storage", shop)
        sh(deployed(TAG), shop)
        (stack,) = boto3.client("cloudformation").describe_stacks(StackName="shop-storage")["Stacks"]
        assert stack["Tags"] == [{"Key": "team", "Value": "shop"}]
        assert "<!-- preview of shop: " in sh("python build.py preview --format markdown", shop)


def deployed(command: str, values: Mapping[str, str] | None = None) -> str:
    """A command of the page that does not ask, with values in place of the words in capitals."""
    for word, value in (values or {}).items():
        command = command.replace(word, value)
    return f"{command.strip()} --yes"


def test_the_workflows_install_what_requirements_txt_says(shop: Path) -> None:
    sh(WORKFLOWS, shop)
    workflows = {path.name: path.read_text() for path in (shop / ".github" / "workflows").iterdir()}
    assert workflows.keys() == {"preview.yml", "deploy.yml", "drift.yml"}
    for text in workflows.values():
        installs = re.findall("pip install.*", text)
        assert set(installs) == {"pip install --constraint constraints.txt --requirement requirements.txt"}
