from __future__ import annotations

import gc
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cfnlint.core import get_rules

from generator.regions import ECS_REGIONS, REGIONS
from generator.settings import Settings
from generator.template import lint as lint_module
from generator.template.lint import Finding, claimed_regions, lint, lint_all
from tests.layers import every_layer, every_shape

TEXTS = {layer.file_name: layer.text() for layer in every_layer()}


def data_layer() -> Any:
    """A template that is clean, for a test to spoil."""
    return json.loads(TEXTS["data-layer.json"])


@cache
def findings(text: str) -> tuple[Finding, ...]:
    """What is found in us-east-1; most shapes share a compute layer with others."""
    return lint(text, ["us-east-1"])


@pytest.mark.parametrize("name", TEXTS)
def test_every_template_is_clean_in_every_region_that_it_claims(name: str) -> None:
    assert lint(TEXTS[name]) == ()


@pytest.mark.parametrize("name", TEXTS)
def test_every_template_is_clean_under_experimental_rules_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    every_rule = get_rules(append_rules=[], ignore_rules=[], include_rules=["I"], include_experimental=True)
    monkeypatch.setattr(lint_module, "_rules", lambda: every_rule)
    assert lint(TEXTS[name]) == ()


@every_shape
def test_every_shape_is_clean(settings: Settings) -> None:
    assert [findings(layer.text()) for layer in every_layer(settings)] == 4 * [()]


def test_the_regions_are_those_that_the_template_claims() -> None:
    assert {name: claimed_regions(text) for name, text in TEXTS.items()} == {
        "data-layer.json": REGIONS,
        "apprunner-layer.json": REGIONS,
        "ecs-express-data-layer.json": ECS_REGIONS,
        "ecs-express-layer.json": ECS_REGIONS,
    }


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"Rules": []}',
        '{"Rules": {"a": {}}}',
        "not JSON",
        "[]",
        '{"Rules": {"R": {"Assertions": [{"Assert": {}}]}}}',
    ],
)
def test_a_template_that_claims_no_region_is_linted_for_one(text: str) -> None:
    assert claimed_regions(text) == ("us-east-1",)


def test_a_finding_names_logical_id_and_rule() -> None:
    template = data_layer()
    template["Resources"]["Vpc"]["Properties"]["CidrBlok"] = "10.0.0.0/16"
    (finding,) = lint(json.dumps(template))
    assert (finding.logical_id, finding.rule) == ("Vpc", "E3002")
    assert "CidrBlok" in finding.message


def test_an_informational_finding_counts() -> None:
    template = data_layer()
    template["Outputs"]["VpcId"]["Value"] = {"Fn::Join": ["", ["vpc: ", {"Ref": "Vpc"}]]}
    assert [(finding.logical_id, finding.rule) for finding in lint(json.dumps(template))] == [("VpcId", "I1022")]


def test_a_cfnlintrc_that_lies_about_silences_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = data_layer()
    template["Resources"]["Vpc"]["Properties"]["CidrBlok"] = "10.0.0.0/16"
    (tmp_path / ".cfnlintrc").write_text("ignore_checks: [E, W, I]\nregions: [us-west-1]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [(finding.logical_id, finding.rule) for finding in lint(json.dumps(template))] == [("Vpc", "E3002")]


def test_findings_are_sorted() -> None:
    template = data_layer()
    for logical_id in ("Vpc", "Acl", "Cluster"):
        template["Resources"][logical_id]["Properties"]["Nothing"] = 1
    assert [finding.logical_id for finding in lint(json.dumps(template), ["us-east-1"])] == ["Acl", "Cluster", "Vpc"]


def test_every_region_that_the_template_claims_is_linted() -> None:
    template = json.loads(TEXTS["apprunner-layer.json"])
    claim = template["Rules"]["RegionHasAppRunnerAndMemoryDb"]["Assertions"][0]["Assert"]["Fn::Contains"]
    claim[0] = ["us-east-1", "eu-north-1"]
    assert {finding.rule for finding in lint(json.dumps(template))} == {"E3006"}


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "null"])
def test_a_text_without_a_template_is_one_finding_or_more_and_no_crash(text: str) -> None:
    findings = lint(text)
    assert findings
    assert not [finding for finding in findings if "xception" in finding.message]


@pytest.mark.parametrize("processors", [1, 2])
def test_many_texts_have_the_findings_that_each_has_alone(processors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forked or one after the other, with a fault in one template, in all, or in what is no template."""
    monkeypatch.setattr(lint_module, "_usable_processors", lambda: processors)
    broken = data_layer()
    broken["Resources"]["Vpc"]["Properties"]["CidrBlok"] = "10.0.0.0/16"
    texts = {"clean": TEXTS["apprunner-layer.json"], "broken": json.dumps(broken), "empty": "", "list": "[]"}
    assert lint_all(texts) == {key: lint(text) for key, text in texts.items()}
    assert list(lint_all(texts)) == list(texts)
    assert lint_all({}) == {}


@pytest.mark.parametrize("loop", [None, [], ["N", ["a"]], {"N": 1}])
def test_a_transform_that_fails_is_a_finding(loop: Any) -> None:
    (found,) = lint(json.dumps({"Transform": "AWS::LanguageExtensions", "Resources": {"Fn::ForEach::Loop": loop}}))
    assert found.rule == "E0001"


def test_collections_do_not_look_through_the_rules() -> None:
    lint("{}")
    assert gc.get_freeze_count() > 100_000


def test_linting_many_leaves_garbage_collection_as_it_was() -> None:
    lint_all({"empty": ""})
    assert gc.isenabled()
    gc.disable()
    try:
        lint_all({"empty": ""})
        assert not gc.isenabled()
    finally:
        gc.enable()
