"""What `export-stacks` writes: all that a rehearsal needs, no secret, and nothing but reading calls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from generator.contract import PASSWORD_SECRET_ARN
from generator.errors import DeployError, UsageError
from generator.layers import Deployment, Layer, app_runner_deployment
from generator.operations import (
    DeployOptions,
    Session,
    StackOptions,
    deploy,
    export_document,
    export_stacks,
    read_export,
)
from rehearsal.before import GivenTemplate
from rehearsal.emulator.process import ACCOUNT, REGION, Emulator
from tests.pushed import push
from tests.running import ROOT
from tests.ui import ListUI

IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/users:1"
SECRET = "swordfish-of-the-seven-seas"


def deployed(name: str, body: Any, **parameters: str) -> str:
    """The document of one stack with this template."""
    deployment, session = Deployment("one", (GivenTemplate("one", "", (), body=json.dumps(body)),)), Session(ListUI())
    deploy(deployment, session, DeployOptions(name=name, parameters=parameters))
    return export_document(export_stacks(deployment, session, StackOptions(name=name)))


def test_both_stacks_are_read_back_as_they_were_exported(aws: Emulator) -> None:
    deployment, session = app_runner_deployment(), Session(ListUI())
    push(aws, IMAGE)
    deploy(deployment, session, DeployOptions(name="shop", image=IMAGE, verify=False, parameters={"MaxSize": "3"}))
    exported = export_stacks(deployment, session, StackOptions(name="shop"))
    assert read_export(export_document(exported), "it") == exported
    data, service = exported
    assert [stack.name for stack in exported] == ["shop-data", "shop-apprunner"]
    assert [stack.template for stack in exported] == [layer.template for layer in deployment.layers]
    assert (service.parameters["MaxSize"], service.parameters["ImageUri"]) == ("3", IMAGE)
    assert (data.withheld, service.withheld) == ([], [])
    assert set(data.template["Resources"]) - set(data.resources) == {"AlarmTopic", "AlarmTopicPolicy"}
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=data.outputs[PASSWORD_SECRET_ARN])
    assert secret["SecretString"] not in export_document(exported)


def ssm(**value: Any) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", **value}}


WORD = {"Parameters": {"Word": {"Type": "String", "NoEcho": True}}}


@pytest.mark.parametrize(
    "body",
    [
        {"Parameters": {"Word": {"Type": "String", "NoEcho": "true", "Default": SECRET, "AllowedValues": [SECRET]}}},
        {"Parameters": {"AdminPassword": {"Type": "String"}}},
        {**WORD, "Outputs": {"Told": {"Value": {"Ref": "Word"}}}},
        {**WORD, "Outputs": {"Told": {"Value": {"Fn::Sub": ["a ${b} ${Word}", {"b": "c"}]}}}},
        {**WORD, "Resources": {"Kept": ssm(Value="a", Name={"Fn::Sub": "/a/${Word}"})}},
        {"Resources": {"Kept": {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": SECRET}}}},
        {
            "Resources": {
                "Kept": {
                    "Type": "AWS::MemoryDB::User",
                    "Properties": {
                        "UserName": "someone",
                        "AccessString": "on ~a:* -@all +hget",
                        "AuthenticationMode": {"Type": "password", "Passwords": [{"Fn::Join": ["", [SECRET]]}]},
                    },
                }
            }
        },
        {
            "Conditions": {"Yes": {"Fn::Equals": ["a", "a"]}},
            "Resources": {
                "Kept": {
                    "Type": "AWS::SecretsManager::Secret",
                    "Properties": {"SecretString": {"Fn::If": ["Yes", SECRET, {"Ref": "AWS::NoValue"}]}},
                }
            },
        },
    ],
    ids=["no-echo", "by-name", "output", "sub", "physical-id", "literal", "password", "if"],
)
def test_no_secret_is_exported(aws: Emulator, body: Any, request: pytest.FixtureRequest) -> None:
    body = {"Resources": {"Kept": ssm(Value="a")}, **body}
    given = dict.fromkeys(body.get("Parameters", {}), SECRET)
    text = deployed(f"secret-{request.node.callspec.id}", body, **given)
    assert SECRET not in text
    (stack,) = read_export(text, "it")
    assert set(stack.withheld) == set(given)
    assert not given.keys() & stack.parameters.keys()


def test_references_to_secrets_are_exported(aws: Emulator) -> None:
    properties = {"GenerateSecretString": {"PasswordLength": 40, "ExcludePunctuation": True}}
    body = {"Resources": {"Password": {"Type": "AWS::SecretsManager::Secret", "Properties": properties}}}
    (stack,) = read_export(deployed("references", body), "it")
    assert stack.template == body


def test_where_there_is_no_stack_it_says_so(aws: Emulator) -> None:
    with pytest.raises(DeployError, match=r"none-data and none-apprunner: There is nothing to export: no such stack"):
        export_stacks(app_runner_deployment(), Session(ListUI()), StackOptions(name="none"))


def test_a_template_in_yaml_is_refused(aws: Emulator) -> None:
    body = "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n"
    boto3.client("cloudformation").create_stack(StackName="yaml-one", TemplateBody=body)
    with pytest.raises(DeployError, match=r"yaml-one: The stack cannot be exported: its template is YAML"):
        export_stacks(Deployment("one", (Layer("one", "", ()),)), Session(ListUI()), StackOptions(name="yaml"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', '{"version": 1, "stacks": [{}]}'])
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"x\.json is not what export-stacks writes: "):
        read_export(text, "x.json")


def test_a_later_version_is_refused() -> None:
    with pytest.raises(UsageError, match=r"x\.json has the version 2, but this command reads 1\."):
        read_export('{"version": 2}', "x.json")


def test_the_policy_of_the_page_suffices_and_each_of_its_actions_is_needed(
    aws: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "rehearsal.md").read_text()
    (text,) = re.findall(r"```json\n(\{\n  \"Version\".*?)```", page, re.DOTALL)
    policy = json.loads(text)
    (statement,) = policy["Statement"]
    deployment = app_runner_deployment()
    deploy(deployment, Session(ListUI()), DeployOptions(name="users", layer="data"))
    export = as_user(policy, "all", monkeypatch)
    assert [stack.name for stack in export("users")] == ["users-data"]
    for action in statement["Action"]:
        fewer = {**policy, "Statement": [{**statement, "Action": [a for a in statement["Action"] if a != action]}]}
        with pytest.raises(DeployError, match=action):
            as_user(fewer, action.partition(":")[2], monkeypatch)("users")


def as_user(policy: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """`export_stacks` as a new IAM user who has this policy."""
    iam = boto3.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]

    def clients(service: str) -> Any:
        keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        return boto3.client(service, **keys)

    session = Session(ListUI(), clients=clients)
    return lambda stacks: export_stacks(app_runner_deployment(), session, StackOptions(name=stacks))
