"""Tokens for MemoryDB, and the credentials that sign them."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import parse_qsl

import pytest
from botocore.credentials import Credentials as Static
from botocore.credentials import ReadOnlyCredentials
from botocore.hooks import HierarchicalEmitter
from botocore.model import ServiceId
from botocore.signers import RequestSigner

from rehearsal.processes import START_SECONDS
from service.settings import Settings
from service.tokens import NoCredentialsError, NoCredentialSourceError, Tokens
from tests.running import eventually, within
from tests.sigv4 import encoded, signature

USER = "user-51af3dc0"
IAM = Settings("localhost:6379", USER, memorydb_cluster_name="db-51af3dc0", aws_region="eu-central-1")
SECRET, SESSION = "a-secret/key+of=forty", "a/session+token=="
NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: NOON)


class Source:
    """Credentials as botocore has them, numbered by how often they were fetched."""

    def __init__(self, left: float = 3600.0) -> None:
        self.left = left
        self.fetched = 0
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def load(self) -> Source:
        return self

    def refresh_needed(self, seconds: float | None = None) -> bool:
        return self.left < (15 * 60 if seconds is None else seconds)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        self.gate.wait(START_SECONDS)
        if self.error:
            raise self.error
        self.fetched += 1
        return ReadOnlyCredentials(f"AKIA{self.fetched}", SECRET, SESSION)


def soon(seconds: float = START_SECONDS) -> float:
    return time.monotonic() + seconds


def token(secret: Static) -> str:
    return Tokens(IAM, lambda: secret).token(soon())


@pytest.mark.parametrize("session", [None, SESSION])
def test_a_token_is_what_the_specification_says_to_the_byte(session: str | None) -> None:
    query = {
        "Action": "connect",
        "User": USER,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "AKIA1/20261123/eu-central-1/memorydb/aws4_request",
        "X-Amz-Date": "20261123T120000Z",
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host",
        **({"X-Amz-Security-Token": session} if session else {}),
    }
    signed = signature(IAM.memorydb_cluster_name, query, secret_key=SECRET, region=IAM.aws_region, service="memorydb")
    text = "&".join(f"{name}={encoded(value)}" for name, value in query.items())
    assert token(Static("AKIA1", SECRET, session)) == f"{IAM.memorydb_cluster_name}/?{text}&X-Amz-Signature={signed}"


@pytest.mark.parametrize("session", [None, SESSION])
def test_a_token_is_what_botocores_own_presigner_makes(session: str | None) -> None:
    credentials = Static("AKIA1", SECRET, session)
    events = HierarchicalEmitter()  # of which the signer keeps no reference
    signer = RequestSigner(ServiceId("memorydb"), IAM.aws_region, "memorydb", "v4", credentials, events)
    url = f"https://{IAM.memorydb_cluster_name}/?Action=connect&User={USER}"
    presigned = signer.generate_presigned_url(
        {"method": "GET", "url": url, "body": {}, "headers": {}, "context": {}},
        operation_name="connect",
        expires_in=900,
        region_name=IAM.aws_region,
    )
    assert f"https://{token(credentials)}" == presigned


def test_credentials_that_were_replaced_sign_nothing_more() -> None:
    source = Source()
    tokens = Tokens(IAM, source.load)
    source.left = 0
    used = [dict(parse_qsl(tokens.token(soon())))["X-Amz-Credential"].partition("/")[0] for _ in range(3)]
    assert used == ["AKIA1", "AKIA2", "AKIA3"]


def test_credentials_that_last_are_fetched_once() -> None:
    source = Source()
    tokens = Tokens(IAM, source.load)
    assert {tokens.credentials(soon()).access_key for _ in range(5)} == {"AKIA1"}
    assert source.fetched == 1


def test_a_renewal_does_not_delay_requests() -> None:
    source = Source()
    tokens = Tokens(IAM, source.load)
    tokens.credentials(soon())
    source.left = 600
    source.gate.clear()
    assert tokens.credentials(0.0).access_key == "AKIA1"
    source.gate.set()
    eventually(lambda: source.fetched == 2)
    source.left = 3600
    assert tokens.credentials(soon()).access_key == "AKIA2"


def test_the_old_ones_serve_until_a_minute_before_their_end() -> None:
    source = Source()
    tokens = Tokens(IAM, source.load)
    tokens.credentials(soon())
    source.error = OSError("no route")
    source.left = 61
    assert tokens.credentials(soon()).access_key == "AKIA1"
    source.left = 59
    eventually(lambda: fails(tokens))


def test_the_wait_ends_when_it_must() -> None:
    source = Source()
    source.gate.clear()
    tokens = Tokens(IAM, source.load)
    with within(1, at_least=0.2), pytest.raises(NoCredentialsError):
        tokens.credentials(soon(0.2))
    source.gate.set()
    assert tokens.credentials(soon()).access_key == "AKIA1"


def test_many_who_wait_are_one_fetch() -> None:
    source = Source()
    source.gate.clear()
    tokens = Tokens(IAM, source.load)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(tokens.credentials(soon()).access_key)) for _ in range(16)]
    for thread in threads:
        thread.start()
    source.gate.set()
    for thread in threads:
        thread.join()
    assert found == ["AKIA1"] * 16


def test_after_a_failure_it_is_tried_again() -> None:
    source = Source()
    source.error = OSError("no route")
    tokens = Tokens(IAM, source.load)
    assert fails(tokens)
    source.error = None
    assert tokens.credentials(soon()).access_key == "AKIA1"


def test_the_start_waits_for_the_first_ones_and_goes_on_without() -> None:
    source = Source()
    tokens = Tokens(IAM, source.load)
    tokens.prepare()
    assert source.fetched == 1
    source.gate.clear()
    Tokens(IAM, source.load).prepare(0.05)
    source.gate.set()
    source.error = OSError("no route")
    Tokens(IAM, source.load).prepare()


def test_the_start_fails_without_a_source_of_credentials() -> None:
    with pytest.raises(NoCredentialSourceError, match="There are no AWS credentials"):
        Tokens(IAM, lambda: None).prepare()


def test_nothing_secret_is_shown() -> None:
    source = Source()
    tokens = Tokens(IAM, source.load)
    made = tokens.token(soon())
    source.left, source.error = 0, OSError(SECRET)
    with pytest.raises(NoCredentialsError) as caught:
        tokens.token(soon())
    shown = repr([tokens, SimpleNamespace(error=caught.value)]) + str(caught.value)
    for secret in (SECRET, SESSION, made, "AKIA1"):
        assert secret not in shown


def fails(tokens: Tokens) -> bool:
    try:
        tokens.credentials(soon())
    except NoCredentialsError:
        return True
    return False
