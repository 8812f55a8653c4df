"""The service's environment as one value. Every variable is named here only; docs/service.md explains them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# By the way of logging in.
REQUIRED = {
    "password": ("MEMORYDB_CLUSTER_ENDPOINT", "MEMORYDB_USERNAME", "MEMORYDB_PASSWORD"),
    "iam": ("MEMORYDB_CLUSTER_ENDPOINT", "MEMORYDB_USERNAME", "MEMORYDB_CLUSTER_NAME", "AWS_REGION"),
}


class SettingsError(Exception):
    """A variable is missing or invalid. The message is one line and does not contain the value."""


class Settings(msgspec.Struct, frozen=True, rename=str.upper):
    """Each field is the variable of that name in upper case; its description says what the variable must be.

    With IAM the password is empty. `workers` is 0 for one on each CPU.
    """

    memorydb_cluster_endpoint: Annotated[str, Meta(pattern="^(\\[[^][]+\\]|[^:]+):[0-9]+$", description="host:port")]
    memorydb_username: str
    memorydb_password: str = ""
    memorydb_authentication: Annotated[Literal["password", "iam"], Meta(description="password or iam")] = "password"
    memorydb_cluster_name: str = ""
    aws_region: str = ""
    # MemoryDB closes a connection 12 hours after its login (developer guide, "Authenticating with IAM").
    memorydb_reauthenticate_seconds: Annotated[float, Meta(ge=1, le=43199, description="seconds, 1 to 43199")] = 39600.0
    memorydb_tls: Annotated[bool, Meta(description="true or false")] = True
    memorydb_tls_ca_file: Annotated[str, Meta(description="a file that can be read")] = ""
    host: str = "0.0.0.0"
    port: Annotated[int, Meta(ge=1, le=65535, description="a port, 1 to 65535")] = 8080
    workers: Annotated[int, Meta(ge=1, le=64, description="1 to 64")] = 0
    request_deadline: Annotated[float, Meta(ge=0.1, le=60, description="seconds, 0.1 to 60")] = 2.0
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="one of DEBUG, INFO, WARNING, ERROR")
    ] = "INFO"
    build_id: str = "unknown"

    @property
    def iam(self) -> bool:
        return self.memorydb_authentication == "iam"

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.memorydb_cluster_endpoint.rpartition(":")
        return host.strip("[]"), int(port)

    def __repr__(self) -> str:
        return f"Settings({self.memorydb_cluster_endpoint}, without its secrets)"


def settings(environment: Mapping[str, str]) -> Settings:
    """Reads `environment`, where an empty variable counts as missing. Raises SettingsError for the first problem."""
    given = {name: value for name, value in environment.items() if value}
    given["LOG_LEVEL"] = given.get("LOG_LEVEL", "INFO").upper()
    authentication = given.get("MEMORYDB_AUTHENTICATION", "password")
    if authentication not in REQUIRED:
        raise _invalid("MEMORYDB_AUTHENTICATION")
    if missing := [name for name in REQUIRED[authentication] if name not in given]:
        raise SettingsError(f"Missing from the environment: {', '.join(missing)}.")
    if authentication == "iam":
        given["MEMORYDB_PASSWORD"] = ""
    try:
        chosen = msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(str(error).rpartition("$.")[2].strip("`")) from None
    if not 1 <= chosen.endpoint[1] <= 65535:
        raise _invalid("MEMORYDB_CLUSTER_ENDPOINT")
    if chosen.iam and not chosen.memorydb_tls:
        raise SettingsError("MEMORYDB_TLS must be true with iam: without TLS anyone on the network can read the token.")
    try:
        Path(chosen.memorydb_tls_ca_file or __file__).read_bytes()
    except OSError:
        raise _invalid("MEMORYDB_TLS_CA_FILE") from None
    return chosen


def _invalid(name: str) -> SettingsError:
    (kind,) = (field.type for field in msgspec.structs.fields(Settings) if field.encode_name == name)
    return SettingsError(f"{name} must be {kind.__metadata__[0].description}.")
