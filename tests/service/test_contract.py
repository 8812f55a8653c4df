"""What the layers promise and what the service uses are the same; the two rooms never import each other."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from generator import contract
from service import settings, store
from service.openapi import document
from tests.running import ROOT, access_string
from tests.templates import chosen

DEFAULTS = {field.encode_name: field.default for field in msgspec.structs.fields(settings.Settings)}


@pytest.mark.parametrize("authentication", [contract.PASSWORD, contract.IAM])
def test_the_layers_set_what_the_service_requires(authentication: str) -> None:
    given = chosen(json.loads((ROOT / "templates" / "apprunner-layer.json").read_text()), Authentication=authentication)
    (properties,) = [
        resource["Properties"]
        for resource in given["Resources"].values()
        if resource["Type"] == "AWS::AppRunner::Service"
    ]
    image = properties["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]
    pairs = image["RuntimeEnvironmentVariables"] + image.get("RuntimeEnvironmentSecrets", [])
    chooses = {contract.ENV_AUTHENTICATION} if authentication == contract.IAM else set()
    assert {pair["Name"] for pair in pairs} == {*settings.REQUIRED[authentication], *chooses}


@pytest.mark.parametrize("authentication", [contract.PASSWORD, contract.IAM])
def test_the_ecs_layer_sets_what_the_service_requires_and_the_port(authentication: str) -> None:
    text = (ROOT / "templates" / "ecs-express-layer.json").read_text()
    template = chosen(json.loads(text), Authentication=authentication)
    container = template["Resources"]["Service"]["Properties"]["PrimaryContainer"]
    variables = {variable["Name"]: variable["Value"] for variable in container["Environment"]}
    secrets = {secret["Name"] for secret in container.get("Secrets", [])}
    chooses = {contract.ENV_AUTHENTICATION} if authentication == contract.IAM else set()
    assert variables.keys() | secrets == {*settings.REQUIRED[authentication], *chooses, contract.ENV_PORT}
    assert secrets == ({contract.ENV_PASSWORD} if authentication == contract.PASSWORD else set())
    assert variables[contract.ENV_PORT] == str(container["ContainerPort"])


def test_the_service_listens_where_the_layers_say() -> None:
    assert DEFAULTS[contract.ENV_PORT] == contract.SERVICE_PORT
    assert contract.HEALTH_PATH in document()["paths"]


def test_the_user_may_do_what_the_service_does_and_no_more() -> None:
    assert contract.USER_KEYS == store.KEYS
    assert contract.USER_COMMANDS == store.COMMANDS
    granted = {word.removeprefix("+") for word in access_string().split() if word.startswith("+")}
    assert granted == set(store.COMMANDS)


def test_the_store_sends_no_other_command() -> None:
    source = "".join((ROOT / "service" / name).read_text() for name in ("store.py", "connection.py", "queries.py"))
    sent = set(re.findall(r'\(\s*"([A-Z]{3,})"', source))
    # AUTH needs no grant.
    assert {command.partition("|")[0].upper() for command in store.COMMANDS} == sent - {"AUTH"}
