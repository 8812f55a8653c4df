from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from rehearsal.processes import START_SECONDS
from service.settings import REQUIRED, Settings, SettingsError, settings
from tests.running import ROOT

GOOD = {
    "MEMORYDB_CLUSTER_ENDPOINT": "clustercfg.users.memorydb.eu-central-1.amazonaws.com:6379",
    "MEMORYDB_USERNAME": "users",
    "MEMORYDB_PASSWORD": "a-secret",
}
WITH_IAM = {
    "MEMORYDB_CLUSTER_ENDPOINT": GOOD["MEMORYDB_CLUSTER_ENDPOINT"],
    "MEMORYDB_USERNAME": "users",
    "MEMORYDB_AUTHENTICATION": "iam",
    "MEMORYDB_CLUSTER_NAME": "db-1",
    "AWS_REGION": "eu-central-1",
}


def test_three_variables_are_enough() -> None:
    chosen = settings(GOOD)
    assert chosen.endpoint == (GOOD["MEMORYDB_CLUSTER_ENDPOINT"][:-5], 6379)
    assert (chosen.memorydb_tls, chosen.port, chosen.request_deadline) == (True, 8080, 2.0)


def test_with_iam_no_password_is_needed_and_none_is_kept() -> None:
    chosen = settings({**WITH_IAM, "MEMORYDB_PASSWORD": "a-secret"})
    assert chosen.iam
    assert (chosen.memorydb_cluster_name, chosen.aws_region) == ("db-1", "eu-central-1")
    assert chosen.memorydb_reauthenticate_seconds == 39600.0
    assert (chosen.memorydb_username, chosen.memorydb_password) == ("users", "")


def test_a_token_never_travels_in_clear() -> None:
    with pytest.raises(SettingsError, match="MEMORYDB_TLS must be true with iam"):
        settings({**WITH_IAM, "MEMORYDB_TLS": "false"})


@pytest.mark.parametrize("value", ["0", "43200", "nan", "soon"])
def test_a_connection_logs_in_again_before_it_is_cut(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings({**WITH_IAM, "MEMORYDB_REAUTHENTICATE_SECONDS": value})
    assert str(caught.value) == "MEMORYDB_REAUTHENTICATE_SECONDS must be seconds, 1 to 43199."
    longest = settings({**WITH_IAM, "MEMORYDB_REAUTHENTICATE_SECONDS": "43199"})
    assert longest.memorydb_reauthenticate_seconds == 43199


@pytest.mark.parametrize(("way", "name"), [(way, name) for way in REQUIRED for name in REQUIRED[way]], ids=str)
@pytest.mark.parametrize("value", [None, ""])
def test_without_what_is_required_it_does_not_start(way: str, name: str, value: str | None) -> None:
    given = {**(WITH_IAM if way == "iam" else GOOD), "PATH": "", name: value or ""}
    made = subprocess.run(
        [sys.executable, "-m", "service"], cwd=ROOT, env=given, capture_output=True, text=True, timeout=START_SECONDS
    )
    assert (made.returncode, made.stdout) == (64, "")
    assert made.stderr == f"Missing from the environment: {name}.\n"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MEMORYDB_CLUSTER_ENDPOINT", "host", "host:port"),
        ("MEMORYDB_CLUSTER_ENDPOINT", "host:0", "host:port"),
        ("MEMORYDB_CLUSTER_ENDPOINT", ":6379", "host:port"),
        ("MEMORYDB_CLUSTER_ENDPOINT", "host:65536", "host:port"),
        ("MEMORYDB_AUTHENTICATION", "IAM", "password or iam"),
        ("MEMORYDB_TLS", "no", "true or false"),
        ("MEMORYDB_TLS_CA_FILE", "/nowhere", "a file that can be read"),
        ("PORT", "65536", "a port, 1 to 65535"),
        ("PORT", "8_080", "a port, 1 to 65535"),
        ("WORKERS", "0", "1 to 64"),
        ("REQUEST_DEADLINE", "nan", "seconds, 0.1 to 60"),
        ("REQUEST_DEADLINE", "soon", "seconds, 0.1 to 60"),
        ("LOG_LEVEL", "LOUD", "one of DEBUG, INFO, WARNING, ERROR"),
    ],
)
def test_what_is_wrong_is_named_but_not_repeated(name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings({**GOOD, name: value})
    assert str(caught.value) == f"{name} must be {expected}."


def test_every_variable_has_its_effect() -> None:
    chosen = settings(
        {
            **GOOD,
            "MEMORYDB_CLUSTER_ENDPOINT": "[::1]:7000",
            "MEMORYDB_TLS": "False",
            "MEMORYDB_TLS_CA_FILE": __file__,
            "HOST": "127.0.0.1",
            "PORT": "80",
            "WORKERS": "3",
            "REQUEST_DEADLINE": "0.5",
            "LOG_LEVEL": "warning",
            "BUILD_ID": "abc",
        }
    )
    assert chosen == Settings(
        memorydb_cluster_endpoint="[::1]:7000",
        memorydb_username="users",
        memorydb_password="a-secret",
        memorydb_tls=False,
        memorydb_tls_ca_file=__file__,
        host="127.0.0.1",
        port=80,
        workers=3,
        request_deadline=0.5,
        log_level="WARNING",
        build_id="abc",
    )
    assert chosen.endpoint == ("::1", 7000)


def test_the_password_is_not_shown() -> None:
    assert "a-secret" not in repr(settings(GOOD))


def test_every_variable_is_documented() -> None:
    documented = (ROOT / "docs" / "service.md").read_text()
    names = [field.encode_name for field in msgspec.structs.fields(Settings)]
    assert len(names) == 15
    assert [name for name in names if f"`{name}`" not in documented] == []
