"""No path to a terminal, a report or a caller shows a secret that a library put into its text.

All that is printed goes through one pair of streams, which redact: `WAYS_OUT` are the only names that write, in the
only room that prints. The exceptions that callers get redact their own text; what else carries a library's text out of
the other rooms is in `TEXTS`. A new way out or text fails the first tests here until it is added, with a run.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NoReturn
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator import errors
from generator.cli import main
from generator.cli.encoding import redacted_output
from generator.cli.terminal import Terminal, print_lines
from generator.layers import Deployment, default_deployments
from generator.report.as_json import preview_document, status_document
from generator.report.comment import Heading, comment
from generator.report.results import LayerStatus, Plan
from generator.report.text import lines, plan_lines
from generator.stacks.cloudformation import Stack
from generator.stacks.events import Event, Finding
from rehearsal import local_aws
from tests.running import ROOT

TOKEN = "FwoGZXIvYXdzEXAMPLEtoken/of+a/session==\r"
SECRETS = {
    "access key": "AKIAIOSFODNN7EXAMPLE",
    "secret key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "session token": TOKEN,
    "password": "of-memorydb-0123456789",
}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": SECRETS["access key"],
    "AWS_SECRET_ACCESS_KEY": SECRETS["secret key"],
    "AWS_REGION": "eu-west-1",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AWS_EC2_METADATA_DISABLED": "true",
    "MEMORYDB_PASSWORD": SECRETS["password"],
}
# How libraries write them; those of the environment in any text, the others by their shape.
WRITTEN = [
    *SECRETS.values(),
    repr(SECRETS["secret key"]),
    quote(SECRETS["secret key"], safe=""),
    f"Invalid header value {TOKEN.encode()!r}",
    "{'Authorization': 'AWS4-HMAC-SHA256 Credential=ASIAQEXAMPLE00000000/20261125/eu-west-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0'}",
    "https://b.s3.amazonaws.com/k?X-Amz-Signature=0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0&x=1",
    "rediss://user:of-another-cluster@host:6379",
]
PARTS = (
    *(SECRETS[name] for name in ("access key", "secret key", "password")),
    *(TOKEN.strip(), "ASIAQEXAMPLE", "0f1e2d3c4b5a", "of-another-cluster", quote(SECRETS["secret key"], safe="")),
)
TEXT = st.lists(st.sampled_from(WRITTEN), min_size=1, max_size=3).map(" and ".join)
NOW = datetime(2026, 11, 25, tzinfo=UTC)
VERBS = ("build", "preview", "deploy", "destroy", "status", "rotate", "serve")
AWS_VERBS = VERBS[1:6]

# Where the rooms below `cli` put an exception's text into a value that is not an exception, by file and function.
TEXTS = {
    "compute/verification.py: send": "an answer, which only VerificationError shows",
    "images/build.py: _unusable": "the reason of a DeployError",
    "layers.py: errors_of_layer": "the text of a TemplateError, after the layer's name",
    "operations/image.py: check_given": "what of a DeployError, printed as progress",
    "operations/logs.py: read": "the text of an error of ours, printed as progress",
    "operations/preview.py: preview": "the text of an error of ours, in a plan",
    "operations/stack_policy.py: try_to_protect": "the text of an error of ours, printed as progress",
    "parameters/files.py: _load": "where JSON is wrong, in a UsageError",
    "stacks/cloudformation.py: findings": "redacted where it is made",
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "generator").rglob("*.py")):
        yield path.relative_to(ROOT / "generator").as_posix(), ast.parse(path.read_text())


def test_only_the_command_prints_and_nothing_goes_around_its_streams() -> None:
    around = {"__stdout__", "__stderr__", "buffer", "print_exc", "print_exception", "logging", "warn", "excepthook"}
    found = {
        (name, node.attr if isinstance(node, ast.Attribute) else node.id)
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Attribute, ast.Name))
    }
    assert [one for one in found if one[1] in around] == []
    assert {name for name, used in found if used in ("print", "Console")} <= {
        name for name, _ in trees() if name.startswith("cli/")
    }
    assert {name for name, used in found if used == "dup2"} == {"cli/__init__.py"}


def shown(function: ast.AST) -> bool:
    """Whether a handler in the function puts its exception's text into something that it does not raise."""
    for handler in (node for node in ast.walk(function) if isinstance(node, ast.ExceptHandler) and node.name):
        raised = {id(inner) for node in ast.walk(handler) if isinstance(node, ast.Raise) for inner in ast.walk(node)}
        for node in ast.walk(handler):
            texts = [node.value] if isinstance(node, ast.FormattedValue) else []
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("str", "repr"):
                texts = node.args
            names = {inner.id for text in texts for inner in ast.walk(text) if isinstance(inner, ast.Name)}
            if handler.name in names and id(node) not in raised:
                return True
    return False


def test_the_texts_that_leave_other_rooms_without_an_exception_are_these() -> None:
    found = {
        f"{name}: {function.name}"
        for name, tree in trees()
        if not name.startswith(("cli/", "rules/"))
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and shown(function)
    }
    assert found == set(TEXTS)


def printed(call: Callable[[], object]) -> str:
    """What a call prints, as the command prints it."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream), redacted_output():
        call()
    return stream.getvalue()


def check(text: str) -> None:
    assert [part for part in PARTS if part in text] == []


@pytest.fixture(autouse=True)
def secrets() -> Iterator[None]:
    with local_aws.environment(ENVIRONMENT):
        yield


def raising(text: str) -> Callable[[], list[Deployment]]:
    def deployments() -> NoReturn:
        try:
            raise OSError(5, text)
        except OSError as error:
            error.add_note(text)
            raise kind(text) from error

    kind: type[Exception] = errors.UsageError if len(text) % 2 else ValueError
    return deployments


@settings(max_examples=8, deadline=None)
@pytest.mark.parametrize("verb", VERBS)
@given(text=TEXT, debug=st.booleans())
def test_what_build_py_raises(verb: str, text: str, debug: bool) -> None:
    yes = ["--yes"] if verb in ("deploy", "destroy", "rotate") else []
    said = printed(lambda: main(raising(text), argv=[verb, *yes, *(["--debug"] if debug else [])]))
    assert ("Traceback" in said) == debug
    check(said)


@pytest.mark.parametrize("debug", [[], ["--debug"]])
@pytest.mark.parametrize("verb", AWS_VERBS)
def test_what_aws_or_a_proxy_answers(verb: str, debug: list[str]) -> None:
    class Refuses(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = f"<Error><Code>Odd</Code><Message>{'; '.join(WRITTEN)}</Message></Error>"
            self.send_response(400)
            self.end_headers()
            self.wfile.write(f"<ErrorResponse>{body.replace('&', '&amp;')}</ErrorResponse>".encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    Thread(target=server.serve_forever, daemon=True).start()
    yes = ["--yes"] if verb in ("deploy", "destroy", "rotate") else []
    try:
        with local_aws.environment({**ENVIRONMENT, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}):
            said = printed(lambda: main(default_deployments, argv=[verb, *yes, *debug]))
    finally:
        server.shutdown()
        server.server_close()
    assert "Odd" in said
    check(said)


@pytest.mark.parametrize("verb", AWS_VERBS)
def test_what_is_raised_for_a_header_that_cannot_be_sent(verb: str) -> None:
    with local_aws.environment({**ENVIRONMENT, "AWS_SESSION_TOKEN": TOKEN}):
        said = printed(lambda: main(default_deployments, argv=[verb, "--debug"]))
    check(said)


def stack(text: str) -> Stack:
    return Stack("users-data", "arn:aws:cloudformation:eu-west-1:123456789012:stack/users-data/1", "FAILED", text)


def plans(text: str) -> list[Plan]:
    found = Finding("Cluster", "AWS::MemoryDB::Cluster", text, blocking=True)
    return [Plan("data", "users-data", (), note=text, failed=True, findings=(found,))]


REPORTS: dict[str, Callable[[str], object]] = {
    "progress": lambda text: Terminal(yes=True).progress(text),
    "a stack's outputs": lambda text: print_lines(lines(replace(stack(text), outputs={"Url": text}))),
    "a plan as text": lambda text: print_lines(plan_lines(plans(text), None)),
    "a plan as Markdown": lambda text: print(comment(plans(text), Heading("users", "apprunner", ""), None)),
    "a plan as JSON": lambda text: print(preview_document(plans(text), None)),
    "a status as text": lambda text: print_lines(lines(LayerStatus("data", stack(text)))),
    "a status as JSON": lambda text: print(status_document([LayerStatus("data", stack(text))])),
    "an event": lambda text: Terminal(yes=True).progress(
        str(Event("1", NOW, "Cluster", "", "T", "CREATE_FAILED", text))
    ),
}


@settings(max_examples=8, deadline=None)
@pytest.mark.parametrize("report", REPORTS)
@given(text=TEXT)
def test_what_cloudformation_gives_as_a_reason(report: str, text: str) -> None:
    said = printed(lambda: REPORTS[report](text))
    assert said
    check(said)
    if "JSON" in report:
        json.loads(said)


@settings(max_examples=30)
@given(text=TEXT)
def test_what_a_caller_of_the_library_gets(text: str) -> None:
    made: list[errors.GeneratorError] = [
        errors.UsageError(text),
        errors.FindingsError([text]),
        errors.OutputError(action="read", path=Path("file"), reason=text),
        errors.LocalError(what="What", why=text),
        errors.DeployError(stack="users-data", what="What", why=text),
    ]
    shape = [part for part in PARTS if part not in SECRETS.values() and part != quote(SECRETS["secret key"], safe="")]
    for error in made:
        assert [part for part in shape if part in str(error)] == []
