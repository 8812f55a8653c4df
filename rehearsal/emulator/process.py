"""The emulator as a process, what its clients need to reach it, and the faults it injects."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rehearsal.emulator.environment import ROOT, interpreter, replace, schemas
from rehearsal.processes import ADDRESS, answers, free_ports, wait_or_kill

ACCOUNT = "111122223333"
REGION = "eu-west-1"
# No server listens on port 1 (tcpmux, RFC 1078).
UNREACHABLE = f"http://{ADDRESS}:1"


@dataclass(frozen=True)
class Fault:
    """A failure of one resource: its `action` (create, update or delete) fails for `reason` unless that is empty; when
    `held`, not before the fault is withdrawn. It happens `times` times, or always when that is 0.

    With `unnoticed` the service reverts an update while CloudFormation reports success. With the action `start` the
    service's instances lack their `secrets` or report another `build` (`spoils`), or do not start for `reason`. With
    `hook` it is this hook that refuses the resource, for `reason`. The logical ID `registry` with the action `push` is
    ECR's registry, and `change-set` with `create` is every change set.
    """

    logical_id: str
    action: str = "create"
    reason: str = ""
    held: bool = False
    times: int = 0
    unnoticed: bool = False
    spoils: str = ""
    hook: str = ""


@dataclass(frozen=True)
class Check:
    """An action on a resource that IAM allowed, with the condition keys of the request."""

    action: str
    resource: str
    context: Mapping[str, object]


@dataclass(frozen=True)
class Call:
    """A call that IAM allowed; `principal` is the ARN of the caller."""

    service: str
    operation: str
    principal: str
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Emulator:
    """A running emulator: its endpoint, and the environment variables that lead a client to it."""

    url: str
    environment: Mapping[str, str]
    directory: Path
    pid: int

    @contextmanager
    def faults(self, *faults: Fault) -> Iterator[None]:
        """Injects these faults, and no others, until the `with` block ends."""
        self._write(faults)
        try:
            yield
        finally:
            self._write(())

    def _write(self, faults: tuple[Fault, ...]) -> None:
        # By its ID the emulator counts how often a fault has happened.
        text = json.dumps([{"id": secrets.token_hex(8), **asdict(fault)} for fault in faults])
        replace(self.directory / "faults.json", text)

    def calls(self) -> list[Call]:
        """Every call that IAM allowed, in order."""
        file = self.directory / "calls"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [
            Call(**{**call, "checks": tuple(Check(**check) for check in call["checks"])})
            for call in map(json.loads, lines)
        ]

    def stand_ins(self) -> set[str]:
        """The resource types that the emulator does not have: of these resources there is only a name."""
        return set((self.directory / "stand-ins").read_text(encoding="utf-8").splitlines())

    def log(self) -> str:
        """The output of the process."""
        return (self.directory / "log").read_text(encoding="utf-8", errors="replace")


@contextmanager
def emulator(directory: Path, services: Mapping[str, str] | None = None) -> Iterator[Emulator]:
    """Starts an empty emulator that keeps its files in `directory`, and stops it when the `with` block ends.

    `services` is the environment of the local services (rehearsal.services.control); without it no instance or cluster
    runs. The emulator also stops when this process dies, because it watches a pipe whose other end is here. Raises
    RuntimeError with the log if it does not become ready.
    """
    python = interpreter()
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    replace(directory / "faults.json", "[]")
    secret = secrets.token_urlsafe(30)
    (port,) = free_ports(1)
    url = f"http://{ADDRESS}:{port}"
    settings = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": str(ROOT),
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "BIND_HOST": ADDRESS,
        "GATEWAY_PORT": str(port),
        "AUTH": "true",
        # Twelve digits as an access key are the root user of that account.
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": secret,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        # No other listeners, and no access to containers.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent",
        "LOG_LEVEL": "WARNING",
        "REHEARSAL_FAULTS": str(directory / "faults.json"),
        "REHEARSAL_SCHEMAS": str(schemas()),
        "REHEARSAL_STAND_INS": str(directory / "stand-ins"),
        "REHEARSAL_CALLS": str(directory / "calls"),
        **(services or {}),
    }
    # In its own session, so that Ctrl-C in a terminal does not end it: the deployment is destroyed first.
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "rehearsal.emulator.extensions"],
            cwd=directory,
            env=settings,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    assert process.stdin is not None
    started = Emulator(url, client_environment(url, secret), directory, process.pid)
    try:
        if not answers(port, "/_ministack/ready", lambda: process.poll() is None):
            raise RuntimeError(f"The emulator did not start.\n{started.log()}")
        yield started
    finally:
        process.terminate()
        wait_or_kill(process)
        process.stdin.close()


def client_environment(url: str, secret: str) -> dict[str, str]:
    """Variables with which boto3 and the AWS CLI reach the emulator and nothing else, unless AWS_PROFILE is set."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # A rehearsal replaces this with its own proxy.
        "HTTPS_PROXY": UNREACHABLE,
        "https_proxy": UNREACHABLE,
        "NO_PROXY": ADDRESS,
        "no_proxy": ADDRESS,
    }
