"""No secret is left in a text, however a library writes it; nothing else is taken out."""

from __future__ import annotations

import base64
import html
import http.client
import io
import json
import re
import subprocess
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.redaction import MARK, redact, redacted_traceback, secrets_in_use
from tests.running import ROOT

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCWV1LXdlc3QtMSJHMEUCIQD" + "aZ09+/=" * 20

# How libraries write what they were given.
WRITERS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "repr": repr,
    "ascii": ascii,
    "repr of bytes": lambda text: repr(text.encode()),
    "repr of a repr": lambda text: repr(repr(text.encode())),
    "JSON": json.dumps,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "path of a URL": quote,
    "query of a URL": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "quoted twice": lambda text: quote(quote(text, safe=""), safe=""),
    "HTML": html.escape,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "basic authentication": lambda text: base64.b64encode(f"AWS:{text}".encode()).decode(),
    "basic authentication of another name": lambda text: base64.b64encode(f"ab:{text}:x".encode()).decode(),
    "without its end of line": str.strip,
}
SECRETS = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=8, max_size=40),
    st.text("abAB01+/= \"'\\\r\n\t%&<>\x00é€", min_size=8, max_size=40),
    st.binary(min_size=30, max_size=30).map(lambda octets: base64.b64encode(octets).decode()),
    st.tuples(st.text("abcXYZ019+/", min_size=12, max_size=40), st.sampled_from(["\r", "\n", "\r\n", " "])).map(
        "".join
    ),
).filter(lambda text: len(re.sub(r"\s", "", text)) >= 8)


def left(written: str, text: str) -> list[str]:
    """Eight characters of a written secret that are still in a text."""
    return [part for at in range(len(written) - 7) if (part := written[at : at + 8]) in text]


@settings(max_examples=40)
@pytest.mark.parametrize("writer", WRITERS)
@given(secret=SECRETS, before=st.sampled_from(["", "key ", "b'", "token=", "x"]))
def test_a_secret_is_taken_out_however_it_is_written(writer: str, secret: str, before: str) -> None:
    text = redact(f"{before}{WRITERS[writer](secret)} is not valid.", {secret})
    assert not left(WRITERS[writer](secret), text)
    assert text.endswith("is not valid.")


@pytest.mark.parametrize("secret", [" abcd\x01efgh", "abcd efgh\n", "\u00a0abcd\x1cefgh", "\r\nabcd\tefgh "])
def test_a_secret_of_short_parts_is_taken_out_without_the_white_space_around_it(secret: str) -> None:
    assert not left(secret.strip(), redact(f"{secret.strip()} is not valid.", {secret}))


@given(secret=SECRETS)
def test_parts_that_a_line_end_splits_are_secrets_too(secret: str) -> None:
    joined = f"{secret}\r\n{SECRET_KEY}"
    assert SECRET_KEY not in redact(f"Invalid header value {SECRET_KEY!r}", {joined})


@given(secret=SECRETS, writer=st.sampled_from(sorted(WRITERS)))
def test_no_part_of_a_chain_of_exceptions_shows_a_secret(secret: str, writer: str) -> None:
    written = WRITERS[writer](secret)
    try:
        try:
            try:
                raise ValueError(f"Invalid header value {written}")
            except ValueError as error:
                raise KeyError(written) from error
        except KeyError:
            noted = RuntimeError("while handling")
            noted.add_note(f"The value was {written}.")
            raise ExceptionGroup("several", [noted, OSError(5, written)])  # noqa: B904  a context, not a cause
    except ExceptionGroup as group:
        shown = redacted_traceback(group, {secret})
    assert not left(written, shown)
    for kept in ("ValueError", "KeyError", "RuntimeError", "OSError", "direct cause", "test_redaction.py"):
        assert kept in shown


def test_the_header_that_http_client_refuses_is_not_shown() -> None:
    connection = http.client.HTTPConnection("127.0.0.1")
    connection.putrequest("POST", "/", skip_accept_encoding=True)
    for secret in ("FAKETOKEN1\r", "FAKE\nTOKEN-1", "A" * 20 + "\n\n"):
        with pytest.raises(ValueError, match="Invalid header value") as caught:
            connection.putheader("X-Amz-Security-Token", secret)
        assert MARK in redact(str(caught.value), {secret})
        assert not left(secret, redact(str(caught.value), {secret}))


def signed(*, query: bool) -> botocore.awsrequest.AWSRequest:
    request = botocore.awsrequest.AWSRequest("GET", "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity")
    kind = botocore.auth.SigV4QueryAuth if query else botocore.auth.SigV4Auth
    keys = botocore.credentials.Credentials(ACCESS_KEY, SECRET_KEY, TOKEN)
    kind(keys, "sts", "eu-west-1").add_auth(request)
    return request


@pytest.mark.parametrize("show", [str, repr, json.dumps, quote])
def test_a_signed_request_is_recognized_without_its_keys(show: Callable[[Any], str]) -> None:
    """Of credentials that this process does not know, such as another profile's."""
    request = signed(query=True)
    shown = redact(show(request.url))
    for secret in (ACCESS_KEY, TOKEN, quote(TOKEN, safe=""), request.url.rpartition("=")[2]):
        assert secret not in shown
    assert "GetCallerIdentity" in shown
    headers = dict(signed(query=False).headers.items())
    if show is not quote:
        shown = redact(show(headers))
        signature = headers["Authorization"].rpartition("=")[2]
        for secret in (ACCESS_KEY, TOKEN, signature):
            assert secret not in shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"aws_secret_access_key = {SECRET_KEY}", f"aws_secret_access_key = {MARK}"),
        (f"line 2: 'aws_secret_access_key={SECRET_KEY}\\n'", f"line 2: 'aws_secret_access_key={MARK}\\n'"),
        ("AWS_SECRET_ACCESS_KEY=x", f"AWS_SECRET_ACCESS_KEY={MARK}"),
        ('{"SecretAccessKey": "short", "Version": 1}', f'{{"SecretAccessKey": "{MARK}", "Version": 1}}'),
        ("{'SessionToken': 'a b'}", f"{{'SessionToken': '{MARK} b'}}"),
        (f"The key {ACCESS_KEY} is inactive.", f"The key {MARK} is inactive."),
        ("http://user:p%40ss@proxy:3128/", f"http://user:{MARK}@proxy:3128/"),
        ("rediss://:pa:ss@host:6379", f"rediss://:{MARK}@host:6379"),
        ("Authorization: Basic QVdTOnBhc3N3b3Jk", f"Authorization: {MARK}"),
        ("{'Proxy-Authorization': 'Basic dTpw', 'Host': 'a'}", f"{{'Proxy-Authorization': '{MARK}', 'Host': 'a'}}"),
        ("Bearer 0123456789abcdef01234", f"Bearer {MARK}"),
        ("login with eyJwYXlsb2FkIjoiZjM5a0Z1bEVYQU1QTEUifQ==", f"login with {MARK}"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----\nend",
         f"-----BEGIN RSA PRIVATE KEY-----{MARK}\nend"),
        ("MEMORYDB_PASSWORD=abc PORT=8080", f"MEMORYDB_PASSWORD={MARK} PORT=8080"),
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_taken_out(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:cloudformation:eu-west-1:123456789012:stack/users-data/7f3c2a90-a1b2-11ef-8f1d-0a1b2c3d4e5f",
        "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/preview-0123456789abcdef0123456789abcdef/7f3c2a90-a1b2",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:UserPassword-AbCdEf",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/users@sha256:" + "0123456789abcdef" * 4,
        "content-" + "0f" * 32,
        "RequestId: 7f3c2a90-a1b2-11ef-8f1d-0a1b2c3d4e5f",
        "AROAIOSFODNN7EXAMPLE:session",
        "ASIA Pacific, ASIAPACIFIC, ASIA-PACIFIC",
        "PasswordSecretArn: AWS::SecretsManager::Secret",
        "Authentication=password, or Authentication=iam",
        "AuthorizationError: not authorized to perform: iam:PassRole",
        "Basic authentication and bearer authentication are not used.",
        "NextToken: none; the token of the next page",
        "--parameter Password=VALUE",
        "http://127.0.0.1:4566/",
        "git@github.com:owner/name.git, mailto:a@b.c, redis://host:6379",
        "X-Amz-Date=20261125T000000Z&X-Amz-Expires=900",
        "AWS_SECRET_ACCESS_KEY is not set; aws_secret_access_key is missing.",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text, {SECRET_KEY, TOKEN}) == text


@pytest.mark.parametrize("folder", ["docs", "templates", "examples", "README.md", "CHANGELOG.md"])
def test_nothing_of_the_documentation_looks_like_a_secret(folder: str) -> None:
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in listed.stdout.split() if not name.endswith(".png")]
    assert files
    lines = [line for file in files for line in file.read_text().splitlines()]
    # The page on troubleshooting shows what happens to a made-up token.
    assert [line for line in lines if redact(line) != line and "FAKETOKEN" not in line] == []


def test_a_short_secret_is_not_searched_for_in_words() -> None:
    assert redact("a test of tests", {"test", "a", "", " " * 9}) == "a test of tests"


def test_secrets_are_those_of_the_environment_and_of_the_credentials() -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": TOKEN,
        "GITHUB_TOKEN": "of-github",
        "MEMORYDB_PASSWORD": "of-memorydb",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token",
        "AWS_PROFILE": "production",
        "AWS_REGION": "eu-west-1",
    }
    expected = {ACCESS_KEY, SECRET_KEY, TOKEN, "of-github", "of-memorydb"}
    assert secrets_in_use(environment) == expected
    keys = botocore.credentials.Credentials("AKIA-other", "other-secret", "other-token", "shared-credentials-file")
    assert secrets_in_use({}, keys, None) == {"AKIA-other", "other-secret", "other-token"}
    assert secrets_in_use({"AWS_ACCESS_KEY_ID": "123456789012"}) == set()


def test_credentials_are_read_without_being_refreshed() -> None:
    def refresh() -> dict[str, str]:
        raise AssertionError("refreshed")

    deferred = botocore.credentials.DeferredRefreshableCredentials(refresh, "assume-role")
    assert secrets_in_use({}, deferred) == set()
    held = botocore.credentials.RefreshableCredentials(ACCESS_KEY, SECRET_KEY, TOKEN, None, refresh, "assume-role")
    assert secrets_in_use({}, held) == {ACCESS_KEY, SECRET_KEY, TOKEN}


def test_an_exception_whose_text_fails_is_still_shown() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise ValueError(SECRET_KEY)

    shown = redacted_traceback(Odd(), {SECRET_KEY})
    assert "Odd" in shown
    assert SECRET_KEY not in shown


def test_a_traceback_without_secrets_is_pythons_own() -> None:
    with pytest.raises(http.client.InvalidURL) as caught:
        http.client.HTTPConnection("127.0.0.1:none")
    plain = io.StringIO()
    traceback.print_exception(caught.value, file=plain)
    assert redacted_traceback(caught.value, {SECRET_KEY}) == plain.getvalue()
