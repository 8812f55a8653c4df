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

BY_PASSWORD, IAM = AUTHENTICATIONS = ("password", "iam")
REQUIRED = {
    BY_PASSWORD: (CLUSTER_ENDPOINT, USERNAME, PASSWORD),
    IAM: (CLUSTER_ENDPOINT, USERNAME, CLUSTER_NAME, REGION),
}
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

T = TypeVar("T")
N = TypeVar("N", int, float)


class SettingsError(Exception):
    """A variable is missing or invalid. The message is one line and does not contain the value."""


@dataclass(frozen=True)
class Iam:
    """What a token is signed for; a connection older than `reauthenticate` seconds logs in again."""

    cluster_name: str
    region: str
    reauthenticate: float = 11 * 3600


@dataclass(frozen=True)
class Settings:
    """`deadline` is in seconds. With `iam` there is no password. Without `workers` there is one for each CPU."""

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
    """Reads `environment`, where an empty variable counts as missing. Raises SettingsError for the first problem."""

    def read(name: str, default: T, parse: Callable[[str], T], expected: str) -> T:
        try:
            return parse(environment[name]) if environment.get(name) else default
        except (KeyError, OSError, ValueError):
            raise SettingsError(f"{name} must be {expected}.") from None

    authentication = read(AUTHENTICATION, BY_PASSWORD, _one_of(AUTHENTICATIONS), "password or iam")
    missing = [name for name in REQUIRED[authentication] if not environment.get(name)]
    if missing:
        raise SettingsError(f"Missing from the environment: {', '.join(missing)}.")
    host, port = read(CLUSTER_ENDPOINT, ("", 0), _endpoint, "host:port")
    tls = read(TLS, Settings.tls, _switch, "true or false")
    iam = None
    if authentication == IAM:
        if not tls:
            raise SettingsError(f"{TLS} must be true with {IAM}: without TLS anyone on the network can read the token.")
        # MemoryDB closes a connection 12 hours after its login (developer guide, "Authenticating with IAM").
        seconds = read(REAUTHENTICATE, Iam.reauthenticate, _between(1.0, 43199.0), "seconds, 1 to 43199")
        iam = Iam(environment[CLUSTER_NAME], environment[REGION], seconds)
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
        port=read(PORT, Settings.port, _between(1, 65535), "a port, 1 to 65535"),
        workers=read(WORKERS, Settings.workers, _between(1, 64), "1 to 64"),
        deadline=read(REQUEST_DEADLINE, Settings.deadline, _between(0.1, 60.0), "seconds, 0.1 to 60"),
        log_level=read(LOG_LEVEL, Settings.log_level, _level, f"one of {', '.join(LOG_LEVELS)}"),
        build_id=environment.get(BUILD_ID) or Settings.build_id,
    )


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host:
        raise ValueError
    return host.removeprefix("[").removesuffix("]"), _between(1, 65535)(port)


def _switch(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


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


def _one_of(names: tuple[str, ...]) -> Callable[[str], str]:
    return lambda text: names[names.index(text)]


def _level(text: str) -> str:
    return _one_of(LOG_LEVELS)(text.upper())
