"""The capabilities that a template requires, from its JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from troposphere import iam

from generator.layers import data_layer, default_deployments
from generator.settings import Settings
from generator.template.capabilities import NAMES, capabilities

ROLE = {"Type": "AWS::IAM::Role", "Properties": {}}
NAMED = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "rehearsal-data-auditor"}}
TOPIC = {"Type": "AWS::SNS::Topic"}
EXPANDED = ("CAPABILITY_AUTO_EXPAND", "CAPABILITY_NAMED_IAM")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ({}, ()),
        ({"Resources": {"T": TOPIC}}, ()),
        ({"Resources": {"R": ROLE}}, ("CAPABILITY_IAM",)),
        ({"Resources": {"R": {"Type": "AWS::IAM::Role"}}}, ("CAPABILITY_IAM",)),
        ({"Resources": {"R": ROLE, "N": NAMED}}, ("CAPABILITY_NAMED_IAM",)),
        (
            {"Resources": {"P": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"ManagedPolicyName": "p"}}}},
            ("CAPABILITY_NAMED_IAM",),
        ),
        # Its name is not that of an IAM entity.
        ({"Resources": {"P": {"Type": "AWS::IAM::Policy", "Properties": {"PolicyName": "p"}}}}, ("CAPABILITY_IAM",)),
        (
            {
                "Resources": {
                    "N": {**NAMED, "Properties": {"RoleName": {"Fn::If": ["C", "n", {"Ref": "AWS::NoValue"}]}}}
                }
            },
            ("CAPABILITY_NAMED_IAM",),
        ),
        ({"Transform": "AWS::LanguageExtensions", "Resources": {"T": TOPIC}}, ("CAPABILITY_AUTO_EXPAND",)),
        (
            {"Transform": ["AWS::LanguageExtensions"], "Resources": {"Fn::ForEach::R": ["N", ["A"], {"R${N}": ROLE}]}},
            ("CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM"),
        ),
        (
            {"Transform": ["AWS::LanguageExtensions"], "Resources": {"Fn::ForEach::R": ["N", ["A"], {"R${N}": NAMED}]}},
            EXPANDED,
        ),
        ({"Transform": "Company::Macro", "Resources": {"T": TOPIC}}, EXPANDED),
        ({"Transform": [{"Name": "AWS::Include", "Parameters": {}}], "Resources": {"T": TOPIC}}, EXPANDED),
        ({"Resources": {"T": {**TOPIC, "Properties": {"A": [{"Fn::Transform": {"Name": "M"}}]}}}}, EXPANDED),
        ({"Mappings": {"Fn::Transform": {"Name": "AWS::Include"}}, "Resources": {"T": TOPIC}}, EXPANDED),
        ({"Resources": {"S": {"Type": "AWS::CloudFormation::Stack"}}}, EXPANDED),
        ({"Resources": {"M": {"Type": "Company::Team::Bucket::MODULE"}}}, EXPANDED),
    ],
)
def test_what_a_template_requires(template: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert capabilities(template) == expected


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_is_a_property_of_the_type(kind: str) -> None:
    properties = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema["properties"]
    assert not NAMES[kind] or NAMES[kind] in properties


def test_the_layers_require_no_more_than_iam() -> None:
    assert {
        capabilities(json.loads(layer.text())) for deployment in default_deployments() for layer in deployment.layers
    } == {("CAPABILITY_IAM",)}


def test_a_role_with_a_name_requires_the_named_capability() -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    role = iam.Role("Auditor", RoleName="rehearsal-data-auditor", AssumeRolePolicyDocument=trust)
    assert capabilities(json.loads(data_layer(Settings(), role).text())) == ("CAPABILITY_NAMED_IAM",)
