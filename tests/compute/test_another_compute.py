"""A compute layer that nobody else knows: all of it is in this file, and every verb takes it."""

from __future__ import annotations

import ast
import http.server
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

import pytest
from troposphere import Output, ssm

from generator import contract
from generator.compute import Compute, Outcome, Running, ServiceOperation
from generator.compute import verification as proof
from generator.iam.policies import documents
from generator.layers import Deployment, Layer, data_layer, default_deployments
from generator.parts.image import image_input
from generator.parts.imports import data_stack_name, imported
from generator.settings import Settings
from generator.template.elements import Input
from generator.workload import Workload
from rehearsal.emulator.process import ACCOUNT, REGION, Emulator
from tests.command import Captured, Command
from tests.pushed import push
from tests.running import ROOT

ROOMS = ("aws", "cli", "images", "database", "operations", "report", "stacks")
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/users:content-1"


@dataclass(frozen=True)
class Shelf:
    """The tiny template: a parameter in Systems Manager that names the image, in place of anything that runs it."""

    data: Input
    image: Input | None
    service: ssm.Parameter
    arn: Output


def shelf() -> Shelf:
    image = image_input(Workload())
    assert image
    secret = imported(contract.PASSWORD_SECRET_ARN)
    service = ssm.Parameter("Service", Type="String", Value=image.ref(), Description=secret)
    return Shelf(data_stack_name(), image, service, Output(contract.SERVICE_ARN, Value=service.ref()))


@dataclass(frozen=True)
class ShelfCompute(Compute):
    """Systems Manager as a compute; whatever is deployed answers at `url`."""

    url: str = ""

    client_name = "ssm"
    resource_type = "AWS::SSM::Parameter"
    actions = ("ssm:GetParameter",)
    redeploy_actions = ("ssm:GetParameter", "ssm:PutParameter")

    def running(self, client: Any, service_arn: str) -> Running:
        found = client.get_parameter(Name=service_arn)["Parameter"]
        version = str(found["Version"])
        image = found["Value"].partition("#")[0]
        return Running(
            "SHELVED", True, f"PUT {version}", Outcome.SUCCEEDED, image, self.url, True, operation_id=version
        )

    def operations(self, client: Any, service_arn: str) -> tuple[ServiceOperation, ...]:
        return ()

    def reasons(self, client: Any, service_arn: str, since: datetime, until: datetime) -> tuple[str, ...]:
        return ()

    def redeploy(self, client: Any, service_arn: str) -> None:
        found = client.get_parameter(Name=service_arn)["Parameter"]
        client.put_parameter(Name=service_arn, Value=f"{found['Value']}#", Overwrite=True)

    def log_groups(self, client: Any, service_arn: str) -> tuple[str, ...]:
        return ()

    def leaves(self, service_arn: str) -> tuple[str, ...]:
        return (f"dust where {service_arn} was",)

    def domain(self, region: str) -> str:
        return f"shelf.{region}.example"

    def resources(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        return (f"arn:aws:ssm:*:*:parameter/{stack_name}-{logical_id}-*",)

    def log_group_names(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        return ()


class Users(http.server.BaseHTTPRequestHandler):
    """A service with the user API, in memory."""

    users: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        if self.path in (contract.HEALTH_PATH, contract.READY_PATH):
            self.say(200, b'{"status":"ok","build":"content-1"}')
        elif self.path in self.users:
            self.say(200, self.users[self.path])
        else:
            self.say(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.users[f"/{json.loads(body)['email']}"] = body
        self.say(200)

    def do_DELETE(self) -> None:
        self.say(204 if self.users.pop(self.path, None) else 404)

    def say(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


GENERIC = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("rehearsal/*.py", *(f"generator/{name}/*.py" for name in ROOMS))
    for path in ROOT.glob(pattern)
    # The guard knows which types a changed tag replaces.
    if path.name != "guard.py"
)


@pytest.mark.parametrize("file", GENERIC)
def test_what_takes_any_compute_names_none(file: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    documentation = {
        ast.get_docstring(node, clean=False)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
    }
    said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    known = re.compile(r"app.?runner|(?<![a-z])ecs|fargate|express", re.IGNORECASE)
    assert not [word for word in (said - documentation) | names if known.search(word)]


@pytest.fixture(scope="module")
def deployments() -> Iterator[tuple[Deployment, ...]]:
    """The usual ones, and the one of this file."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Users) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        compute = ShelfCompute(url=f"http://127.0.0.1:{server.server_address[1]}")
        shelved = Layer("shelf", "A shelf for the image.", (shelf(),), compute)
        yield *default_deployments(), Deployment("shelf", (data_layer(Settings()), shelved))
        server.shutdown()


def test_its_rights_are_in_the_policy_for_deploy(deployments: tuple[Deployment, ...]) -> None:
    document = json.loads(documents(deployments[-1].layers, "users")["deploy.json"])
    assert [one["Resource"] for one in document["Statement"] if one["Action"] == ["ssm:GetParameter"]] == [
        ["arn:aws:ssm:*:*:parameter/users-shelf-Service-*"]
    ]


@pytest.fixture
def command(aws: Emulator, deployments: tuple[Deployment, ...], capsys: Captured) -> Command:
    push(aws, IMAGE, IMAGE.replace("content-1", "content-2"))
    return Command(lambda: deployments, capsys)


def test_every_verb_takes_it(command: Command) -> None:
    def said(*arguments: str) -> str:
        return command.must(*arguments, "--deployment", "shelf")

    seen = said("preview", "--image", IMAGE)
    assert "users-data: a new stack." in seen
    assert "users-shelf: cannot be previewed before the stack users-data exists." in seen

    deployed = said("deploy", "--yes", "--image", IMAGE)
    assert "CREATE_COMPLETE              Service" in deployed
    assert "last operation   PUT 1" in deployed
    assert "GET /ready       200, build content-1" in deployed
    assert "a user           written, read back, deleted" in deployed
    assert Users.users == {}

    assert "Service  AWS::SSM::Parameter" not in said("preview", "--image", IMAGE)

    shown = said("status")
    assert "runs: SHELVED, after PUT 1" in shown
    assert f"image: {IMAGE}\n" in shown
    assert "GET /ready: 200, build content-1" in shown
    assert "PushCommands" not in shown

    rotated = command.must("rotate", "--yes")
    assert "users-shelf will be redeployed" in rotated
    assert "last operation   PUT 2" in rotated

    destroyed = said("destroy", "--yes")
    assert "kept: dust where " in destroyed
    assert "users-shelf is deleted." in destroyed
    assert "users-data is deleted." in destroyed


def test_what_is_not_as_deployed_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    other = IMAGE.replace("content-1", "content-2")
    stacks = ("--name", "other", "--deployment", "shelf")
    monkeypatch.setattr(proof, "READY_SECONDS", 1)
    deployed = command("deploy", "--yes", *stacks, "--image", other)
    assert deployed.code == 1
    assert (
        "other-shelf: Could not verify that the new version is running: /ready reports the build content-1"
        in deployed.err
    )
    command.must("destroy", "--yes", *stacks)


def test_a_status_asks_for_what_a_deployment_verifies(command: Command, deployments: tuple[Deployment, ...]) -> None:
    stacks = ("--name", "asked", "--deployment", "shelf")
    command.must("deploy", "--yes", *stacks, "--image", IMAGE, "--no-verify")
    data, shelved = deployments[-1].layers
    assert shelved.compute
    for compute, answers, build in (
        (replace(shelved.compute, users_api=False, paths={"/health": 200}), {"/health": "200"}, None),
        (
            replace(shelved.compute, users_api=False, paths={"/ready": 200, "/": 200}),
            {"/ready": "200", "/": "404"},
            None,
        ),
        (replace(shelved.compute, users_api=False), {}, None),
        (
            replace(shelved.compute, paths={"/missing": 404}),
            {"/missing": "404", "/health": "200", "/ready": "200"},
            "content-1",
        ),
    ):
        workload = Deployment("shelf", (data, replace(shelved, compute=compute)))
        shown = command("status", *stacks, "--format", "json", deployments=partial(list, [workload]))
        service = json.loads(shown.out)["stacks"][1]["service"]
        assert (service["answers"], service["build"]) == (answers, build)
    command.must("destroy", "--yes", *stacks)
