"""The parameter Authentication, either way: what the templates hold once CloudFormation has chosen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from generator import contract
from generator.parts.data.cluster_inputs import ENGINES
from generator.settings import Settings
from generator.template.lint import lint
from tests.layers import every_shape, every_template
from tests.templates import chosen, imported, references, statements, unresolved

DATA, APP_RUNNER, ECS_DATA, ECS = every_template()
EITHER = (contract.PASSWORD, contract.IAM)
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def data(authentication: str) -> Any:
    return chosen(DATA, Authentication=authentication)


def app_runner(authentication: str, **parameters: str) -> Any:
    return chosen(APP_RUNNER, Authentication=authentication, **parameters)


def ecs_express(authentication: str, **parameters: str) -> Any:
    return chosen(ECS, Authentication=authentication, **parameters)


def image(template: Any) -> Any:
    properties = template["Resources"]["Service"]["Properties"]
    return properties["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]


def container(template: Any) -> Any:
    return template["Resources"]["Service"]["Properties"]["PrimaryContainer"]


def test_a_password_is_the_default() -> None:
    for template in (APP_RUNNER, ECS_DATA, ECS):
        assert DATA["Parameters"]["Authentication"] == template["Parameters"]["Authentication"]
    assert DATA["Parameters"]["Authentication"]["Default"] == contract.PASSWORD
    assert DATA["Parameters"]["Authentication"]["AllowedValues"] == list(EITHER)


@pytest.mark.parametrize("authentication", EITHER)
@every_shape
def test_what_one_layer_imports_the_other_exports(settings: Settings, authentication: str) -> None:
    data, app_runner, for_tasks, ecs = (
        chosen(template, Authentication=authentication, KmsKeyArn=KEY) for template in every_template(settings)
    )
    for below, above in ((data, app_runner), (for_tasks, ecs)):
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
    for_tasks = chosen(ECS_DATA, Authentication="iam")
    assert "SecretsEndpoint" in chosen(ECS_DATA)["Resources"]
    for template in (iam, app_runner("iam", KmsKeyArn=KEY), for_tasks, ecs_express("iam", KmsKeyArn=KEY)):
        text = json.dumps({section: template[section] for section in ("Resources", "Outputs")})
        assert "secretsmanager" not in text
        assert contract.PASSWORD_SECRET_ARN not in text
        assert contract.ENV_PASSWORD not in text


def test_everything_else_is_the_same_either_way() -> None:
    depends = {
        data: {"PasswordSecret", "MemoryDbUser"},
        app_runner: {"InstanceRole", "Service"},
        ecs_express: {"ExecutionRole", "TaskRole", "Service"},
    }
    for choose, those in depends.items():
        password, iam = ({**choose(each)["Resources"]} for each in EITHER)
        differ = {name for name in password.keys() | iam.keys() if password.get(name) != iam.get(name)}
        assert differ == those


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
        "MEMORYDB_CLUSTER_ENDPOINT": imported(contract.CLUSTER_ENDPOINT),
        "MEMORYDB_USERNAME": imported(contract.USER_NAME),
        "MEMORYDB_AUTHENTICATION": "iam",
        "MEMORYDB_CLUSTER_NAME": imported(contract.CLUSTER_NAME),
        "AWS_REGION": {"Ref": "AWS::Region"},
    }


def test_a_task_gets_the_same_and_its_port() -> None:
    password, iam = (container(ecs_express(each)) for each in EITHER)
    assert password["Secrets"] == [{"Name": contract.ENV_PASSWORD, "ValueFrom": imported(contract.PASSWORD_SECRET_ARN)}]
    assert "Secrets" not in iam
    for made, theirs in ((password, image(app_runner("password"))), (iam, image(app_runner("iam")))):
        port = {"Name": contract.ENV_PORT, "Value": str(contract.SERVICE_PORT)}
        assert port in made["Environment"]
        assert [each for each in made["Environment"] if each != port] == theirs["RuntimeEnvironmentVariables"]


@pytest.mark.parametrize(
    ("authentication", "statement"),
    [
        ("password", (["secretsmanager:GetSecretValue"], [imported(contract.PASSWORD_SECRET_ARN)])),
        ("iam", (["memorydb:Connect"], [imported(contract.CLUSTER_ARN), imported(contract.USER_ARN)])),
    ],
)
def test_the_instance_may_do_one_thing(authentication: str, statement: Any) -> None:
    (allowed,) = statements(app_runner(authentication)["Resources"]["InstanceRole"]["Properties"]["Policies"])
    assert (allowed["Action"], allowed["Resource"]) == statement
    assert (allowed["Effect"], "Condition" in allowed) == ("Allow", False)


def test_a_task_may_connect_with_iam_and_does_nothing_with_a_password() -> None:
    def roles(authentication: str) -> list[list[str]]:
        made = ecs_express(authentication, KmsKeyArn=KEY)["Resources"]
        return [
            [policy["PolicyName"] for policy in made[role]["Properties"].get("Policies", ())]
            for role in ("ExecutionRole", "TaskRole")
        ]

    assert roles("password") == [["pull-image", "write-log", "read-password", "decrypt-password"], []]
    assert roles("iam") == [["pull-image", "write-log"], ["connect"]]
    (policy,) = ecs_express("iam")["Resources"]["TaskRole"]["Properties"]["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == (
        ["memorydb:Connect"],
        [imported(contract.CLUSTER_ARN), imported(contract.USER_ARN)],
    )


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
@pytest.mark.parametrize(
    "template", [DATA, APP_RUNNER, ECS_DATA, ECS], ids=["data", "apprunner", "ecs-express-data", "ecs-express"]
)
def test_lint_finds_nothing_either_way(template: Any, authentication: str) -> None:
    made = chosen(template, Authentication=authentication)
    used = {reference.name for reference in references([made["Resources"], made["Outputs"], made.get("Rules")])}
    made["Parameters"] = {name: each for name, each in template["Parameters"].items() if name in used}
    del made["Conditions"], made["Metadata"]
    assert lint(json.dumps(made), ["us-east-1"]) == ()
