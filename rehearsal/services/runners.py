"""A service in place of App Runner or ECS: a container of the pushed image, or its program without a container tool."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.errors import GeneratorError
from rehearsal.emulator.registry import Start
from rehearsal.processes import STOP_SECONDS, wait_or_kill
from rehearsal.services.control import Launch

INSIDE = "/run/authority.pem"
# What a process needs of this machine to run with its packages, and the proxy, which podman passes to containers too.
INHERITED = ("PATH", "PYTHONPATH", "LANG", "TZ", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
# No rights beyond running, and this machine's network.
RESTRICTED = ("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "host")
# Some kernels refuse podman's own defaults, which are higher.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")


class ContainerError(GeneratorError):
    """A container tool failed; the text is the last line of its output."""


@dataclass(frozen=True)
class Processes:
    """Starts the program of an image in a folder with its files, with the packages of this environment. The folder is
    its home too, so it finds nothing that is configured for this user.

    `unpack` writes the files of an image into a folder, with the registry's credentials, and returns how it starts."""

    unpack: Callable[[str, str, Path], Start]
    directory: Path

    def __call__(self, launch: Launch) -> Process:
        folder = self.directory / f"instance-{secrets.token_hex(4)}"
        start = self.unpack(launch.image, launch.credentials, folder)
        words = [*start.entrypoint, *(launch.command or start.command)]
        if not words:
            raise ContainerError(
                f"The image {launch.image} names no program to start: its Dockerfile needs CMD or ENTRYPOINT."
            )
        if words[0] in ("python", "python3"):
            words[0] = sys.executable
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        own = {name: value for name, value in start.variables.items() if name not in ("PATH", "PYTHONPATH")}
        here = {"HOME": str(folder), "TMPDIR": str(folder)}
        return Process(folder, words, {**inherited, **own, **here, **_variables(launch, str(launch.authority))})


class Process:
    """A program in a folder, as a process of its own."""

    def __init__(self, folder: Path, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._log = folder.with_suffix(".log")
        with self._log.open("wb") as file:
            # In its own session, so that Ctrl-C in a terminal does not end it before `stop`.
            self._process = subprocess.Popen(
                words,
                cwd=folder,
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
        wait_or_kill(self._process)


@dataclass(frozen=True)
class Containers:
    """Pulls the image by its digest and runs it with podman, restricted as on AWS."""

    podman: str
    registry_environment: Callable[[], Mapping[str, str]]

    def __call__(self, launch: Launch) -> Container:
        with tempfile.TemporaryDirectory(prefix="registry-") as directory:
            file = Path(directory, "auth.json")
            file.touch(0o600)
            file.write_text(json.dumps({"auths": {launch.image.partition("/")[0]: {"auth": launch.credentials}}}))
            pulling = {**os.environ, **self.registry_environment()}
            output(self.podman, "pull", "--quiet", "--authfile", str(file), launch.image, environment=pulling)
        variables = _variables(launch, INSIDE)
        # By name only: every user of the machine can read argument lists.
        named = [part for name in variables for part in ("--env", name)]
        volume = ("--volume", f"{launch.authority}:{INSIDE}:ro")
        id = output(
            *(self.podman, "run", "--detach", *RESTRICTED, *LIMITS, *volume, *named, launch.image, *launch.command),
            environment={**os.environ, **variables},
        )
        return Container(self.podman, id)


@dataclass(frozen=True)
class Container:
    """A running container."""

    podman: str
    id: str

    def alive(self) -> bool:
        return output(self.podman, "inspect", "--format", "{{.State.Running}}", self.id) == "true"

    def lines(self) -> list[str]:
        shown = subprocess.run(
            [self.podman, "logs", self.id], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return shown.stdout.splitlines()

    def stop(self) -> None:
        output(self.podman, "stop", "--time", str(STOP_SECONDS), self.id)
        output(self.podman, "rm", "--force", self.id)


def _variables(launch: Launch, authority: str) -> dict[str, str]:
    """The variables of an instance, to which the file of the authority is `authority`."""
    build = {"BUILD_ID": launch.build} if launch.build else {}
    return {**launch.environment, "MEMORYDB_TLS_CA_FILE": authority, **build}


def podman() -> str | None:
    """Podman's program on Linux. Elsewhere containers share the network of a virtual machine instead of this one's."""
    return shutil.which("podman") if sys.platform == "linux" else None


def output(*command: str, environment: Mapping[str, str] | None = None, seconds: float | None = None) -> str:
    """The output of a container tool. Raises ContainerError."""
    try:
        ran = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, timeout=seconds
        )
    except subprocess.TimeoutExpired as error:
        raise ContainerError(f"{Path(command[0]).name} {command[1]}: no end after {seconds} s") from error
    if ran.returncode:
        lines = ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"]
        raise ContainerError(f"{Path(command[0]).name} {command[1]}: {lines[-1]}")
    return ran.stdout.strip()
