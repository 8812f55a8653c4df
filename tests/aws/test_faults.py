"""Each fault as botocore really raises it, with files, environments and servers on this machine: what is said of it."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import exceptions
from botocore.config import Config
from botocore.stub import Stubber
from urllib3.exceptions import NameResolutionError

from generator.aws.errors import local_error
from generator.aws.faults import (
    Context,
    Fault,
    fault,
    look_up_credentials,
    malformed_credentials,
    refuse_foreign_answer,
    region_fault,
)
from generator.redaction import MARK
from rehearsal.processes import START_SECONDS
from rehearsal.services.certificates import certificates
from tests.running import ROOT

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu-west-1"}
Environment = Callable[..., Mapping[str, str]]
# The models of services, parsed once.
LOADER = botocore.session.Session().get_component("data_loader")
REGIONS = ("eu-west-1", "eu-central-1", "us-east-1")
CONFIG = """
[profile keys]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = x
[profile legacy-sso]
sso_start_url = https://corp.example.org/start
sso_region = eu-west-1
sso_account_id = 111122223333
sso_role_name = Dev
[profile no-session]
sso_session = gone
sso_account_id = 111122223333
sso_role_name = Dev
[profile mfa]
role_arn = arn:aws:iam::111122223333:role/deploy
source_profile = keys
mfa_serial = arn:aws:iam::111122223333:mfa/me
[profile partial]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
[profile no-source]
role_arn = arn:aws:iam::111122223333:role/deploy
source_profile = absent
[profile no-origin]
role_arn = arn:aws:iam::111122223333:role/deploy
[profile role]
role_arn = arn:aws:iam::111122223333:role/deploy
source_profile = keys
[profile loud]
credential_process = sh -c "echo no vault for AKIAIOSFODNN7EXAMPLE >&2; exit 3"
[profile text]
credential_process = /bin/echo none
[profile gone]
credential_process = /nonexistent/tool
[profile web]
role_arn = arn:aws:iam::111122223333:role/deploy
web_identity_token_file = /nonexistent/token
[profile login]
login_session = arn:aws:iam::111122223333:user/me
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Sets the environment to files of this test, no network but loopback, and what is given."""

    def changed(**variables: str) -> Mapping[str, str]:
        for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
            monkeypatch.delenv(name)
        config = tmp_path / "config"
        config.write_text(CONFIG)
        defaults = {
            "AWS_CONFIG_FILE": str(config),
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1",
            "HOME": str(tmp_path),
        }
        for name, value in (defaults | variables).items():
            monkeypatch.setenv(name, value)
        return defaults | variables

    return changed


def context(environment: Mapping[str, str], **more: Any) -> Context:
    profile = environment.get("AWS_PROFILE", "")
    defaults: dict[str, Any] = {"region": environment.get("AWS_REGION", ""), "regions": lambda: REGIONS}
    return Context(profile=profile, environment=environment, **(defaults | more))


def client(service: str = "cloudformation", region: str | None = None, seconds: float = START_SECONDS) -> Any:
    """`seconds`: how long it waits for an answer; the default is for what hangs."""
    plain = botocore.session.Session()
    plain.register_component("data_loader", LOADER)
    session = boto3.Session(region_name=region or os.environ.get("AWS_REGION"), botocore_session=plain)
    session.events.register("before-parse", refuse_foreign_answer)
    once = {"mode": "standard", "total_max_attempts": 1}
    return session.client(service, config=Config(retries=once, connect_timeout=seconds, read_timeout=seconds))


def raised(call: Callable[[], object]) -> BaseException:
    with pytest.raises((Exception, SystemExit)) as caught:
        call()
    return caught.value


def described(environment: Mapping[str, str], seconds: float = START_SECONDS, **more: Any) -> Fault:
    """What is said of a DescribeStacks in this environment."""
    found = fault(raised(lambda: client(seconds=seconds).describe_stacks()), context(environment, **more))
    assert "cannot be reached" not in text(found)
    return one_line(found)


def answered(
    environment: Environment, status: int, kind: str, body: bytes, service: str = "cloudformation"
) -> tuple[Fault, int]:
    """What is said of a call that a server answers with this, and the server's port."""
    with serving(partial(Answer, status, kind, body)) as port:
        given = environment(**KEYS, AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}")
        return one_line(fault(raised(getattr(client(service), CALLS[service])), context(given))), port


def text(found: Fault) -> str:
    return str(local_error(found))


def one_line(found: Fault) -> Fault:
    assert "\n" not in text(found)
    assert SECRET not in text(found)
    assert text(found).isprintable()
    return found


class Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that refuses the certificate is what is tested."""


@contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler], tls: Any = None) -> Iterator[int]:
    server = Quiet(("127.0.0.1", 0), handler)
    if tls:
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trust.load_cert_chain(tls.certificate, tls.key)
        server.socket = trust.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class Answer(BaseHTTPRequestHandler):
    """Answers every request alike."""

    def __init__(self, status: int, kind: str, body: bytes, *arguments: Any) -> None:
        self.answer = status, kind, body
        super().__init__(*arguments)

    def do_POST(self) -> None:
        status, kind, body = self.answer
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not status:
            return
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("profile", "what", "why", "then"),
    [
        ("legacy-sso", "The SSO login is missing or expired", "does not exist", "Run `aws sso login --profile l"),
        ("no-session", "An AWS profile is not valid", 'session does not exist: "gone"', "Correct it in {config}"),
        ("no-origin", "The AWS credentials are incomplete", "missing: source_profile or credential_source", "Choose"),
        ("no-source", "An AWS profile is not valid", 'source_profile "absent"', "Correct it in {config}"),
        ("loud", "credential_process failed", f"no vault for {MARK}", "Run the command in {config} by"),
        ("text", "credential_process failed", "it did not print JSON", "Run the command in {config} by hand"),
        ("gone", "The AWS credentials cannot be read", "the profile gone names /nonexistent/tool: No such file", "Ch"),
        ("web", "The AWS credentials cannot be read", "the profile web names /nonexistent/token: No such file", "Ch"),
        ("login", "The AWS credentials need a package that is not installed", "", ""),
        ("", "There are no AWS credentials", "Unable to locate credentials",
         "Run `aws configure` or `aws sso login`, or choose another profile with --profile."),
    ],
)  # fmt: skip
def test_a_profile_that_gives_no_credentials_says_why(
    profile: str, what: str, why: str, then: str, environment: Environment
) -> None:
    given = environment(**({"AWS_PROFILE": profile} if profile else {}))
    found = one_line(fault(raised(lambda: look_up_credentials(boto3.Session())), context(given)))
    assert found.what == what
    assert why in found.why
    assert found.then.startswith(then.format(config=given["AWS_CONFIG_FILE"]))
    assert found.local


def test_a_code_of_an_mfa_device_cannot_be_asked_for_without_a_terminal(environment: Environment) -> None:
    code = (
        "import boto3; from generator.aws.errors import local_error; from generator.aws.faults import *\n"
        "try: look_up_credentials(boto3.Session())\n"
        "except BaseException as error: print(local_error(fault(error, Context('mfa'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment(AWS_PROFILE="mfa")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert done.stdout == (
        "A code of the MFA device is needed: the profile mfa has mfa_serial, and there is no terminal to ask on. "
        "Run the command in a terminal, or put temporary credentials into the environment.\n"
    )


def test_a_role_that_cannot_be_assumed_is_named(environment: Environment) -> None:
    body = xml("AccessDenied", "User: me is not authorized to perform: sts:AssumeRole")
    with serving(partial(Answer, 403, "text/xml", body)) as port:
        given = environment(AWS_PROFILE="role", AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}", AWS_REGION="eu-west-1")
        session = boto3.Session(region_name="eu-west-1")
        found = one_line(fault(raised(lambda: look_up_credentials(session)), context(given)))
    assert found.what == "The role of the profile role cannot be assumed"
    assert found.why == "User: me is not authorized to perform: sts:AssumeRole"


def test_an_unknown_profile_finds_its_nearest(environment: Environment) -> None:
    given = environment(AWS_PROFILE="prtial")
    found = one_line(fault(raised(boto3.Session), context(given, profiles=("keys", "partial"))))
    assert text(found) == (
        f"There is no AWS profile prtial: {given['AWS_CONFIG_FILE']} has keys, partial. Did you mean partial?"
    )
    assert found.exit_code == 64
    assert "has none. Choose one with --profile" in text(fault(raised(boto3.Session), context(given)))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f"aws_secret_access_key = {SECRET}\n".encode(), "line 1: there is no section before it, such as [default]."),
        (f"[default]\n{SECRET}\n".encode(), "line 2: not KEY = VALUE."),
        (b"[default]\n[default]\n", "line 2: the section or key is there twice."),
        (b"[default]\nregion = a\nregion = b\n", "line 3: the section or key is there twice."),
        (b"[default]\n\xff = a\n", "it is not UTF-8."),
    ],
)
def test_a_malformed_configuration_file_is_named_with_its_line_and_not_quoted(
    content: bytes, why: str, environment: Environment, tmp_path: Path
) -> None:
    path = tmp_path / "broken"
    path.write_bytes(content)
    given = environment(AWS_CONFIG_FILE=str(path))
    found = one_line(fault(raised(lambda: client(region="eu-west-1")), context(given)))
    assert text(found) == f"An AWS configuration file cannot be read: {path}: {why} Correct the file."


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ("", "There is no AWS Region: none is set. Pass --region, or set AWS_REGION."),
        ("eu-west-1a", 'This is not an AWS Region: "eu-west-1a". Did you mean eu-west-1?'),
        ("EU-WEST-1", 'This is not an AWS Region: "EU-WEST-1". Did you mean eu-west-1?'),
        ("eu west 1", 'This is not an AWS Region: "eu west 1". Did you mean eu-west-1?'),
        ("eu-west-1\r", 'This is not an AWS Region: "eu-west-1\\r". Did you mean eu-west-1?'),
        ("Ireland", 'This is not an AWS Region: "Ireland". Regions are named like eu-west-1; pass --region, or set'),
    ],
)
def test_a_region_that_cannot_be_one_is_refused_before_any_call(region: str, says: str) -> None:
    found = region_fault(context({"AWS_REGION": region}))
    assert found
    assert text(found).startswith(says)
    assert found.exit_code == 64


def test_every_region_of_botocore_can_be_one() -> None:
    session = boto3.Session()
    regions = [
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("cloudformation", partition)
    ]
    assert len(regions) > 30
    assert [region for region in regions if region_fault(Context(region=region))] == []


def test_the_regions_that_botocore_refuses_are_refused_alike(environment: Environment) -> None:
    given = environment(**KEYS)
    none = fault(raised(lambda: boto3.client("cloudformation")), Context())
    assert none == region_fault(Context())
    malformed = fault(raised(lambda: client(region="eu west 1")), context(given))
    assert text(malformed) == 'This is not an AWS Region: "eu west 1". Did you mean eu-west-1?'


@pytest.mark.parametrize("url", ["127.0.0.1:4566", "http://127.0.0.1:x"])
def test_an_endpoint_that_is_no_url_is_named(url: str, environment: Environment) -> None:
    found = described(environment(**KEYS, AWS_ENDPOINT_URL=url))
    assert text(found) == f'The AWS endpoint is not a URL: "{url}". Correct or unset AWS_ENDPOINT_URL.'
    assert found.exit_code == 64


ODD = "has white space or a character that is not ASCII."


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("AWS_SESSION_TOKEN", "FAKETOKEN1\r", "ends in a carriage return, as when a file with Windows"),
        ("AWS_ACCESS_KEY_ID", "AKIAEX\nAMPLE", ODD),
        ("AWS_SECRET_ACCESS_KEY", f"{SECRET} ", ODD),
        ("AWS_SESSION_TOKEN", "t\udcff", ODD),
        ("AWS_SESSION_TOKEN", "FAKETÖKEN", ODD),
    ],
)
def test_malformed_credentials_are_named_and_not_repeated(
    name: str, value: str, why: str, environment: Environment
) -> None:
    given = environment(**(KEYS | {name: value, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}))
    found = malformed_credentials(given)
    assert found
    assert text(found).startswith(f"The AWS credentials are malformed: {name} {why}")
    assert value.strip() not in text(found)
    error = raised(lambda: client().describe_stacks())
    if not isinstance(error, exceptions.EndpointConnectionError):
        assert fault(error, context(given)) == found


def test_malformed_credentials_of_a_profile_are_not_repeated(environment: Environment) -> None:
    given = environment(AWS_PROFILE="odd", AWS_ENDPOINT_URL="http://127.0.0.1:1", AWS_REGION="eu-west-1")
    Path(given["AWS_CONFIG_FILE"]).write_text(
        f"[profile odd]\naws_access_key_id = AKIA\n  EXAMPLE\naws_secret_access_key = {SECRET}\n"
    )
    found = one_line(fault(raised(lambda: client().describe_stacks()), context(given)))
    assert found.what == "The AWS credentials are malformed"
    assert "AKIA" not in text(found)


def test_a_value_that_aws_cannot_take_names_its_options(environment: Environment) -> None:
    given = environment(**KEYS, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    call = partial(client().create_change_set, StackName="a", ChangeSetName="b", RoleARN="x")
    error = raised(lambda: call(Tags=[{"Key": "k", "Value": ""}]))
    found = one_line(fault(error, context(given)))
    assert found.what == "A value is not valid"
    assert "Invalid length for parameter RoleARN, value: 1, valid min length: 20" in found.why
    assert found.then == "Check --role-arn and --tag."
    assert found.exit_code == 64


PAGE = b"<html><head><title>Blocked</title></head><body>Not allowed\n from here</body></html>"
FOREIGN = "The answer did not come from AWS, but from a proxy or another server"
CALLS = {
    "cloudformation": "describe_stacks",
    "ecr": "describe_repositories",
    "memorydb": "describe_users",
    "apprunner": "list_services",
}


def xml(code: str, message: str) -> bytes:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>".encode()


@pytest.mark.parametrize("service", CALLS)
@pytest.mark.parametrize("status", [200, 302, 403, 407])
def test_a_page_instead_of_an_answer_is_called_that(status: int, service: str, environment: Environment) -> None:
    found, port = answered(environment, status, "text/html; charset=utf-8", PAGE, service)
    assert found.what == FOREIGN
    assert f"HTTP status {status}" in found.why
    assert "Not allowed from here" in found.why
    assert found.then == f"Check AWS_ENDPOINT_URL (http://127.0.0.1:{port})."


def test_a_page_without_an_endpoint_is_a_proxys() -> None:
    error = raised(lambda: refuse_foreign_answer({"status_code": 200, "headers": {}, "body": b" <!DOCTYPE html>a"}))
    assert fault(error, Context()).then == "Check HTTPS_PROXY, and a login page of the network."


@pytest.mark.parametrize("service", ["cloudformation", "ecr"])
def test_a_page_of_a_load_balancer_is_no_proxys(service: str, environment: Environment) -> None:
    found, _ = answered(environment, 503, "text/html", PAGE, service)
    assert found.what.endswith("failed: AWS, or a proxy before it, is unavailable")
    assert found.then == "Wait a minute, then run it again."


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [(403, "text/plain", b""), (502, "text/plain", b"Bad Gateway"), (200, "text/xml", b""), (200, "text/plain", PAGE)],
)
def test_an_answer_that_is_not_xml_is_not_awss(status: int, kind: str, body: bytes, environment: Environment) -> None:
    assert answered(environment, status, kind, body)[0].what == FOREIGN


def test_awss_own_answers_pass_through(environment: Environment) -> None:
    body = b"<DescribeStacksResponse><DescribeStacksResult><Stacks/></DescribeStacksResult></DescribeStacksResponse>"
    with serving(partial(Answer, 200, "text/xml", body)) as port:
        environment(**KEYS, AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}")
        assert client().describe_stacks()["Stacks"] == []
    with serving(partial(Answer, 200, "application/x-amz-json-1.1", b'{"repositories": []}')) as port:
        environment(**KEYS, AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}")
        assert client("ecr").describe_repositories()["repositories"] == []


SKEW = "Signature expired: 20261125T000000Z is now earlier than 20261125T110000Z (20261125T111500Z - 15 min.)"


@pytest.mark.parametrize(
    ("code", "message", "what", "local"),
    [
        ("SignatureDoesNotMatch", SKEW, "This machine's clock is wrong", True),
        ("InvalidSignatureException", SKEW.replace("expired", "not yet current"), "This machine's clock is", True),
        ("RequestTimeTooSkewed", "The difference is too large.", "This machine's clock is wrong", True),
        ("RequestExpired", "Request has expired.", "This machine's clock is wrong", True),
        ("SignatureDoesNotMatch", "The request signature we calculated does not match",
         "AWS does not accept the credentials", True),
        ("ExpiredToken", "The security token included in the request is expired", "The AWS session has expired", True),
        ("InvalidClientTokenId", "The security token included in the request is invalid.",
         "AWS does not accept the credentials", True),
        ("AccessDenied", "User is not authorized", "AWS does not permit DescribeStacks", False),
        ("Throttling", "Rate exceeded", "AWS throttles DescribeStacks", False),
        ("OptInRequired", "The AWS Access Key Id needs a subscription", "DescribeStacks is not available to", False),
        ("ServiceUnavailable", "Try again.", "AWS has a fault in DescribeStacks", False),
        ("ValidationError", "Stack with id x does not exist", "DescribeStacks failed", False),
    ],
)  # fmt: skip
def test_what_aws_refuses_is_told_from_what_is_local(
    code: str, message: str, what: str, local: bool, environment: Environment
) -> None:
    found, _ = answered(environment, 400, "text/xml", xml(code, message))
    assert found.what.startswith(what)
    assert found.why == f"{code}: {message}"
    assert found.local is local
    assert ("off by default" in found.then) is (code == "InvalidClientTokenId")


def test_a_region_that_is_off_by_default_is_a_reason_for_refused_credentials() -> None:
    stubbed = boto3.client("cloudformation", region_name="me-south-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(stubbed) as stub:
        stub.add_client_error("describe_stacks", "UnrecognizedClientException", "invalid", 403)
        found = fault(raised(stubbed.describe_stacks), Context(region="me-south-1"))
    assert found.then.endswith("In a Region that is off by default: enable me-south-1 for the account.")


def test_the_endpoint_of_a_rehearsal_that_is_gone_is_named(environment: Environment) -> None:
    found = described(environment(**KEYS, AWS_ENDPOINT_URL="http://127.0.0.1:1"))
    assert text(found) == (
        "Nothing answers at AWS_ENDPOINT_URL (http://127.0.0.1:1): the connection was refused. "
        "If a rehearsal set it, that has ended: unset AWS_ENDPOINT_URL."
    )


@pytest.mark.parametrize(("status", "what"), [(0, "did not answer"), (None, "did not answer in time")])
def test_a_server_that_does_not_answer_is_not_called_unreachable(
    status: int | None, what: str, environment: Environment
) -> None:
    if status is None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            found = described(environment(**KEYS, AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}"), seconds=1)
    else:
        found, port = answered(environment, status, "", b"")
    assert found.what == f"127.0.0.1:{port} {what}"
    assert found.then == "Run the command again."


def test_only_where_nothing_answers_aws_cannot_be_reached() -> None:
    url = "https://cloudformation.eu-wst-1.amazonaws.com/"
    unresolved = NameResolutionError("cloudformation.eu-wst-1.amazonaws.com", None, socket.gaierror(-2, "Name"))  # type: ignore[arg-type]
    error = exceptions.EndpointConnectionError(endpoint_url=url, error=unresolved)
    assert text(fault(error, Context(region="eu-wst-1", regions=lambda: REGIONS))) == (
        "cloudformation.eu-wst-1.amazonaws.com cannot be reached: its name cannot be resolved. "
        "Is eu-wst-1 the right Region? Did you mean eu-west-1?"
    )
    assert fault(error, Context(region="eu-west-1", regions=lambda: REGIONS)).then.startswith("Check the network")
    error = exceptions.ConnectTimeoutError(endpoint_url=url, error="Connection to x timed out. (connect timeout=2)")
    assert fault(error, Context(region="eu-west-1")).why == "no answer came in time"


def test_a_proxy_that_cannot_be_used_is_named_without_its_password(environment: Environment) -> None:
    # A port that is bound but does not listen refuses, and nothing else can take it.
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        found = described(environment(**KEYS, HTTPS_PROXY=f"http://me:hunter2@127.0.0.1:{port}"))
    assert text(found) == (
        f"The proxy http://***:***@127.0.0.1:{port} cannot be used: the connection was refused. "
        "Check HTTPS_PROXY and NO_PROXY."
    )


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("407 Proxy Authentication Required", "it asks for a user name and password (407)"),
        ("403 Forbidden", "it refuses the connection to AWS (403 Forbidden)"),
    ],
)
def test_a_proxy_that_refuses_says_so(status: str, why: str, environment: Environment) -> None:
    def refuse(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=refuse, args=(server,))
        thread.start()
        found = described(environment(**KEYS, HTTPS_PROXY=f"http://127.0.0.1:{server.getsockname()[1]}"))
        thread.join()
    assert found.why == why


@pytest.mark.parametrize(
    ("bundle", "what", "then"),
    [
        (None, "The certificate of 127.0.0.1:{port} is not trusted", "put its authority into AWS_CA_BUNDLE."),
        ("/nonexistent.pem", "The file of certificate authorities cannot be read",
         "Correct AWS_CA_BUNDLE (/nonexistent.pem)."),
        ("{config}", "The file of certificate authorities cannot be read", "Correct AWS_CA_BUNDLE ({config})."),
        ("{directory}", "The file of certificate authorities cannot be read", "Correct AWS_CA_BUNDLE ({directory})."),
    ],
)  # fmt: skip
def test_a_fault_of_certificates_is_named(
    bundle: str | None, what: str, then: str, environment: Environment, tmp_path: Path
) -> None:
    places = {"config": str(tmp_path / "config"), "directory": str(tmp_path)}
    with serving(partial(Answer, 200, "", b""), certificates(tmp_path)) as port:
        more = {"AWS_CA_BUNDLE": bundle.format(**places)} if bundle else {}
        found = described(environment(**KEYS, AWS_ENDPOINT_URL=f"https://127.0.0.1:{port}", **more))
    assert found.what == what.format(port=port)
    assert found.then.endswith(then.format(**places))


def test_a_port_that_does_not_speak_tls_is_named(environment: Environment) -> None:
    with serving(partial(Answer, 200, "", b"")) as port:
        found = described(environment(**KEYS, AWS_ENDPOINT_URL=f"https://127.0.0.1:{port}"))
    assert found.what == f"No TLS connection to 127.0.0.1:{port}"


def test_a_long_reason_is_cut_after_its_secrets_are_taken_out() -> None:
    error = exceptions.CredentialRetrievalError(provider="custom-process", error_msg=f"{'x' * 590} {SECRET} end")
    found = fault(error, Context(secrets=frozenset({SECRET})))
    assert found.why.endswith("x [redacted...")


def test_an_error_nobody_knows_is_named_by_its_class() -> None:
    found = fault(exceptions.UnknownSignatureVersionError(signature_version="v9"), Context())
    assert text(found) == (
        "The AWS library cannot go on: UnknownSignatureVersionError: Unknown Signature Version: v9. "
        "Check the AWS configuration."
    )


def test_every_error_of_botocore_becomes_one_line() -> None:
    """Made from its own list, with a secret in every place that its text has."""

    kinds: list[Any] = [kind for kind in vars(exceptions).values() if isinstance(kind, type)]
    made = 0
    for kind in kinds:
        # Waiters are not used, and their error takes other arguments.
        if issubclass(kind, exceptions.BotoCoreError) and kind is not exceptions.WaiterError:
            names = re.findall(r"\{(\w+)\}", kind.fmt)
            values: dict[str, Any] = dict.fromkeys([*names, "error_msg"], SECRET)
            if "visited_profiles" in values:
                values["visited_profiles"] = [SECRET]
            one_line(fault(kind(**values), Context(secrets=frozenset({SECRET}))))
            made += 1
    assert made > 80
