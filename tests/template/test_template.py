from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from troposphere import AWSHelperFn, AWSObject, Equals, Output, Parameter, Ref, Template, s3, sns
from troposphere.validators.cloudformation import AWSCustomObject

from generator.errors import DuplicateLogicalIdError, TemplateError
from generator.parts.data.user import user
from generator.parts.network.place import existing_network
from generator.template.assemble import assemble, elements
from generator.template.elements import (
    Condition,
    ForEach,
    Input,
    Mapping,
    Rule,
    TemplateMetadata,
    Transform,
    contains,
    export,
    why,
)
from generator.template.lint import lint
from generator.template.render import render


@dataclass(frozen=True)
class Topic:
    topic: sns.Topic


@dataclass(frozen=True)
class Holder:
    content: object


def name_input() -> Input:
    return Input(Parameter("Name", Type="String"), group="Group", label="The name")


def test_elements_are_found_in_field_order_with_their_place() -> None:
    topic, output = sns.Topic("Topic"), Output("Out", Value="x")
    part = Holder((Topic(topic), None, [output]))
    assert list(elements(part)) == [("Holder.content[0].topic", topic), ("Holder.content[2][0]", output)]


def test_every_kind_of_element_lands_in_its_section() -> None:
    value = name_input()
    part = Holder(
        (
            value,
            Condition("Named", Equals(value.ref(), "")),
            Mapping("Table", {"row": {"column": "cell"}}),
            Rule("Rule", contains(["a"], value.ref()), "Must be a.", when=Equals(value.ref(), "b")),
            sns.Topic("Topic"),
            Parameter("Plain", Type="String"),
            export("Out", "An output.", Ref("Topic")),
        )
    )
    assert json.loads(render(assemble("What it is.", part))) == {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Conditions": {"Named": {"Fn::Equals": [{"Ref": "Name"}, ""]}},
        "Description": "What it is.",
        "Mappings": {"Table": {"row": {"column": "cell"}}},
        "Metadata": {
            "AWS::CloudFormation::Interface": {
                "ParameterGroups": [{"Label": {"default": "Group"}, "Parameters": ["Name"]}],
                "ParameterLabels": {"Name": {"default": "The name"}},
            }
        },
        "Outputs": {
            "Out": {
                "Description": "An output.",
                "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-Out"}},
                "Value": {"Ref": "Topic"},
            }
        },
        "Parameters": {"Name": {"Type": "String"}, "Plain": {"Type": "String"}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Rules": {
            "Rule": {
                "Assertions": [
                    {"Assert": {"Fn::Contains": [["a"], {"Ref": "Name"}]}, "AssertDescription": "Must be a."}
                ],
                "RuleCondition": {"Fn::Equals": [{"Ref": "Name"}, "b"]},
            }
        },
    }


def test_the_same_object_twice_counts_once() -> None:
    topic = sns.Topic("Topic")
    assert list(assemble("", Topic(topic), Topic(topic)).resources) == ["Topic"]


@pytest.mark.parametrize(
    "make",
    [
        name_input,
        lambda: Condition("Named", Equals(Ref("Name"), "")),
        lambda: Mapping("Table", {"row": {"column": "cell"}}),
        lambda: Rule("Rule", contains(["a"], Ref("Name")), "Must be a."),
    ],
)
def test_equal_inputs_conditions_mappings_and_rules_count_once(make: Any) -> None:
    assert render(assemble("", Holder((make(), make())))) == render(assemble("", Holder(make())))


@pytest.mark.parametrize(
    ("first", "second", "logical_id"),
    [
        (sns.Topic("Topic"), sns.Topic("Topic"), "Topic"),
        (sns.Topic("Name"), name_input(), "Name"),
        (Parameter("Name", Type="String"), name_input(), "Name"),
        (name_input(), Input(Parameter("Name", Type="Number"), group="Group", label="The name"), "Name"),
        (Condition("C", Equals("a", "b")), Condition("C", Equals("a", "c")), "C"),
        (Mapping("T", {"row": {"column": "a"}}), Mapping("T", {"row": {"column": "b"}}), "T"),
        (Rule("R", Equals("a", "b"), "One."), Rule("R", Equals("a", "b"), "Two."), "R"),
        (Output("O", Value="a"), Output("O", Value="a"), "O"),
    ],
)
def test_two_elements_with_one_logical_id_are_an_error_that_names_both(
    first: object, second: object, logical_id: str
) -> None:
    with pytest.raises(DuplicateLogicalIdError) as caught:
        assemble("", Holder((first,)), Holder((None, second)))
    assert (
        f"Logical ID {logical_id} is used twice, by Holder.content[0] of part 1 and by Holder.content[1] of part 2."
        in str(caught.value)
    )


def test_a_condition_may_have_the_name_of_a_resource() -> None:
    assemble("", Holder((Condition("Topic", Equals("a", "b")), sns.Topic("Topic"))))


@pytest.mark.parametrize("content", ["text", 7, {"a": 1}, Ref("Topic"), Topic])
def test_a_field_that_is_not_an_element_is_named(content: object) -> None:
    with pytest.raises(TemplateError, match=r"^Holder\.content is .*, which is not an element of a template"):
        assemble("", Holder(content))


def test_the_501st_resource_is_refused() -> None:
    topics = tuple(sns.Topic(f"Topic{number}") for number in range(501))
    with pytest.raises(
        TemplateError, match=r"Holder\.content\[500\] of part 1: Maximum number of resources 500 reached"
    ):
        assemble("", Holder(topics))


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        (sns.Topic("Topic", Subscription=[sns.Subscription(Protocol="email")]), ".*Endpoint required"),
        (sns.Topic("Topic", Metadata={"a": float("nan")}), "Out of range float"),
        (s3.Bucket("Topic", AccessControl="Everyone"), "AccessControl must be one of"),
    ],
)
def test_what_cannot_be_written_is_an_error_that_names_the_resource(resource: AWSObject, message: str) -> None:
    with pytest.raises(TemplateError, match=rf"^The template cannot be written: Topic: {message}"):
        render(assemble("", Holder((sns.Topic("Fine"), resource))))


def test_a_condition_leaves_the_property_out_by_default() -> None:
    chosen: AWSHelperFn = Condition("C", Equals("a", "b")).choose("value")
    assert chosen.to_dict() == {"Fn::If": ["C", "value", {"Ref": "AWS::NoValue"}]}


def test_text_ends_with_one_newline_and_is_ascii() -> None:
    text = render(assemble("Grüße", Topic(sns.Topic("Topic", Metadata=why("é")))))
    assert text.isascii()
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")
    assert json.loads(text)["Description"] == "Grüße"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=20), inner, max_size=6),
    max_leaves=40,
)


@given(st.dictionaries(st.text(min_size=1, max_size=20), json_values, max_size=5))
def test_text_says_what_the_template_says_whatever_its_layout(metadata: dict[str, Any]) -> None:
    template = Template(Metadata=metadata)
    text = render(template)
    assert json.loads(text) == template.to_dict()
    assert text == render(Template(Metadata=dict(reversed(metadata.items()))))


# Whatever Troposphere can express is a part.


class Thing(AWSCustomObject):
    resource_type = "Custom::Thing"
    # As troposphere annotates it.
    props = {"ServiceToken": (str, True), "Size": (int, False)}  # noqa: RUF012


class BucketModule(AWSObject):
    resource_type = "Company::Team::Bucket::MODULE"
    props = {"Retention": (str, False)}  # noqa: RUF012


def assembled(*parts: Any) -> dict[str, Any]:
    template: dict[str, Any] = json.loads(render(assemble("", *parts)))
    return template


def test_a_resource_alone_is_a_part() -> None:
    topic = sns.Topic("Topic")
    assert assembled(topic, export("TopicArn", "The topic.", topic.ref()))["Resources"] == {
        "Topic": {"Type": "AWS::SNS::Topic"}
    }


def test_a_custom_resource_made_the_way_troposphere_documents_is_a_part() -> None:
    thing = Thing("Thing", ServiceToken="arn", Size=3)
    assert assembled(Topic(sns.Topic("Topic")), Holder(thing))["Resources"]["Thing"] == {
        "Properties": {"ServiceToken": "arn", "Size": 3},
        "Type": "Custom::Thing",
    }


def test_a_module_is_a_resource() -> None:
    assert assembled(BucketModule("Bucket", Retention="30"))["Resources"]["Bucket"] == {
        "Properties": {"Retention": "30"},
        "Type": "Company::Team::Bucket::MODULE",
    }


def test_a_resource_may_have_a_condition_and_depend_on_another() -> None:
    given = Condition("Given", Equals(name_input().ref(), "a"))
    first = sns.Topic("First")
    second = sns.Topic("Second", Condition=given.name, DependsOn=first)
    made = assembled(name_input(), given, first, second)
    assert made["Resources"]["Second"] == {"Condition": "Given", "DependsOn": "First", "Type": "AWS::SNS::Topic"}


def test_transforms_keep_their_order_and_count_once() -> None:
    include = Transform("AWS::Include", {"Location": "s3://bucket/more.yaml"})
    made = assembled(Transform("Company::Macro"), include, Transform("Company::Macro"))
    assert made["Transform"] == [
        "Company::Macro",
        {"Name": "AWS::Include", "Parameters": {"Location": "s3://bucket/more.yaml"}},
    ]


def test_a_loop_brings_the_language_extensions_before_other_macros() -> None:
    loop = ForEach("Topics", "Name", ["A", "B"], {"Topic${Name}": sns.Topic("Any", DisplayName=Ref("Name"))})
    made = assembled(Transform("Company::Macro"), loop, Transform("AWS::LanguageExtensions"))
    assert made["Transform"] == ["AWS::LanguageExtensions", "Company::Macro"]
    body = {"Properties": {"DisplayName": {"Ref": "Name"}}, "Type": "AWS::SNS::Topic"}
    assert made["Resources"] == {"Fn::ForEach::Topics": ["Name", ["A", "B"], {"Topic${Name}": body}]}


def test_a_loop_may_make_outputs_and_conditions() -> None:
    output = ForEach("Arns", "Name", ["A"], {"Arn${Name}": {"Value": Ref("Name")}}, section="Outputs")
    condition = ForEach("Is", "Name", ["A"], {"Is${Name}": Equals(Ref("Name"), "A")}, section="Conditions")
    made = assembled(output, condition, sns.Topic("Topic"))
    assert made["Outputs"] == {"Fn::ForEach::Arns": ["Name", ["A"], {"Arn${Name}": {"Value": {"Ref": "Name"}}}]}
    assert made["Conditions"]["Fn::ForEach::Is"][2] == {"Is${Name}": {"Fn::Equals": [{"Ref": "Name"}, "A"]}}


def test_two_loops_of_one_name_in_a_section_are_refused() -> None:
    one, other = (ForEach("Topics", "Name", [value], {}) for value in "AB")
    with pytest.raises(DuplicateLogicalIdError, match="Topics is used twice"):
        assemble("", one, other)
    assemble("", one, one)


def test_metadata_of_the_template_stand_beside_the_consoles() -> None:
    made = assembled(name_input(), TemplateMetadata("Owner", {"team": "shop"}))
    assert made["Metadata"]["Owner"] == {"team": "shop"}
    assert "AWS::CloudFormation::Interface" in made["Metadata"]


def test_a_loop_and_a_transform_pass_lint() -> None:
    loop = ForEach("Topics", "Name", ["A", "B"], {"Topic${Name}": sns.Topic("Any", DisplayName=Ref("Name"))})
    assert lint(render(assemble("Topics.", loop)), ["us-east-1"]) == ()


def test_an_element_alone_is_named_by_its_type_where_a_logical_id_is_taken() -> None:
    with pytest.raises(DuplicateLogicalIdError) as caught:
        assemble("", sns.Topic("Name"), (None, name_input()))
    assert "used twice, by the AWS::SNS::Topic of part 1 and by the Input of part 2." in str(caught.value)


def test_something_else_alone_is_no_part() -> None:
    with pytest.raises(TemplateError, match=r"^A part is 'text' \(str\), which is not an element of a template"):
        assemble("", "text")  # type: ignore[arg-type]


@pytest.mark.parametrize("part", [user, sns.Topic, existing_network])
def test_a_function_in_place_of_its_part_is_to_be_called(part: Any) -> None:
    with pytest.raises(TemplateError, match=rf"or None\. Call it: {part.__name__}\(…\)\.$"):
        assemble("", part)
