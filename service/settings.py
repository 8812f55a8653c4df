"""The service's environment as one value. Every variable is named here only; docs/service.md explains them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

CLUSTER_ENDPOINT = "MEMORYDB_CLUSTER_ENDPOINT"
USERNAME = "MEMORYDB_USERNAME"
PASSWORD = "MEMORYDB_PASSWORD"
AUTHENTICATION = "MEMORYDB_AUTHENTICATION"
CLUSTER_NAME = "MEMORYDB_CLUSTER_NAME"
REGION = "AWS_REGION"
REAUTHENTICATE = "MEMORYDB_REAUTHENTICATE_SECONDS"

TLS = "MEMORYDB_TLS"
TLS_CA_FILE = "MEMORYDB_TLS_CA_FILE"
READ_REPLICAS = "MEMORYDB_READ_REPLICAS"
HOST = "HOST"
PORT = "PORT"
WORKERS = "WORKERS"
REQUEST_DEADLINE = "REQUEST_DEADLINE"
LOG_LEVEL = "LOG_LEVEL"
BUILD_ID = "BUILD_ID"

WAYS_TO_LOG_IN = ("password", "iam")
BY_PASSWORD, IAM = WAYS_TO_LOG_IN
REQUIRED = {
    BY_PASSWORD: (CLUSTER_ENDPOINT, USERNAME, PASSWORD),
    IAM: (CLUSTER_ENDPOINT, USERNAME, CLUSTER_NAME, REGION),
}
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
# MemoryDB cuts a connection 12 hours after it has logged in (developer guide, "Authenticating with IAM").
LONGEST_LOGIN = 12 * 3600

T = TypeVar("T")


class SettingsError(Exception):
    """The environment does not say what it must; the text is one line and holds no secret."""


@dataclass(frozen=True)
class Iam:
    """What a token is signed for; a connection older than `reauthenticate` seconds logs in again."""

    cluster_name: str
    region: str
    reauthenticate: float = 11 * 3600


@dataclass(frozen=True)
class Settings:
    """What the environment says. `deadline` is in seconds. With `iam` there is no password. Without `workers` there
    is one for each CPU."""

    redis_host: str
    redis_port: int
    username: str
    password: str = field(default="", repr=False)
    iam: Iam | None = None
    tls: bool = True
    tls_ca_file: str | None = None
    read_replicas: bool = False
    host: str = "0.0.0.0"
    port: int = 8080
    workers: int | None = None
    deadline: float = 2.0
    log_level: str = "INFO"
    build_id: str = "unknown"


def settings(environment: Mapping[str, str]) -> Settings:
    """Reads `environment`; raises SettingsError for the first thing that is missing or wrong.

    An empty variable counts as missing: that is what a template or a shell makes of a value it does not have.
    """

    def read(name: str, default: T, parse: Callable[[str], T | None], expected: str) -> T:
        text = environment.get(name, "")
        if not text:
            return default
        value = parse(text)
        if value is None:
            raise SettingsError(f"{name} must be {expected}.")
        return value

    way = read(AUTHENTICATION, BY_PASSWORD, _one_of(WAYS_TO_LOG_IN), "password or iam")
    missing = [name for name in REQUIRED[way] if not environment.get(name)]
    if missing:
        raise SettingsError(f"Missing from the environment: {', '.join(missing)}.")
    host, port = read(CLUSTER_ENDPOINT, ("", 0), _endpoint, "host:port")
    tls = read(TLS, Settings.tls, _switch, "true or false")
    iam = None
    if way == IAM:
        if not tls:
            raise SettingsError(f"{TLS} must be true with {IAM}: a token in clear would be anybody's.")
        after = read(
            REAUTHENTICATE, Iam.reauthenticate, _seconds(1, LONGEST_LOGIN - 1), f"seconds, 1 to {LONGEST_LOGIN - 1}"
        )
        iam = Iam(environment[CLUSTER_NAME], environment[REGION], after)
    return Settings(
        redis_host=host,
        redis_port=port,
        username=environment[USERNAME],
        password="" if iam else environment[PASSWORD],
        iam=iam,
        tls=tls,
        tls_ca_file=read(TLS_CA_FILE, Settings.tls_ca_file, _file, "a file that can be read"),
        read_replicas=read(READ_REPLICAS, Settings.read_replicas, _switch, "true or false"),
        host=environment.get(HOST) or Settings.host,
        port=read(PORT, Settings.port, _whole(1, 65535), "a port, 1 to 65535"),
        workers=read(WORKERS, Settings.workers, _whole(1, 64), "1 to 64"),
        deadline=read(REQUEST_DEADLINE, Settings.deadline, _seconds(0.1, 60), "seconds, 0.1 to 60"),
        log_level=read(LOG_LEVEL, Settings.log_level, _level, f"one of {', '.join(LOG_LEVELS)}"),
        build_id=environment.get(BUILD_ID) or Settings.build_id,
    )


def _endpoint(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    number = _whole(1, 65535)(port)
    return None if not host or number is None else (host.removeprefix("[").removesuffix("]"), number)


def _switch(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _file(text: str) -> str | None:
    try:
        Path(text).read_bytes()
    except OSError:
        return None
    return text


def _whole(least: int, most: int) -> Callable[[str], int | None]:
    def parse(text: str) -> int | None:
        # int() itself takes underscores, spaces and other alphabets' digits.
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            return None
        return int(text) if least <= int(text) <= most else None

    return parse


def _seconds(least: float, most: float) -> Callable[[str], float | None]:
    def parse(text: str) -> float | None:
        try:
            value = float(text)
        except ValueError:
            return None
        return value if least <= value <= most else None

    return parse


def _one_of(known: tuple[str, ...]) -> Callable[[str], str | None]:
    return lambda text: text if text in known else None


def _level(text: str) -> str | None:
    return text.upper() if text.upper() in LOG_LEVELS else None
