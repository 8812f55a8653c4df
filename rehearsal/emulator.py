"""ministack, an emulator of AWS, as a process of its own on a loopback port, with the fillers for what it lacks.

It pins a botocore of its own, so it lives in an environment of its own, which `python -m rehearsal.emulator` makes.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from rehearsal.processes import ADDRESS, answers, free_ports, wait_or_kill

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".ministack"
ENVIRONMENT = HOME / "environment"
STAMP = HOME / "stamp"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
ACCOUNT = "111122223333"
REGION = "eu-west-1"
# Port 1 is nobody's (tcpmux, RFC 1078).
NOWHERE = f"http://{ADDRESS}:1"
SECONDS_TO_START = 60
SECONDS_TO_STOP = 10


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one resource: its `action` (create, update or delete) takes `seconds`, then fails for
    `reason` unless that is empty. It happens `times` times, or always when that is 0.

    A service with `unnoticed` reverts the update, while CloudFormation reports success. With the action
    `start` its instances are spoiled: they miss their `secrets`, or are of another `build`. The logical ID `registry`
    with the action `push` is ECR's registry, and `change-set` with `create` every change set.
    """

    logical_id: str
    action: str = "create"
    reason: str = ""
    seconds: float = 0
    times: int = 0
    unnoticed: bool = False
    spoils: str = ""


@dataclass(frozen=True)
class Check:
    """What IAM was asked and allowed: an action on a resource, with the condition keys of the request."""

    action: str
    resource: str
    context: Mapping[str, object]


@dataclass(frozen=True)
class Call:
    """A call that was let through; `principal` is the ARN of who made it."""

    service: str
    operation: str
    principal: str
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Emulator:
    """A running emulator: its endpoint, and what a client's environment must hold to reach it."""

    url: str
    environment: Mapping[str, str]
    directory: Path
    pid: int

    @contextmanager
    def faults(self, *faults: Fault) -> Iterator[None]:
        """The faults that happen while this is open; others are forgotten."""
        self._write(faults)
        try:
            yield
        finally:
            self._write(())

    def _write(self, faults: tuple[Fault, ...]) -> None:
        # Each has an identity, so that the emulator can count how often one has happened.
        text = json.dumps([{"id": secrets.token_hex(8), **asdict(fault)} for fault in faults])
        replace(self.directory / "faults.json", text)

    def calls(self) -> list[Call]:
        """Every call that was let through, in their order."""
        file = self.directory / "calls"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [
            Call(**{**call, "checks": tuple(Check(**check) for check in call["checks"])})
            for call in map(json.loads, lines)
        ]

    def log(self) -> str:
        """What the process has printed."""
        return (self.directory / "log").read_text(encoding="utf-8", errors="replace")


@contextmanager
def emulator(directory: Path, machines: Mapping[str, str] | None = None) -> Iterator[Emulator]:
    """Starts an empty emulator that keeps its files in `directory`, and stops it in the end.

    `machines` is the environment by which it reaches what runs for it (rehearsal.machines); without, nothing runs.

    It also stops when this process dies: it watches a pipe that only this process holds open. Nothing is carried over
    from one start to the next. Raises RuntimeError with the log when it does not become ready.
    """
    python = environment()
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    replace(directory / "faults.json", "[]")
    schemas = create_only_properties()
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
        # No other listeners, and no touching of containers that are not ours.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent",
        "LOG_LEVEL": "WARNING",
        "REHEARSAL_FAULTS": str(directory / "faults.json"),
        "REHEARSAL_SCHEMAS": str(schemas),
        "REHEARSAL_CALLS": str(directory / "calls"),
        **(machines or {}),
    }
    # A session of its own: Ctrl-C is for whoever started this, who has something to ask of it still.
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "rehearsal.fillers"],
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
        if not answers(port, "/_ministack/ready", lambda: process.poll() is None, SECONDS_TO_START):
            raise RuntimeError(f"The emulator did not start.\n{started.log()}")
        yield started
    finally:
        process.terminate()
        wait_or_kill(process, SECONDS_TO_STOP)
        process.stdin.close()


def client_environment(url: str, secret: str) -> dict[str, str]:
    """What makes boto3 and the AWS CLI talk to the emulator and to nothing else, where AWS_PROFILE is not set."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # What is not the emulator is nobody: a rehearsal puts a proxy of its own here.
        "HTTPS_PROXY": NOWHERE,
        "https_proxy": NOWHERE,
        "NO_PROXY": ADDRESS,
        "no_proxy": ADDRESS,
    }


def replace(path: Path, text: str) -> None:
    """Writes a file so that whoever reads it sees all of the old text or all of the new."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
    Path(file.name).replace(path)


def environment() -> Path:
    """The interpreter of ministack's environment, which is made anew when its packages are not the ones wanted.

    The stamp is written last, so an environment that was left half-made does not count.
    """
    python = ENVIRONMENT / "bin" / "python"
    wanted = f"{sys.version}\n{REQUIREMENTS.read_text(encoding='utf-8')}"
    HOME.mkdir(exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not STAMP.exists() or STAMP.read_text(encoding="utf-8") != wanted:
            print(f"Making an environment for ministack in {HOME.name} ...", file=sys.stderr)
            STAMP.unlink(missing_ok=True)
            venv.create(ENVIRONMENT, clear=True, with_pip=True)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            # pip holds the lock too: killed half-way, we leave it running.
            install = [*pip, "--no-deps", "--requirement", str(REQUIREMENTS)]
            subprocess.run(install, check=True, pass_fds=(lock.fileno(),))
            replace(STAMP, wanted)
    return python


def create_only_properties() -> Path:
    """A JSON file with what CloudFormation's resource schemas say about replacement, for every resource type.

    The schemas are those that cfn-lint bundles. `always` holds createOnlyProperties ("the resource must be recreated
    to change it"), `conditionally` conditionalCreateOnlyProperties and those of which only a part is create-only; all
    of them as names on the first level.
    """
    path = HOME / f"create-only-{version('cfn-lint')}.json"
    if not path.exists():
        from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER as manager

        found = {}
        for name in manager.get_resource_types(REGION):
            schema = manager.get_resource_schema(REGION, name).schema
            pointers = [pointer.split("/")[2:] for pointer in schema.get("createOnlyProperties") or ()]
            always = {pointer[0] for pointer in pointers if len(pointer) == 1}
            partly = {pointer[0] for pointer in pointers if len(pointer) > 1}
            partly |= {pointer.split("/")[2] for pointer in schema.get("conditionalCreateOnlyProperties") or ()}
            found[name] = {"always": sorted(always), "conditionally": sorted(partly - always)}
        replace(path, json.dumps(found))
    return path


if __name__ == "__main__":
    environment()
