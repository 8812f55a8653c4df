"""The emitted policies against the calls of a rehearsal, in which the verbs ran with the roles of the access layer."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pytest

from generator import Settings, contract, data_layer, user
from generator.cli import main
from generator.cli.arguments import Deployments
from generator.iam import policies
from generator.iam.access import access_deployment
from generator.images.context import Context
from generator.layers import Deployment, app_runner_deployment, default_deployments
from rehearsal.emulator.environment import interpreter
from rehearsal.emulator.identities import identities
from rehearsal.emulator.process import ACCOUNT, Call, Emulator, Fault
from rehearsal.emulator.registry import Registry, RegistryError, Start
from rehearsal.local_aws import NAME, REGISTRY, environment
from rehearsal.run import Options, Rehearsal
from tests.command import output
from tests.running import ROOT

PAGE = (ROOT / "docs" / "permissions.md").read_text()
DEPLOYMENT = app_runner_deployment()
DOCUMENTS = policies.documents(DEPLOYMENT.layers, NAME)
ACCESS = access_deployment(DEPLOYMENT).layers[0]
USERS = ("preview", "deploy", "rotate")
ACTIONS = [(user, action) for user in USERS for action in policies.actions(DOCUMENTS[f"{user}.json"])]
FAILS = ["--name", NAME, "--layer", "apprunner", "--image", f"{REGISTRY}/nobody:1"]
NO_CHANGE_SET = Fault("change-set", reason="Resource of type 'AWS::SNS::Topic' with identifier 'taken' already exists.")


def changed() -> tuple[Deployment, ...]:
    """The deployment with another access string."""
    _, *others = app_runner_deployment().layers
    users = (user(commands=(*contract.USER_COMMANDS, "hget")),)
    return (Deployment("apprunner", (data_layer(Settings(), users=users), *others)),)


@dataclass
class Thorough(Rehearsal):
    """A rehearsal, and what the verbs ask when something goes wrong."""

    deployments: Deployments = default_deployments

    def verb(self, name: str, arguments: list[str]) -> bool:
        if name == "image and service":
            self._record("a user that is changed", ["deploy", "--yes", "--name", NAME, "--layer", "data"], changed)
            self._record("a user that is changed back", ["deploy", "--yes", "--name", NAME, "--layer", "data"])
            with self.aws.emulator.faults(NO_CHANGE_SET):
                self._record("a change set that fails", ["deploy", "--yes", *FAILS])
            with self.aws.emulator.faults(Fault("Service", "start", spoils="secrets")):
                self._record("a service that fails", arguments)
            arguments = [*arguments, "--recreate"]
        if name == "rotation":
            # As where nobody has proven the service yet, so nobody has limited its logs.
            with environment(self.aws.variables):
                logs = boto3.Session().client("logs")
                for group in logs.describe_log_groups()["logGroups"]:
                    logs.delete_retention_policy(logGroupName=group["logGroupName"])
            # A deployment that is no stack's has no logical ID.
            with self.aws.emulator.faults(Fault("", "start", spoils="secrets")):
                self._record("a rotation that fails", arguments)
        succeeded = self._record(name, arguments)
        if name == "status":
            self._record("log", ["logs", "--name", NAME])
            self._record("a change that would be none", ["preview", "--name", NAME])
            given = ["--name", NAME, "--layer", "apprunner", "--image", self._image()]
            self._record("a given image", ["preview", *given])
            self._record("a given image", ["deploy", "--yes", *given])
            self._record("a replacement of nothing", ["preview", "--name", NAME, "--allow-replacement", "Nothing"])
            with self.aws.emulator.faults(NO_CHANGE_SET):
                self._record("a change set that fails", ["preview", *FAILS])
        return succeeded

    def _image(self) -> str:
        """An image of the deployment."""
        return f"{output(f'{NAME}-data', contract.REPOSITORY_URI)}:{Context(ROOT).tag()}"

    def _record(self, name: str, arguments: list[str], deployments: Deployments = default_deployments) -> bool:
        self.deployments = deployments
        return super().verb(name, arguments)


@pytest.fixture(scope="module")
def played() -> Thorough:
    with ExitStack() as stack:
        options = Options(app_runner_deployment(), ACCESS, context=ROOT, process=True)
        rehearsal = Thorough(lambda deployment, arguments: main(rehearsal.deployments, argv=arguments), options)
        rehearsal.play(stack)
    return rehearsal


def asked(calls: list[Call]) -> list[dict[str, Any]]:
    """What IAM was asked, each once. GetCallerIdentity needs no permission (STS API reference)."""
    found = [
        {"principal": call.principal, **asdict(check)}
        for call in calls
        for check in call.checks
        if check.action != "sts:GetCallerIdentity"
    ]
    return list({json.dumps(one, sort_keys=True): one for one in found}.values())


def by(user: str, played: Thorough) -> list[Call]:
    who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{NAME}-{user}/{user}"
    return [call for step in played.steps for call in step.calls if call.principal == who]


def without(document: str, action: str) -> str:
    policy = json.loads(document)
    for statement in policy["Statement"]:
        statement["Action"] = [one for one in statement["Action"] if one != action]
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Action"]]
    return json.dumps(policy)


@pytest.fixture(scope="module")
def decisions(played: Thorough) -> dict[tuple[str, str], list[bool]]:
    """What is allowed with a user's whole policy (action ""), and with one action of it dropped."""
    keys = [*((user, "") for user in USERS), *ACTIONS]
    jobs = [
        {"policy": without(DOCUMENTS[f"{user}.json"], action), "asked": asked(by(user, played))}
        for user, action in keys
    ]
    ran = subprocess.run(
        [interpreter(), ROOT / "tests" / "decide.py"],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(keys, json.loads(ran.stdout), strict=True))


def test_the_rehearsal_came_to_its_end(played: Thorough) -> None:
    codes = [step.code for step in played.steps]
    assert [step.name for step in played.steps if step.code] == [
        "a change set that fails",
        "a service that fails",
        "a replacement of nothing",
        "a change set that fails",
        "a rotation that fails",
    ], codes
    assert played.left == []


@pytest.mark.parametrize("user", USERS)
def test_every_call_is_one_that_iam_was_asked_about(user: str, played: Thorough) -> None:
    assert len(by(user, played)) > 10
    assert [call for call in by(user, played) if not call.checks] == []


@pytest.mark.parametrize("user", USERS)
def test_every_call_is_allowed(user: str, decisions: dict[tuple[str, str], list[bool]]) -> None:
    assert decisions[user, ""]
    assert all(decisions[user, ""])


@pytest.mark.parametrize(("user", "action"), ACTIONS)
def test_without_any_one_action_a_call_is_denied(
    user: str, action: str, decisions: dict[tuple[str, str], list[bool]]
) -> None:
    assert not all(decisions[user, action])


def test_only_these_users_act(played: Thorough) -> None:
    assert {call.principal for step in played.steps for call in step.calls} == {
        f"arn:aws:sts::{ACCOUNT}:assumed-role/{NAME}-{user}/{user}" for user in USERS
    }


def explained() -> set[tuple[str, str]]:
    """What of each policy but the boundary, whose statements are one."""
    name = "(?:preview|deploy|drift|rotate|execution-role)"
    rows = re.findall(rf"^\| ({name}(?:, {name})*) \| ([\w, ]+) \| \S", PAGE, re.MULTILINE)
    return {pair for names, sids in rows for pair in product(names.split(", "), sids.split(", "))}


def test_the_page_explains_every_statement_and_no_other() -> None:
    found = {
        (file.removesuffix(".json"), statement["Sid"])
        for file, document in DOCUMENTS.items()
        if file != "boundary.json"
        for statement in json.loads(document)["Statement"]
    }
    assert explained() == found


# What the policies do not allow, and the emulator therefore refuses.


@pytest.fixture(scope="module")
def sessions(aws: Emulator) -> dict[str, boto3.Session]:
    """Of each role, and of root."""
    with environment(aws.environment):
        made = identities(NAME, ACCESS)
    keys = {**made.users, "root": aws.environment}
    return {
        user: boto3.Session(
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=given.get("AWS_SESSION_TOKEN"),
        )
        for user, given in keys.items()
    }


REFUSED: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("preview", "cloudformation", "execute_change_set", {"ChangeSetName": "a", "StackName": f"{NAME}-data"}, ""),
    ("preview", "cloudformation", "describe_stacks", {"StackName": "another-data"}, ""),
    ("preview", "ecr", "get_authorization_token", {}, ""),
    ("preview", "secretsmanager", "get_secret_value", {"SecretId": "any"}, ""),
    ("deploy", "cloudformation", "delete_stack", {"StackName": "another-data"}, ""),
    ("deploy", "ecr", "list_images", {"repositoryName": "another"}, ""),
    ("deploy", "memorydb", "describe_snapshots", {"SnapshotName": "mine"}, ""),
    ("deploy", "memorydb", "delete_snapshot", {"SnapshotName": "final-1"}, ""),
    ("deploy", "apprunner", "pause_service", {"ServiceArn": "arn:aws:apprunner:eu-west-1:1:service/Service-1/2"}, ""),
    ("deploy", "apprunner", "describe_service", {"ServiceArn": "arn:aws:apprunner:eu-west-1:1:service/Other/2"}, ""),
    ("deploy", "logs", "get_log_events", {"logGroupName": "/other", "logStreamName": "events"}, ""),
    ("deploy", "logs", "filter_log_events", {"logGroupName": "/other"}, ""),
    ("deploy", "iam", "list_users", {}, ""),
    (
        "deploy",
        "cloudformation",
        "delete_stack",
        {"StackName": f"{NAME}-data", "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/admin"},
        "iam:PassRole",
    ),
]


@pytest.mark.parametrize(("user", "service", "operation", "arguments", "action"), REFUSED)
def test_what_a_policy_does_not_allow_is_refused(
    user: str, service: str, operation: str, arguments: dict[str, Any], action: str, sessions: dict[str, boto3.Session]
) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=f"is not authorized to perform: {action}"):
        getattr(sessions[user].client(service), operation)(**arguments)


def test_a_role_that_cloudformation_cannot_assume_is_refused(sessions: dict[str, boto3.Session]) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/missing"
    with pytest.raises(botocore.exceptions.ClientError, match="is invalid or cannot be assumed"):
        sessions["root"].client("cloudformation").delete_stack(StackName="any", RoleARN=role)


def test_a_token_of_the_registry_opens_what_its_user_may_do(
    aws: Emulator, sessions: dict[str, boto3.Session], tmp_path: Path
) -> None:
    for name in (f"{NAME}-data-repository-1", "another"):
        sessions["root"].client("ecr").create_repository(repositoryName=name)
    token = sessions["deploy"].client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    registry = Registry(aws.url, token)
    registry.push(f"{REGISTRY}/{NAME}-data-repository-1:1", {}, Start())
    with pytest.raises(RegistryError, match=r"HEAD another/blobs/\S+: 403"):
        registry.push(f"{REGISTRY}/another:1", {}, Start())
    registry.push(f"{REGISTRY}/{NAME}-data-repository-1:2", {}, Start())
    registry.unpack(f"{REGISTRY}/{NAME}-data-repository-1:1", tmp_path / "image")
