"""The service's environment as one value. Every variable is named here only; docs/service.md explains them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

CLUSTER_ENDPOINT = "MEMORYDB_CLUSTER_ENDPOINT"
USERNAME = "MEMORYDB_USERNAME"
PASSWORD = "MEMORYDB_PASSWORD"
AUTHENTICATION = "MEMORYDB_AUTHENTICATION"
CLUSTER_NAME = "MEMORYDB_CLUSTER_NAME"
REGION = "AWS_REGION"
REAUTHENTICATE = "MEMORYDB_REAUTHENTICATE_SECONDS"
TLS = "MEMORYDB_TLS"
TLS_CA_FILE = "MEMORYDB_TLS_CA_FILE"
HOST = "HOST"
PORT = "PORT"
REQUEST_DEADLINE = "REQUEST_DEADLINE"
BUILD_ID = "BUILD_ID"

BY_PASSWORD, IAM = "password", "iam"
REQUIRED = {
    BY_PASSWORD: (CLUSTER_ENDPOINT, USERNAME, PASSWORD),
    IAM: (CLUSTER_ENDPOINT, USERNAME, CLUSTER_NAME, REGION),
}
LOG_LEVELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR"}
SWITCH = {"true": True, "false": False}

T = TypeVar("T")
N = TypeVar("N", int, float)


class SettingsError(Exception):
    """A variable is missing or invalid. The message is one line and does not contain the value."""


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host:
        raise ValueError
    return host.removeprefix("[").removesuffix("]"), _between(1, 65535)(port)


def _one_of(values: Mapping[str, T]) -> Callable[[str], T]:
    return lambda text: values[text.lower()]


def _file(text: str) -> str:
    Path(text).read_bytes()
    return text


def _between(least: N, most: N) -> Callable[[str], N]:
    def parse(text: str) -> N:
        # int() itself accepts underscores, spaces and the digits of other alphabets.
        if isinstance(least, int) and not (text.isascii() and text.isdigit()):
            raise ValueError
        value = type(least)(text)
        if not least <= value <= most:
            raise ValueError
        return value

    return parse


def _read(name: str, parse: Callable[[str], Any] = str, expected: str = "", **default: Any) -> Any:
    """A field that is read from the variable `name`, which must be `expected`: if not, `parse` raises an error."""
    return field(metadata={"name": name, "parse": parse, "expected": expected}, **default)


@dataclass(frozen=True)
class Iam:
    """What a token is signed for; a connection older than `reauthenticate` seconds logs in again."""

    cluster_name: str = _read(CLUSTER_NAME)
    region: str = _read(REGION)
    # MemoryDB closes a connection 12 hours after its login (developer guide, "Authenticating with IAM").
    reauthenticate: float = _read(REAUTHENTICATE, _between(1.0, 43199.0), "seconds, 1 to 43199", default=11 * 3600.0)


@dataclass(frozen=True)
class Settings:
    """`endpoint` is a host and a port, `deadline` is in seconds. With `iam` there is no password. Without `workers`
    there is one for each CPU."""

    endpoint: tuple[str, int] = _read(CLUSTER_ENDPOINT, _endpoint, "host:port")
    username: str = _read(USERNAME)
    password: str = _read(PASSWORD, default="", repr=False)
    iam: Iam | None = None
    tls: bool = _read(TLS, _one_of(SWITCH), "true or false", default=True)
    tls_ca_file: str | None = _read(TLS_CA_FILE, _file, "a file that can be read", default=None)
    read_replicas: bool = _read("MEMORYDB_READ_REPLICAS", _one_of(SWITCH), "true or false", default=False)
    host: str = _read(HOST, default="0.0.0.0")
    port: int = _read(PORT, _between(1, 65535), "a port, 1 to 65535", default=8080)
    workers: int | None = _read("WORKERS", _between(1, 64), "1 to 64", default=None)
    deadline: float = _read(REQUEST_DEADLINE, _between(0.1, 60.0), "seconds, 0.1 to 60", default=2.0)
    log_level: str = _read("LOG_LEVEL", _one_of(LOG_LEVELS), f"one of {', '.join(LOG_LEVELS.values())}", default="INFO")
    build_id: str = _read(BUILD_ID, default="unknown")


def settings(environment: Mapping[str, str]) -> Settings:
    """Reads `environment`, where an empty variable counts as missing. Raises SettingsError for the first problem."""
    given = {name: value for name, value in environment.items() if value}
    authentication = given.get(AUTHENTICATION, BY_PASSWORD)
    if authentication not in REQUIRED:
        raise SettingsError(f"{AUTHENTICATION} must be password or iam.")
    if missing := [name for name in REQUIRED[authentication] if name not in given]:
        raise SettingsError(f"Missing from the environment: {', '.join(missing)}.")
    if authentication == BY_PASSWORD:
        return _from(given, Settings)
    given.pop(PASSWORD, None)
    chosen = _from(given, Settings, iam=_from(given, Iam))
    if not chosen.tls:
        raise SettingsError(f"{TLS} must be true with {IAM}: without TLS anyone on the network can read the token.")
    return chosen


def _from(given: Mapping[str, str], kind: type[T], **values: Any) -> T:
    for each in fields(kind):  # type: ignore[arg-type]
        if (name := each.metadata.get("name", "")) in given:
            try:
                values[each.name] = each.metadata["parse"](given[name])
            except (KeyError, OSError, ValueError):
                raise SettingsError(f"{name} must be {each.metadata['expected']}.") from None
    return kind(**values)
