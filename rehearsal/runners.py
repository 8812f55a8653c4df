"""The service as AWS would run it: a container of the pushed image where podman is, otherwise a process.

Docker is not used: its engine makes its own connections and knows neither the rehearsal's registry nor its authority.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from generator.errors import GeneratorError
from rehearsal.processes import wait_or_kill
from rehearsal.registry import Registry

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 15
INSIDE = "/run/authority.pem"
# Names that instances do not inherit from this machine.
FOREIGN = ("MEMORYDB_", "AWS_", "REHEARSAL_")
# What podman sets without being asked is more than some kernels let a container have.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")


class ContainerError(GeneratorError):
    """Podman fails; the text is the last line of what it said."""


@dataclass(frozen=True)
class Processes:
    """Starts the service from this folder, with the environment that the image in the registry has."""

    registry: Callable[[str], Registry]
    directory: Path

    def __call__(
        self, image: str, environment: Mapping[str, str], *, trusted: Path, credentials: str, build: str
    ) -> Process:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        own = self.registry(credentials).variables(image)
        own.pop("PATH", None)
        own.pop("PYTHONPATH", None)
        log = self.directory / f"instance-{secrets.token_hex(4)}.log"
        return Process(log, {**inherited, **own, **_variables(environment, str(trusted), build)})


class Process:
    """The service as a process of its own."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        with log.open("wb") as file:
            # A session of its own: Ctrl-C is for whoever started this, and he stops it in order.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def alive(self) -> bool:
        return self._process.poll() is None

    def lines(self) -> list[str]:
        return self._log.read_text(errors="replace").splitlines()

    def stop(self) -> None:
        self._process.terminate()
        wait_or_kill(self._process, STOP_SECONDS)


@dataclass(frozen=True)
class Containers:
    """Pulls the image by its digest and runs it with podman, as little able as AWS's own."""

    podman: str
    registry_environment: Callable[[], Mapping[str, str]]

    def __call__(
        self, image: str, environment: Mapping[str, str], *, trusted: Path, credentials: str, build: str
    ) -> Container:
        with tempfile.TemporaryDirectory(prefix="registry-") as directory:
            file = Path(directory, "auth.json")
            file.touch(0o600)
            file.write_text(json.dumps({"auths": {image.partition("/")[0]: {"auth": credentials}}}))
            pulling = {**os.environ, **self.registry_environment()}
            _output(self.podman, "pull", "--quiet", "--authfile", str(file), image, environment=pulling)
        variables = _variables(environment, INSIDE, build)
        # By name only: a value in an argument list is there for everyone on the machine to see.
        named = [part for name in variables for part in ("--env", name)]
        closed = ("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "host")
        volume = ("--volume", f"{trusted}:{INSIDE}:ro")
        id = _output(
            *(self.podman, "run", "--detach", *closed, *LIMITS, *volume, *named, image),
            environment={**os.environ, **variables},
        )
        return Container(self.podman, id)


@dataclass(frozen=True)
class Container:
    """A running container."""

    podman: str
    id: str

    def alive(self) -> bool:
        return _output(self.podman, "inspect", "--format", "{{.State.Running}}", self.id) == "true"

    def lines(self) -> list[str]:
        shown = subprocess.run(
            [self.podman, "logs", self.id], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return shown.stdout.splitlines()

    def stop(self) -> None:
        _output(self.podman, "stop", "--time", str(STOP_SECONDS), self.id)
        _output(self.podman, "rm", "--force", self.id)


def _variables(environment: Mapping[str, str], authority: str, build: str) -> dict[str, str]:
    """What an instance is told: `authority` is a file that it can read, `build` spoils what its image says."""
    return {**environment, "MEMORYDB_TLS_CA_FILE": authority, **({"BUILD_ID": build} if build else {})}


def podman() -> str | None:
    """Podman, where containers share this machine's network: elsewhere it is a virtual machine's."""
    return shutil.which("podman") if sys.platform == "linux" else None


def _output(*command: str, environment: Mapping[str, str] | None = None) -> str:
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment)
    if ran.returncode:
        said = ran.stderr.strip().splitlines() or [f"ended with {ran.returncode}"]
        raise ContainerError(f"{Path(command[0]).name} {command[1]}: {said[-1]}")
    return ran.stdout.strip()
