"""The parameter Authentication, either way: what the two templates hold once CloudFormation has chosen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from generator import contract
from generator.layers import default_layers
from generator.lint import lint
from generator.parts.memorydb import ENGINES
from generator.settings import Settings
from service import settings
from tests.conditions import chosen
from tests.references import references, unresolved
from tests.strategies import SHAPES

DATA, APP_RUNNER = (json.loads(layer.text()) for layer in default_layers())
EITHER = (contract.PASSWORD, contract.IAM)
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def data(authentication: str) -> Any:
    return chosen(DATA, Authentication=authentication)


def app_runner(authentication: str, **parameters: str) -> Any:
    return chosen(APP_RUNNER, Authentication=authentication, **parameters)


def image(template: Any) -> Any:
    properties = template["Resources"]["Service"]["Properties"]
    return properties["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]


def imported(output: str) -> Any:
    return {"Fn::ImportValue": {"Fn::Sub": f"${{DataStackName}}-{output}"}}


def test_a_password_is_the_default() -> None:
    assert DATA["Parameters"]["Authentication"] == APP_RUNNER["Parameters"]["Authentication"]
    assert DATA["Parameters"]["Authentication"]["Default"] == contract.PASSWORD
    assert DATA["Parameters"]["Authentication"]["AllowedValues"] == list(EITHER)


@pytest.mark.parametrize("authentication", EITHER)
@pytest.mark.parametrize("shape", SHAPES)
def test_what_one_layer_imports_the_other_exports(shape: Settings, authentication: str) -> None:
    below, above = (
        chosen(json.loads(layer.text()), Authentication=authentication, KmsKeyArn=KEY)
        for layer in default_layers(shape)
    )
    exports = {f"${{DataStackName}}-{name}" for name, output in below["Outputs"].items() if "Export" in output}
    assert unresolved(below, set()) == []
    assert unresolved(above, exports) == []


def test_with_a_password_the_user_has_just_the_secrets() -> None:
    assert data("password")["Resources"]["MemoryDbUser"]["Properties"]["AuthenticationMode"] == {
        "Passwords": [{"Fn::Sub": "{{resolve:secretsmanager:${PasswordSecret}:SecretString:::}}"}],
        "Type": "password",
    }


def test_with_iam_the_user_has_no_password() -> None:
    assert data("iam")["Resources"]["MemoryDbUser"]["Properties"]["AuthenticationMode"] == {"Type": "iam"}


def test_with_iam_there_is_no_secret_and_nothing_that_knows_one() -> None:
    password, iam = data("password"), data("iam")
    assert password["Resources"].keys() - iam["Resources"].keys() == {"PasswordSecret"}
    assert password["Outputs"].keys() - iam["Outputs"].keys() == {contract.PASSWORD_SECRET_ARN}
    for template in (iam, app_runner("iam", KmsKeyArn=KEY)):
        text = json.dumps({section: template[section] for section in ("Resources", "Outputs")})
        assert "secretsmanager" not in text
        assert contract.PASSWORD_SECRET_ARN not in text
        assert contract.ENV_PASSWORD not in text


def test_everything_else_is_the_same_either_way() -> None:
    depends = {"data": {"PasswordSecret", "MemoryDbUser"}, "apprunner": {"InstanceRole", "Service"}}
    for layer, choose in (("data", data), ("apprunner", app_runner)):
        password, iam = ({**choose(each)["Resources"]} for each in EITHER)
        differ = {name for name in password.keys() | iam.keys() if password.get(name) != iam.get(name)}
        assert differ == depends[layer]


def test_with_a_password_the_service_gets_what_it_requires_and_no_more() -> None:
    made = image(app_runner("password"))
    assert [pair["Name"] for pair in made["RuntimeEnvironmentVariables"]] == [
        contract.ENV_CLUSTER_ENDPOINT,
        contract.ENV_USERNAME,
    ]
    assert made["RuntimeEnvironmentSecrets"] == [
        {"Name": contract.ENV_PASSWORD, "Value": imported(contract.PASSWORD_SECRET_ARN)}
    ]


def test_with_iam_the_service_gets_what_it_signs_with_and_no_secret() -> None:
    made = image(app_runner("iam"))
    assert "RuntimeEnvironmentSecrets" not in made
    assert {pair["Name"]: pair["Value"] for pair in made["RuntimeEnvironmentVariables"]} == {
        settings.CLUSTER_ENDPOINT: imported(contract.CLUSTER_ENDPOINT),
        settings.USERNAME: imported(contract.USER_NAME),
        settings.AUTHENTICATION: settings.IAM,
        settings.CLUSTER_NAME: imported(contract.CLUSTER_NAME),
        settings.REGION: {"Ref": "AWS::Region"},
    }


@pytest.mark.parametrize(
    ("authentication", "statement"),
    [
        ("password", (["secretsmanager:GetSecretValue"], [imported(contract.PASSWORD_SECRET_ARN)])),
        ("iam", (["memorydb:Connect"], [imported(contract.CLUSTER_ARN), imported(contract.USER_ARN)])),
    ],
)
def test_the_instance_may_do_one_thing(authentication: str, statement: Any) -> None:
    policies = app_runner(authentication)["Resources"]["InstanceRole"]["Properties"]["Policies"]
    statements = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
    assert [(each["Action"], each["Resource"]) for each in statements] == [statement]
    assert [(each["Effect"], "Condition" in each) for each in statements] == [("Allow", False)]


def test_a_key_is_for_the_passwords_secret_only() -> None:
    def policies(authentication: str) -> list[str]:
        role = app_runner(authentication, KmsKeyArn=KEY)["Resources"]["InstanceRole"]
        return [policy["PolicyName"] for policy in role["Properties"]["Policies"]]

    assert policies("password") == ["read-password", "decrypt-password"]
    assert policies("iam") == ["connect"]


def test_every_engine_has_iam_authentication() -> None:
    """MemoryDB developer guide, "Authenticating with IAM": Valkey, or Redis OSS 7.0 or newer."""
    least = {"redis": (7, 0), "valkey": (7, 2)}
    for engine, column in ENGINES.items():
        assert tuple(map(int, column["Version"].split("."))) >= least[engine]


@pytest.mark.parametrize("authentication", EITHER)
@pytest.mark.parametrize("template", [DATA, APP_RUNNER], ids=["data", "apprunner"])
def test_lint_finds_nothing_either_way(template: Any, authentication: str) -> None:
    made = chosen(template, Authentication=authentication)
    used = {reference.name for reference in references([made["Resources"], made["Outputs"], made.get("Rules")])}
    made["Parameters"] = {name: each for name, each in template["Parameters"].items() if name in used}
    del made["Conditions"], made["Metadata"]
    assert lint(json.dumps(made), ["us-east-1"]) == ()
