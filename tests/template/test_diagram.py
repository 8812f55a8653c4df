"""Pictures of templates: what is drawn, and that Mermaid would take it."""

from __future__ import annotations

import json
import re

from generator.settings import Settings
from generator.template.diagram import LINKS, diagram
from tests.layers import every_layer, every_shape

TEMPLATES = {layer.name: layer.text() for layer in every_layer()[:2]}
BOX = re.compile(r'^ +(\w+)\["([^"]+)"\]$', re.MULTILINE)
ARROW = re.compile(r'^  (\w+) (?:-->|-\. "[\w<>]+" \.->) (\w+)$', re.MULTILINE)


def template(**resources: object) -> str:
    return json.dumps({"Resources": resources})


def test_a_reference_is_an_arrow_whatever_its_form() -> None:
    drawn = diagram(
        {
            "data": template(
                Vpc={"Type": "AWS::EC2::VPC"},
                A={"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}}},
                Group={"Type": "AWS::EC2::SecurityGroup", "Properties": {"V": {"Fn::GetAtt": ["Vpc", "VpcId"]}}},
                Role={"Type": "AWS::IAM::Role", "Properties": {"P": {"Fn::Sub": "${Vpc.Arn}/*"}}},
                Other={"Type": "AWS::IAM::Role", "Properties": {"P": {"Fn::Sub": ["${V}", {"V": {"Ref": "Group"}}]}}},
            )
        }
    )
    assert set(ARROW.findall(drawn)) == {
        ("data_A", "data_Vpc"),
        ("data_Group", "data_Vpc"),
        ("data_Role", "data_Vpc"),
        ("data_Other", "data_Group"),
    }


def test_what_stands_once_in_each_zone_is_one_box() -> None:
    subnet = {"Type": "AWS::EC2::Subnet"}
    assert BOX.findall(diagram({"data": template(SubnetA=subnet, SubnetB=subnet, DataA=subnet)})) == [
        ("data_Data", "Data"),
        ("data_Subnet", "Subnet x 2"),
    ]


def test_a_link_is_drawn_as_the_line_that_it_makes() -> None:
    link = {"A": {"Ref": "Table"}, "B": {"Ref": "Subnet"}}
    drawn = diagram(
        {
            "data": template(
                Table={"Type": "AWS::EC2::RouteTable"},
                Subnet={"Type": "AWS::EC2::Subnet"},
                Link={"Type": "AWS::EC2::SubnetRouteTableAssociation", "Properties": link},
            )
        }
    )
    assert ARROW.findall(drawn) == [("data_Table", "data_Subnet")]
    assert "Link" not in drawn


def test_what_a_layer_imports_is_a_line_to_where_it_comes_from() -> None:
    drawn = diagram(TEMPLATES)
    assert '  apprunner_Service -. "ClusterEndpoint<br>ClusterName" .-> data_Cluster' in drawn
    assert '  apprunner_AccessRole -. "RepositoryArn" .-> data_Repository' in drawn


def test_what_only_watches_is_in_the_picture_of_its_layer_and_not_in_that_of_all() -> None:
    assert "Alarms x 4" in diagram({"data": TEMPLATES["data"]})
    assert "Alarms" not in diagram(TEMPLATES)


@every_shape
def test_every_resource_of_every_template_is_drawn_and_every_name_is_one_mermaid_takes(settings: Settings) -> None:
    templates = [(layer.name, layer.text()) for layer in every_layer(settings)]
    for layer, text in templates:
        drawn = diagram({layer: text})
        boxes = dict(BOX.findall(drawn))
        resources = [one for one in json.loads(text)["Resources"].values() if not LINKS.search(one["Type"])]
        assert sum(int(label.partition(" x ")[2] or 1) for label in boxes.values()) == len(resources)
        assert all(end in boxes for arrow in ARROW.findall(drawn) for end in arrow)
        lines = drawn.splitlines()
        assert lines[0] == "flowchart TB"
        assert all(
            BOX.match(line) or ARROW.match(line) or re.fullmatch(r' +(subgraph \w+\["[\w -]+"\]|end)', line)
            for line in lines[1:]
        )
