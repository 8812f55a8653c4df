"""The service's environment as one value. Every variable is named here only; docs/service.md explains them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

CLUSTER_ENDPOINT = "MEMORYDB_CLUSTER_ENDPOINT"
USERNAME = "MEMORYDB_USERNAME"
PASSWORD = "MEMORYDB_PASSWORD"
REQUIRED = (CLUSTER_ENDPOINT, USERNAME, PASSWORD)

TLS = "MEMORYDB_TLS"
TLS_CA_FILE = "MEMORYDB_TLS_CA_FILE"
READ_REPLICAS = "MEMORYDB_READ_REPLICAS"
HOST = "HOST"
PORT = "PORT"
THREADS = "THREADS"
REQUEST_DEADLINE = "REQUEST_DEADLINE"
LOG_LEVEL = "LOG_LEVEL"
BUILD_ID = "BUILD_ID"

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

T = TypeVar("T")


class SettingsError(Exception):
    """The environment does not say what it must; the text is one line and holds no secret."""


@dataclass(frozen=True)
class Settings:
    """What the environment says. `deadline` is in seconds."""

    redis_host: str
    redis_port: int
    username: str
    password: str = field(repr=False)
    tls: bool = True
    tls_ca_file: str | None = None
    read_replicas: bool = False
    host: str = "0.0.0.0"
    port: int = 8080
    threads: int = 8
    deadline: float = 2.0
    log_level: str = "INFO"
    build_id: str = "unknown"


def settings(environment: Mapping[str, str]) -> Settings:
    """Reads `environment`; raises SettingsError for the first thing that is missing or wrong.

    An empty variable counts as missing: that is what a template or a shell makes of a value it does not have.
    """
    missing = [name for name in REQUIRED if not environment.get(name)]
    if missing:
        raise SettingsError(f"Missing from the environment: {', '.join(missing)}.")

    def read(name: str, default: T, parse: Callable[[str], T | None], expected: str) -> T:
        text = environment.get(name, "")
        if not text:
            return default
        value = parse(text)
        if value is None:
            raise SettingsError(f"{name} must be {expected}.")
        return value

    host, port = read(CLUSTER_ENDPOINT, ("", 0), _endpoint, "host:port")
    return Settings(
        redis_host=host,
        redis_port=port,
        username=environment[USERNAME],
        password=environment[PASSWORD],
        tls=read(TLS, Settings.tls, _switch, "true or false"),
        tls_ca_file=read(TLS_CA_FILE, Settings.tls_ca_file, _file, "a file that can be read"),
        read_replicas=read(READ_REPLICAS, Settings.read_replicas, _switch, "true or false"),
        host=environment.get(HOST) or Settings.host,
        port=read(PORT, Settings.port, _whole(1, 65535), "a port, 1 to 65535"),
        threads=read(THREADS, Settings.threads, _whole(1, 64), "1 to 64"),
        deadline=read(REQUEST_DEADLINE, Settings.deadline, _seconds, "seconds, 0.1 to 60"),
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


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0.1 <= value <= 60 else None


def _level(text: str) -> str | None:
    return text.upper() if text.upper() in LOG_LEVELS else None
