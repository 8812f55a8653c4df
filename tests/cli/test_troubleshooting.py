"""What is said about the faults of other people's machines and habits, with the exit code: docs/troubleshooting.md.

Each row of the first table is a run of the command with its environment, and each of the second is asserted in
tests/operations; `python -m tests.cli.test_troubleshooting` writes the page.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from generator.cli import main
from generator.layers import default_deployments
from generator.redaction import redact
from tests.operations.causes import CAUSES
from tests.running import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
CONFIG = """
[profile keys]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = x
[profile sso]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = Dev
[sso-session corp]
sso_start_url = https://corp.example.org/start
sso_region = eu-west-1
[profile partial]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
[profile loop1]
role_arn = arn:aws:iam::111122223333:role/deploy
source_profile = loop2
[profile loop2]
role_arn = arn:aws:iam::111122223333:role/deploy
source_profile = loop1
[profile silent]
credential_process = /bin/false
"""
FILES = {
    "twice.json": '{"Parameters": {"Shards": "1", "Shards": "2"}}',
    "policy.json": '{"Parameters": {"Shards": "1"}, "StackPolicy": {}}',
    "nan.json": '{"Parameters": {"Shards": NaN}}',
    "half.json": '{"Parameters": {"AlarmEmail": "\\ud800"}}',
    "values.yaml": "Parameters:\n  Shards: 1\n",
}


@dataclass(frozen=True)
class Case:
    """A fault: the command that meets it, and what of the environment is other than usual."""

    kind: str
    command: str
    code: int
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)


CASES = (
    Case("An unknown command", "plan", 64),
    Case("An unknown option", "preview --stack-name users", 64),
    Case("An option that is written twice", "preview --parameter Cpu=512 Cpu=1024", 64),
    Case("A value that a template does not take", "deploy --yes --parameter Memory=999", 64),
    Case("An image that is not one of ECR", "deploy --yes --image foo:latest", 64),
    Case("The same, previewed", "preview --image foo:latest", 64),
    Case("An unknown parameter", "preview --parameter NodeTyp=db.r7g.large", 64),
    Case("A parameter of another layer", "preview --layer data --parameter Cpu=512", 64),
    Case("An unknown layer", "preview --layer dat", 64),
    Case("A tag to set and to take off", "preview --tag team=a --untag team", 64),
    Case("A tag without a value", "preview --tag team=", 64),
    Case("A reserved tag", "preview --tag aws:team=a", 64),
    Case("A role that is not an ARN", "preview --role-arn deploy", 64),
    Case("Too few capabilities", "preview --capabilities CAPABILITY_AUTO_EXPAND", 64),
    Case("A parameter file with a key twice", "preview --parameters twice.json", 64),
    Case("A parameter file with a stack policy", "preview --parameters policy.json", 64),
    Case("A parameter file that is not JSON", "preview --parameters nan.json", 64),
    Case("Half a character in a parameter file", "preview --parameters half.json", 64),
    Case("A parameter file in YAML", "preview --parameters values.yaml", 64),
    Case("No Region", "preview", 64, {"AWS_REGION": ""}),
    Case("A zone in place of a Region", "preview", 64, {"AWS_REGION": "eu-west-1a"}),
    Case("An unknown profile", "preview --profile kyes", 64),
    Case("No login of SSO", "preview --profile sso", 1),
    Case("Half of the credentials", "preview --profile partial", 1),
    Case("Profiles in a circle", "preview --profile loop1", 1),
    Case("A credential process that fails", "preview --profile silent", 1),
    Case("A token with a carriage return", "preview", 1, {"AWS_SESSION_TOKEN": "FAKETOKEN1\r"}),
    Case("A number of attempts that is none", "preview", 64, {"AWS_MAX_ATTEMPTS": "many"}),
)


@dataclass(frozen=True)
class Said:
    """What a run printed, how it ended, and the requests that it sent to AWS."""

    text: str
    code: int
    requests: int


@contextmanager
def machine() -> Iterator[list[str]]:
    """A folder with the files and the configuration, an endpoint in place of AWS, and the paths it was asked for."""
    asked: list[str] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(403)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html><body>Not allowed from here</body></html>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    before, environment, called = Path.cwd(), dict(os.environ), sys.argv
    sys.argv = ["build.py"]
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**FILES, "config": CONFIG}.items():
                Path(folder, name).write_text(text)
            os.chdir(folder)
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                del os.environ[name]
            os.environ |= {
                "AWS_CONFIG_FILE": "config",
                "AWS_SHARED_CREDENTIALS_FILE": "none",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
                "AWS_MAX_ATTEMPTS": "1",
                "AWS_REGION": "eu-west-1",
                "HOME": folder,
            }
            try:
                yield asked
            finally:
                os.chdir(before)
    finally:
        os.environ.clear()
        os.environ |= environment
        sys.argv = called
        server.shutdown()
        server.server_close()


@cache
def run(case: Case) -> Said:
    with machine() as asked:
        if "--profile" not in case.command:
            os.environ |= {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"}
        os.environ |= case.environment
        printed = io.StringIO()
        with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed):
            code = main(default_deployments, argv=case.command.split())
        return Said(printed.getvalue(), code, len(asked))


def page() -> str:
    rows = ""
    for case in CASES:
        said = run(case)
        text = "<br>".join(said.text.strip().splitlines()).replace("|", "\\|").replace("<br>", "<br>")
        shown = " ".join([*(f"{name}={value!r}" for name, value in case.environment.items()), case.command])
        rows += f"| {case.kind} | `{shown}` | {text} | {said.code} |\n"
    return (
        "# Troubleshooting\n\n## Before AWS\n\n"
        "What the command says about faults of this machine and of what was typed, and its exit code. None of these "
        "sends\nAWS a request. `--debug` adds the traceback, without secrets.\n\n"
        f"| fault | command | what is said | exit code |\n|---|---|---|---|\n{rows}\n## In AWS\n\n"
        "What `python build.py status` says, and `deploy` too, about the causes that public threads report most. Tests "
        "make\neach of them happen in the emulator, whose reasons are those that users quote; none was tried on an AWS "
        "account. ECS keeps\nstopped tasks for about an hour; afterwards the cause is the service's event. "
        "[Operations](operations.md#when-it-goes-wrong)\nsays what to do in general.\n\n"
        f"| fault | what `status` says | what helps | reported in |\n|---|---|---|---|\n{''.join(map(in_aws, CAUSES))}"
    )


def in_aws(kind: str) -> str:
    cause = CAUSES[kind]
    links = ", ".join(f"[{thread}](https://github.com/{thread.replace('#', '/issues/')})" for thread in cause.threads)
    return f"| {kind} | {cause.says} | {cause.then}{'' if cause.then.endswith('?') else '.'} | {links} |\n"


@pytest.mark.parametrize("case", CASES, ids=[case.kind for case in CASES])
def test_a_fault_is_a_paragraph_without_secrets_and_without_a_request(case: Case) -> None:
    said = run(case)
    assert said.code == case.code, said.text
    assert said.requests == 0
    assert "Traceback" not in said.text
    assert "FAKETOKEN1" not in said.text
    assert redact(said.text) == said.text
    assert "cannot be reached" not in said.text


def test_a_page_of_a_proxy_is_a_sentence() -> None:
    said = run(Case("", "preview --layer data", 1))
    assert said.code == 1
    assert said.requests == 1
    assert said.text.startswith(
        "The answer did not come from AWS, but from a proxy or another server: HTTP status 403, "
    )
    assert "Not allowed from here" in said.text


def test_an_endpoint_that_is_gone_is_named() -> None:
    said = run(Case("", "preview --layer data", 1, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}))
    assert said.text.startswith("Nothing answers at AWS_ENDPOINT_URL (http://127.0.0.1:9)")
    assert said.code == 1


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page()


if __name__ == "__main__":
    PAGE.write_text(page())
