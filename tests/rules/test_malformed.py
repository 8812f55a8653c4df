"""No rule raises, whatever the template: each is asked about templates that something was broken in."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from cfn_flip import to_json
from cfnlint.template import Template
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.rules import RULES
from tests.rules.test_rules import FILES, TEMPLATES
from tests.running import ROOT

SOUND = [*(json.loads(to_json(path.read_text())) for path in FILES), *TEMPLATES.values()]
ODD = json.loads(to_json((ROOT / "tests" / "odd.yaml").read_text()))
INSTANCES = [rule() for rule in RULES.values()]

SCALARS = st.sampled_from(
    [None, True, 0, -1, 1.5, 10**30, "", "²", "a", "${", "${}", "${A.}", "{{resolve:", "\U000f0000", "\U000f0001"]
)
FUNCTIONS = [
    *("Ref", "Fn::GetAtt", "Fn::If", "Fn::Sub", "Fn::Join", "Fn::Split", "Fn::Select", "Fn::FindInMap", "Fn::Base64"),
    *("Fn::ImportValue", "Fn::Cidr", "Fn::GetAZs", "Fn::Transform", "Fn::ToJsonString", "Fn::Length", "Fn::Equals"),
    *("Fn::ForEach::A", "Condition", "Fn::GetStackOutput"),
]
NAMES = st.sampled_from(
    [*FUNCTIONS, "Type", "Properties", "Condition", "Default", "AllowedValues", "Name", "AWS::NoValue"]
)
VALUES = st.recursive(
    st.one_of(SCALARS, st.sampled_from(["AWS::NoValue", "C", "Secret", "Role", "P", "AWS::Region", "Igw.Id"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(NAMES, inner, max_size=2),
        st.builds(lambda name, value: {name: value}, st.sampled_from(FUNCTIONS), inner),
    ),
    max_leaves=12,
)


def places(node: Any) -> list[tuple[Any, Any]]:
    """Each container in a template with each of its keys."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    return [(node, key) for key in keys] + [place for key in keys for place in places(node[key])]


@st.composite
def broken(draw: st.DrawFn) -> Any:
    template = copy.deepcopy(draw(st.sampled_from(SOUND)))
    for _ in range(draw(st.integers(1, 4))):
        container, key = draw(st.sampled_from(places(template)))
        match draw(st.sampled_from(["replace", "replace", "wrap", "remove"])):
            case "replace":
                container[key] = draw(VALUES)
            case "wrap":
                container[key] = {
                    draw(st.sampled_from(FUNCTIONS)): draw(st.sampled_from([container[key], [container[key]]]))
                }
            case _ if isinstance(container, dict) and key in container:
                del container[key]
        if not places(template):
            break
    return template


def judge(template: Any) -> None:
    cfn = Template(None, template, ["us-east-1"])
    for rule in INSTANCES:
        for found in rule.match(cfn):
            assert found.message.isprintable()


@settings(max_examples=1500)
@given(template=broken())
def test_no_rule_raises_over_a_broken_template(template: dict[str, Any]) -> None:
    judge(template)


@pytest.mark.parametrize("section", ["Parameters", "Conditions", "Mappings", "Transform", "Rules", "Resources"])
@pytest.mark.parametrize("value", [None, [], "", 0, {"A": None}, {"A": []}, {"A": {"B": None}}, [None]])
def test_no_rule_raises_over_an_odd_section(section: str, value: Any) -> None:
    for template in (*SOUND, ODD):
        judge({**template, section: value})


def test_no_rule_raises_over_deep_nesting() -> None:
    value: Any = "a"
    for depth in range(400):
        value = {"Fn::If": ["C", value, "b"]} if depth % 2 else {"Fn::Join": ["", [value, "c"]]}
    template = {
        "Conditions": {"C": {"Fn::Equals": [{"Ref": "P"}, "a"]}},
        "Parameters": {"P": {"Type": "String"}},
        "Resources": {"A": {"Type": "AWS::MemoryDB::Cluster", "Properties": {"NodeType": value, "ClusterName": value}}},
    }
    judge(template)


@pytest.mark.parametrize(
    ("container", "variables"),
    [
        (("SourceConfiguration", "ImageRepository", "ImageConfiguration"), "RuntimeEnvironmentVariables"),
        (("PrimaryContainer",), "Environment"),
    ],
)
def test_a_variable_without_a_name_is_readable_in_a_message(container: tuple[str, ...], variables: str) -> None:
    properties: Any = {variables: [{"Name": {"Ref": "AWS::NoValue"}, "Value": "{{resolve:secretsmanager:a}}"}]}
    for name in reversed(container):
        properties = {name: properties}
    kind = "AWS::AppRunner::Service" if variables.startswith("Runtime") else "AWS::ECS::ExpressGatewayService"
    judge({"Resources": {"A": {"Type": kind, "Properties": properties}}})
