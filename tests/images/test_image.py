"""Building and pushing: what the tools are told, what their failures become. The tools are scripts that write down how
they are called; real ones are used by the acceptance tests."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from generator.errors import DeployError
from generator.images.build import Tool, container_tool, publish
from generator.images.context import TOOLS, Context
from generator.images.repository import ImageRepository, delete_images, images
from generator.layers import app_runner_deployment
from rehearsal.processes import START_SECONDS
from tests.running import eventually

REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
URI = f"{REGISTRY}/users"
TAG = "content-1"
DIGEST = "sha256:" + 64 * "a"
TOKEN = "a-token-that-no-argument-list-may-hold"

SCRIPT = """#!{python}
import json, os, sys
name, verb = os.path.basename(sys.argv[0]), sys.argv[1]
given = sys.stdin.read() if verb == "login" else ""
with open({log!r}, "a") as file:
    file.write(json.dumps([name, sys.argv[1:], given]) + "\\n")
answers = json.load(open({answers!r}))
said, code = answers.get(verb, ["", 0])
print(said)
sys.exit(code)
"""


class Tools:
    """Programs named like the container tools. `answers`: by the first argument, what is printed and the exit code."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._log = directory / "log"
        self._answers = directory / "answers"
        self.answer(info=["", 0], image=["amd64", 0], inspect=["amd64", 0])

    def answer(self, **answers: list[Any]) -> None:
        known = json.loads(self._answers.read_text()) if self._answers.exists() else {}
        self._answers.write_text(json.dumps(known | answers))

    def add(self, name: str) -> Tool:
        program = self.directory / name
        text = SCRIPT.format(python=sys.executable, log=str(self._log), answers=str(self._answers))
        program.write_text(text)
        program.chmod(0o755)
        return Tool(str(program), name)

    @property
    def calls(self) -> list[tuple[str, list[str], str]]:
        """Tool, arguments, standard input; without the question whether the tool is there."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        called = [(name, arguments, given) for name, arguments, given in map(json.loads, lines)]
        return [call for call in called if call[1] != ["info"]]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    return Tools(directory)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "source" / ".dockerignore").write_text("")
    return Context(tmp_path / "source", {"BASE": "base:1"}, ("id=ca,src=/etc/ca",))


class Ecr:
    """ECR, of which every answer is given beforehand."""

    def __init__(self) -> None:
        client = boto3.client("ecr", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
        self.stubber = Stubber(client)
        self.repository = ImageRepository(URI, client)
        self._asked = {"repositoryName": "users", "imageIds": [{"imageTag": TAG}]}

    def absent(self) -> None:
        self.stubber.add_client_error("describe_images", "ImageNotFoundException", expected_params=self._asked)

    def present(self) -> None:
        self.stubber.add_response("describe_images", {"imageDetails": [{"imageDigest": DIGEST}]}, self._asked)

    def token(self) -> None:
        token = base64.b64encode(f"AWS:{TOKEN}".encode()).decode()
        self.stubber.add_response("get_authorization_token", {"authorizationData": [{"authorizationToken": token}]}, {})

    def pushed(self) -> None:
        """What is asked around a push."""
        self.absent()
        self.token()
        self.present()


@pytest.fixture
def ecr() -> Iterator[Ecr]:
    made = Ecr()
    with made.stubber:
        yield made
        made.stubber.assert_no_pending_responses()


def published(ecr: Ecr, context: Context, wanted: str | None = None) -> tuple[str, list[str]]:
    said: list[str] = []
    return publish(wanted, context, ecr.repository, TAG, said.append), said


def test_an_image_that_is_there_is_not_built_and_needs_no_tool(tools: Tools, ecr: Ecr, context: Context) -> None:
    ecr.present()
    image, said = published(ecr, context)
    assert image == f"{URI}@{DIGEST}"
    assert said == ["users has content-1 already: nothing to build."]
    assert tools.calls == []


@pytest.mark.parametrize("name", TOOLS)
def test_each_tool_builds_logs_in_with_a_token_that_stays_nowhere_and_pushes(
    name: str, tools: Tools, ecr: Ecr, context: Context
) -> None:
    tools.add(name)
    ecr.pushed()
    image, said = published(ecr, context)
    assert image == f"{URI}@{DIGEST}"
    verbs = [arguments[0] for _, arguments, _ in tools.calls]
    inspect = "inspect" if name == "buildah" else "image"
    assert verbs == ["build", inspect, "login", "push", *(["logout"] if name in ("docker", "finch") else [])]
    build = tools.calls[0][1]
    assert build[:5] == ["build", "--platform", "linux/amd64", "--tag", f"{URI}:{TAG}"]
    for option, value in (("--build-arg", "BASE=base:1"), ("--secret", "id=ca,src=/etc/ca")):
        assert build[build.index(option) + 1] == value
    assert f"BUILD_ID={TAG}" in build
    assert build[-1] == str(context.directory)
    assert tools.calls[3][1][-1] == f"{URI}:{TAG}"
    _, login, given = tools.calls[2]
    assert (login[-1], given) == (REGISTRY, TOKEN)
    assert not any(TOKEN in argument for _, arguments, _ in tools.calls for argument in arguments)
    assert TOKEN not in " ".join(said)
    if name in ("podman", "buildah"):
        assert not Path(login[login.index("--authfile") + 1]).parent.exists()


def test_the_builders_own_ignore_file_is_the_one_the_tag_was_made_with(
    tools: Tools, ecr: Ecr, context: Context
) -> None:
    tools.add("podman")
    ecr.pushed()
    published(ecr, context)
    build = tools.calls[0][1]
    assert build[build.index("--ignorefile") + 1] == str(context.ignore_file)
    assert build[build.index("--format") + 1] == "docker"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            {"build": ["step 1\nERROR: failed to solve: no such package\n\n", 1]},
            r"could not be built: failed to solve: no such package\. Nothing was pushed",
        ),
        (
            {"build": ["exec /bin/sh: exec format error\nError: exit status 1", 1]},
            r"cannot run programs for linux/amd64\. .*qemu-user-static",
        ),
        (
            {"build": ["Error: initializing source docker://python:3.13: pinging container registry: no", 125]},
            r"its base image cannot be pulled: .* --build-arg BASE=IMAGE\.",
        ),
        (
            {
                "build": [
                    "ERROR: failed to solve: python: failed to resolve source metadata for docker.io: no host",
                    125,
                ]
            },
            r"its base image cannot be pulled: .* --build-arg BASE=IMAGE\.",
        ),
        ({"image": ["arm64", 0]}, "it is for arm64, and services run on linux/amd64"),
    ],
)
def test_a_build_that_fails_says_why_and_nothing_is_pushed(
    answers: dict[str, list[Any]], message: str, tools: Tools, ecr: Ecr, context: Context
) -> None:
    tools.add("docker")
    tools.answer(**answers)
    ecr.absent()
    with pytest.raises(DeployError, match=message):
        published(ecr, context)
    assert {arguments[0] for _, arguments, _ in tools.calls} <= {"build", "image"}


def test_a_login_that_is_refused_does_not_show_the_token(tools: Tools, ecr: Ecr, context: Context) -> None:
    tools.add("docker")
    tools.answer(login=[f"Error: bad password {TOKEN}", 1])
    ecr.absent()
    ecr.token()
    with pytest.raises(DeployError, match=r"refuses the login: bad password \*\*\*\*\.") as error:
        published(ecr, context)
    assert TOKEN not in str(error.value)


def test_a_refused_push_is_an_error_and_the_tool_logs_out(tools: Tools, ecr: Ecr, context: Context) -> None:
    tools.add("docker")
    tools.answer(push=["denied: not authorized", 1])
    ecr.absent()
    ecr.token()
    with pytest.raises(DeployError, match=r"^users: The push was refused: denied: not authorized\."):
        published(ecr, context)
    assert tools.calls[-1][1] == ["logout", REGISTRY]


def test_a_tag_that_was_pushed_from_elsewhere_in_the_meantime_is_used(tools: Tools, ecr: Ecr, context: Context) -> None:
    tools.add("docker")
    tools.answer(push=["tag invalid: The image tag 'content-1' already exists and cannot be overwritten", 1])
    ecr.pushed()
    ecr.present()
    assert published(ecr, context)[0] == f"{URI}@{DIGEST}"


def test_a_push_that_left_nothing_is_not_believed(tools: Tools, ecr: Ecr, context: Context) -> None:
    tools.add("docker")
    ecr.absent()
    ecr.token()
    ecr.absent()
    with pytest.raises(DeployError, match="docker reported that it pushed content-1, but ECR does not know it"):
        published(ecr, context)


def test_the_first_tool_that_answers_is_taken(tools: Tools) -> None:
    for name in ("podman", "buildah"):
        tools.add(name)
    assert container_tool(None) == Tool("podman", "podman")


def test_a_client_without_its_engine_is_passed_over(tools: Tools) -> None:
    tools.add("podman")
    (tools.directory / "docker").write_text("#!/bin/sh\necho Cannot connect to the Docker daemon. >&2\nexit 1\n")
    (tools.directory / "docker").chmod(0o755)
    assert container_tool(None).kind == "podman"
    (tools.directory / "podman").unlink()
    with pytest.raises(DeployError, match=r"docker: Cannot connect to the Docker daemon\. Install or start one"):
        container_tool(None)


def test_without_any_tool_the_message_says_what_to_do_instead(tools: Tools) -> None:
    with pytest.raises(DeployError, match=r"none of docker, finch, podman, buildah is installed\. .*--image URI"):
        container_tool(None)


def test_a_tool_by_its_path_is_used_as_what_its_name_says(tools: Tools) -> None:
    program = tools.add("buildah").program
    assert container_tool(program) == Tool(program, "buildah")


def test_a_tool_that_cannot_be_used_is_named(tools: Tools) -> None:
    with pytest.raises(
        DeployError, match="/nonexistent/podman: The container tool cannot be used: it is not installed"
    ):
        container_tool("/nonexistent/podman")


def test_a_repository_without_permission_is_an_error(ecr: Ecr, context: Context) -> None:
    ecr.stubber.add_client_error("describe_images", "AccessDeniedException", "no")
    with pytest.raises(DeployError, match="AWS does not permit DescribeImages"):
        published(ecr, context)


def test_ctrl_c_ends_the_tool(tools: Tools, context: Context, tmp_path: Path) -> None:
    """As a terminal does it: the interrupt reaches the command, and the tool is not left behind."""
    slow = tools.directory / "docker"
    pid = tmp_path / "pid"
    slow.write_text(f"#!/bin/sh\n[ $1 = build ] || exit 0\necho $$ > {pid}\nexec /bin/sleep 60\n")
    slow.chmod(0o755)
    code = (
        # A process that is started in the background ignores SIGINT.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from pathlib import Path; "
        "from generator.images.context import Context; from generator.images import build as image\n"
        f"image._build(image.Tool({str(slow)!r}, 'docker'), Context(Path({str(context.directory)!r})), 'i', 't', print)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        eventually(lambda: pid.exists() and pid.read_text() != "")
        process.send_signal(signal.SIGINT)
        assert process.wait(START_SECONDS) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_repository_that_was_deleted_outside_has_no_images(ecr: Ecr) -> None:
    ecr.stubber.add_client_error("list_images", "RepositoryNotFoundException")
    assert images(ecr.repository.ecr, "users") == []


def digest(number: int) -> str:
    return f"sha256:{number:064}"


def answers_deletion(ecr: Ecr, asked: range | list[int], failures: dict[int, str]) -> None:
    ecr.stubber.add_response(
        "batch_delete_image",
        {
            "failures": [
                {"imageId": {"imageDigest": digest(number)}, "failureCode": code, "failureReason": f"{code}."}
                for number, code in failures.items()
            ]
        },
        {"repositoryName": "users", "imageIds": [{"imageDigest": digest(number)} for number in asked]},
    )


def test_images_of_an_index_are_deleted_after_it(ecr: Ecr) -> None:
    answers_deletion(ecr, range(100), {7: "ImageReferencedByManifestList", 8: "ImageNotFound"})
    answers_deletion(ecr, [100], {})
    answers_deletion(ecr, [7], {})
    delete_images(ecr.repository.ecr, "users", [digest(number) for number in range(101)])


def test_an_image_that_cannot_be_deleted_is_an_error(ecr: Ecr) -> None:
    answers_deletion(ecr, [1, 2], {1: "KmsError"})
    answers_deletion(ecr, [1], {1: "KmsError"})
    with pytest.raises(DeployError, match=rf"^users: {digest(1)} cannot be deleted: KmsError\.$"):
        delete_images(ecr.repository.ecr, "users", [digest(1), digest(2)])


def test_the_output_push_commands_makes_the_same_image_as_a_deployment(tmp_path: Path) -> None:
    template = app_runner_deployment().layers[0].template
    commands = template["Outputs"]["PushCommands"]["Value"]["Fn::Sub"].replace("${Repository.RepositoryUri}", URI)
    for name, script in (("aws", "echo token"), ("date", "echo 20261125-120000")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "docker").write_text(f'#!/bin/sh\necho "$BUILDX_NO_DEFAULT_ATTESTATIONS $@" >> {tmp_path}/log\n')
    for program in tmp_path.iterdir():
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["sh", "-c", re.sub(r"\$\{AWS::\w+\}", "x", commands)], env=environment, stdout=subprocess.PIPE
    )
    image = f"{URI}:20261125-120000"
    assert ran.stdout.decode().splitlines() == [image]
    _, *build = Tool("docker", "docker").build(Context(Path()), image, "20261125-120000")
    _, built, pushed = (tmp_path / "log").read_text().splitlines()
    assert built == " ".join(["1", *build])
    assert pushed == f" push {image}"
