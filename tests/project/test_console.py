"""The page for the console: its Regions, files and sums are those of the templates."""

from __future__ import annotations

import re

from generator.regions import ECS_REGIONS, REGIONS
from tests.running import ROOT

PAGE = (ROOT / "docs" / "console.md").read_text()


def test_the_regions_of_both_pairs_are_named() -> None:
    both, more = re.findall(r"Both pairs work in (.*?); ECS Express also in (.*?)\.\n", PAGE, re.DOTALL)[0]
    assert tuple(re.split(r",\s+", both)) == REGIONS
    assert {*re.split(r",\s+", more), *REGIONS} == set(ECS_REGIONS)
    assert f"| {len(ECS_REGIONS)} |" in PAGE
    assert f"| {len(REGIONS)} |" in PAGE


def test_the_templates_are_those_of_build() -> None:
    named = set(re.findall(r"\(\.\./templates/([\w-]+-layer\.json)\)", PAGE))
    assert named == {path.name for path in (ROOT / "templates").glob("*-layer.json")}


def test_the_commands_take_the_files_of_either_pair() -> None:
    pairs = re.findall(r"DATA=(\S+) COMPUTE=(\S+)", PAGE)
    assert pairs == [("ecs-express-data", "ecs-express"), ("data", "apprunner")]
    named = re.findall(r"templates/(\$\S+\.json)", PAGE)
    assert len(named) == 3
    for data, compute in pairs:
        for name in named:
            assert (ROOT / "templates" / name.replace("$DATA", data).replace("$COMPUTE", compute)).exists()


def test_the_monthly_sums_are_those_of_the_cost_page() -> None:
    costs = (ROOT / "docs" / "cost.md").read_text()
    app_runner, priced = re.findall(r"\d+\.\d\d", re.findall(r"\*\*what has a price\*\*.*", costs)[0])
    formulas = re.findall(r"^\| a \[.*?\| (\([\d.+ x()]+) \| ([\d.]+)", costs, re.MULTILINE)
    assert [f"{eval(formula.replace('x', '*')):.2f}" for formula, _ in formulas] == [result for _, result in formulas]
    ecs_express = f"{float(priced) + sum(float(result) for _, result in formulas):.2f}"
    assert f"| **all but the nodes** | | **{ecs_express}** |" in costs
    assert f"**{ecs_express} US dollars with ECS Express and {app_runner} with App Runner, each plus\ntwo" in PAGE
