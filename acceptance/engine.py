"""The container engine of this machine, and the base image it builds on.

Docker if its engine answers; otherwise buildah builds and podman runs, which need no daemon. If the base image cannot
be pulled, debootstrap builds a substitute: the Debian release in the base's tag, with its Python.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rehearsal.services.runners import LIMITS, RESTRICTED

ROOT = Path(__file__).parents[1]
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
USER = "10001:10001"
# The base image has `python` on the PATH, and pip; Debian's own do not.
SUBSTITUTE_PACKAGES = "python3,python3-pip,ca-certificates"
SUBSTITUTE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def output(*command: str, timeout: float = 600, environment: Mapping[str, str] | None = None) -> str:
    """The output of a command. Raises RuntimeError with all output if it fails."""
    ran = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **(environment or {})},
    )
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} ... ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
    return ran.stdout.strip()


def succeeds(*command: str, timeout: float = 60) -> bool:
    try:
        output(*command, timeout=timeout)
    except (OSError, RuntimeError, subprocess.TimeoutExpired):
        return False
    return True


@dataclass(frozen=True)
class Engine:
    client: tuple[str, ...]
    builder: tuple[str, ...]
    limits: tuple[str, ...]

    def __call__(self, *arguments: str, timeout: float = 600, environment: Mapping[str, str] | None = None) -> str:
        return output(*self.client, *arguments, timeout=timeout, environment=environment)

    def printed(self, *arguments: str) -> str:
        """Output and errors together."""
        ran = subprocess.run([*self.client, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return ran.stdout

    def build(self, tag: str, base: str, build_id: str) -> None:
        # For a proxy that re-encrypts TLS (docs/container.md).
        secrets = ("--secret", f"id=ca,src={CERTIFICATES}") if CERTIFICATES.exists() else ()
        arguments = ("--build-arg", f"BASE={base}", "--build-arg", f"BUILD_ID={build_id}", "--tag", tag)
        output(*self.builder, *secrets, *arguments, str(ROOT), environment={"DOCKER_BUILDKIT": "1"})

    def start(self, image: str, environment: Mapping[str, str], *options: str) -> str:
        """The ID of a container without capabilities and without a place to write to."""
        # By name only: every user of the machine can read argument lists.
        named = [part for name in environment for part in ("--env", name)]
        return self("run", "--detach", *RESTRICTED, *self.limits, *named, *options, image, environment=environment)

    def size(self, image: str) -> int:
        """Bytes, unpacked."""
        return int(self("image", "inspect", "--format", "{{.Size}}", image))


DOCKER = Engine(client=("docker",), builder=("docker", "build"), limits=())
PODMAN = Engine(
    client=("podman", "--runtime", "runc"),
    builder=("buildah", "bud", "--isolation", "chroot"),
    limits=("--read-only-tmpfs=false", *LIMITS),
)


def engine() -> Engine:
    if succeeds("docker", "info"):
        return DOCKER
    if all(shutil.which(name) for name in ("buildah", "podman", "runc")):
        return PODMAN
    raise RuntimeError("No container engine: type make container-engine, which says what is missing.")


def default_base() -> str:
    found = re.search(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def base(engine: Engine) -> tuple[str, bool]:
    """The image to build on, and whether it is the Dockerfile's own."""
    original = default_base()
    if succeeds(*engine.client, "image", "inspect", original) or succeeds(
        *engine.client, "pull", original, timeout=300
    ):
        return original, True
    substitute = f"substitute-for-{original}"
    if not succeeds(*engine.client, "image", "inspect", substitute):
        release = original.rpartition("-")[2]
        with tempfile.TemporaryDirectory() as directory:
            tree = Path(directory, "tree")
            archive = Path(directory, "tree.tar")
            output(
                "debootstrap", "--variant=minbase", f"--include={SUBSTITUTE_PACKAGES}", release, str(tree), timeout=900
            )
            (tree / "usr/local/bin/python").symlink_to("/usr/bin/python3")
            downloads = ("--exclude=./var/cache/apt/archives", "--exclude=./var/lib/apt/lists")
            output("tar", "--directory", str(tree), "--file", str(archive), *downloads, "--create", ".")
            engine("import", "--change", f"ENV PATH={SUBSTITUTE_PATH}", str(archive), substitute)
    return substitute, False
