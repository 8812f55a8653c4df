"""The rules as cfn-lint's users have them: from the installed package, from the folder, in reports, before a commit."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cfn_flip import to_json

from generator.rules import RULES
from tests.environments import PROJECT, interpreter, run
from tests.rules.test_rules import FILES
from tests.running import ROOT

CFN_LINT = ("-c", "from cfnlint.runner.cli import main; main()")
TEMPLATE = """\
Resources:
  Connector:
    Type: AWS::AppRunner::VpcConnector
    Properties: {VpcConnectorName: fixed, Subnets: [subnet-0a1b2c3d], SecurityGroups: [sg-0a1b2c3d]}
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the package installed, as docs/rules.md says."""
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "generator", source / "generator", ignore=shutil.ignore_patterns("__pycache__"))
    made = interpreter(tmp_path_factory.mktemp("environment"), f"{PROJECT}[lint]", "cfn-lint[sarif,junit]")
    pip = (sys.executable, "-m", "pip", "--quiet", "--python", str(made))
    install = ("install", "--no-deps", "--no-index", "--no-build-isolation", str(source))
    subprocess.run([*pip, *install], check=True, capture_output=True)
    return made


def test_one_option_gives_every_rule_of_the_installed_package(python: Path, tmp_path: Path) -> None:
    linted = run(python, *CFN_LINT, "--append-rules=generator.rules", "--list-rules", directory=tmp_path)
    assert linted.stderr == ""
    assert [rule for rule in RULES if f"{rule}: " not in linted.stdout] == []


def test_a_line_of_the_configuration_gives_them_too(python: Path, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / ".cfnlintrc").write_text("append_rules:\n  - generator.rules\n")
    linted = run(python, *CFN_LINT, "--format", "parseable", "template.yaml", directory=tmp_path)
    assert [line.split(":")[5] for line in linted.stdout.splitlines()] == ["W9630"]


def test_reports_for_code_scanning_and_for_ci_name_the_rules(python: Path, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    options = (*CFN_LINT, "--append-rules=generator.rules", "template.yaml", "--format")
    sarif = json.loads(run(python, *options, "sarif", directory=tmp_path).stdout)
    assert [result["ruleId"] for result in sarif["runs"][0]["results"]] == ["W9630"]
    assert sarif["runs"][0]["tool"]["driver"]["rules"][0]["helpUri"] == RULES["W9630"].source_url
    junit = ElementTree.fromstring(run(python, *options, "junit", directory=tmp_path).stdout)
    assert [case.get("name") for case in junit.iter("testcase") if case.find("failure") is not None] == [
        f"W9630 {RULES['W9630'].shortdesc}"
    ]


def test_stock_cfn_lint_takes_the_folder_without_this_library(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "environment", "cfn-lint")
    assert run(python, "-c", "import generator", directory=tmp_path).returncode == 1
    stock = (python, *CFN_LINT, "--append-rules", str(ROOT / "generator" / "rules"))
    linted = run(*stock, "--format", "parseable", "--", *FILES, directory=tmp_path)
    assert linted.stderr == ""
    lines = (line.split(":") for line in linted.stdout.splitlines())
    found = {(Path(fields[0]).stem, fields[5]) for fields in lines if len(fields) > 5}
    assert {(rule, rule) for rule in RULES} <= found


def test_the_hook_runs_cfn_lint_with_the_rules() -> None:
    (hook,) = json.loads(to_json((ROOT / ".pre-commit-hooks.yaml").read_text()))
    assert hook["entry"].split() == ["cfn-lint", "--append-rules=generator.rules"]
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert hook["additional_dependencies"] == setup["options.extras_require"]["lint"].split("\n")[1:]


def test_the_hook_as_the_page_configures_it_lints_the_templates_and_no_policy() -> None:
    (pattern,) = re.findall(r"files: (\S+)", (ROOT / "docs" / "rules.md").read_text())
    files = {path.relative_to(ROOT) for path in (ROOT / "templates").rglob("*") if path.is_file()}
    templates = {path for path in files if path.name.endswith("-layer.json")}
    assert {path for path in files if re.search(pattern, str(path))} == templates
