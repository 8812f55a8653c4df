"""The container engine of this machine, and the base image it builds on.

Docker where its engine answers; otherwise buildah builds and podman runs, which need no daemon. A machine that reaches
no registry of base images gets a stand-in: the Debian release that the base's tag names, with its Python, by
debootstrap.
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

ROOT = Path(__file__).parents[1]
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
USER = "10001:10001"
# What podman sets without being asked is more than some kernels let a container have.
PODMAN_LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
# Of the base, as opposed to Debian's: `python` on the PATH, and pip.
STAND_IN_PACKAGES = "python3,python3-pip,ca-certificates"
STAND_IN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def output(*command: str, timeout: float = 600, environment: Mapping[str, str] | None = None) -> str:
    """What the command prints; a RuntimeError with all it said when it fails."""
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
        """Everything, of both streams."""
        ran = subprocess.run([*self.client, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return ran.stdout

    def build(self, tag: str, base: str, build_id: str) -> None:
        # As docs/container.md says, for a network whose proxy re-encrypts.
        secrets = ("--secret", f"id=ca,src={CERTIFICATES}") if CERTIFICATES.exists() else ()
        arguments = ("--build-arg", f"BASE={base}", "--build-arg", f"BUILD_ID={build_id}", "--tag", tag)
        output(*self.builder, *secrets, *arguments, str(ROOT), environment={"DOCKER_BUILDKIT": "1"})

    def start(self, image: str, environment: Mapping[str, str], *options: str) -> str:
        """The ID of a container that may do nothing but run: any user, no capability, nothing to write to."""
        closed = ("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "host")
        # By name only: a value in an argument list is there for everyone on the machine to see.
        named = [part for name in environment for part in ("--env", name)]
        return self("run", "--detach", *closed, *self.limits, *named, *options, image, environment=environment)

    def size(self, image: str) -> int:
        """Bytes, unpacked."""
        return int(self("image", "inspect", "--format", "{{.Size}}", image))


DOCKER = Engine(client=("docker",), builder=("docker", "build"), limits=())
PODMAN = Engine(
    client=("podman", "--runtime", "runc"),
    builder=("buildah", "bud", "--isolation", "chroot"),
    limits=("--read-only-tmpfs=false", *PODMAN_LIMITS),
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
    wanted = default_base()
    if succeeds(*engine.client, "image", "inspect", wanted) or succeeds(*engine.client, "pull", wanted, timeout=300):
        return wanted, True
    stand_in = f"stand-in-for-{wanted}"
    if not succeeds(*engine.client, "image", "inspect", stand_in):
        release = wanted.rpartition("-")[2]
        with tempfile.TemporaryDirectory() as directory:
            tree = Path(directory, "tree")
            archive = Path(directory, "tree.tar")
            output(
                "debootstrap", "--variant=minbase", f"--include={STAND_IN_PACKAGES}", release, str(tree), timeout=900
            )
            (tree / "usr/local/bin/python").symlink_to("/usr/bin/python3")
            downloads = ("--exclude=./var/cache/apt/archives", "--exclude=./var/lib/apt/lists")
            output("tar", "--directory", str(tree), "--file", str(archive), *downloads, "--create", ".")
            engine("import", "--change", f"ENV PATH={STAND_IN_PATH}", str(archive), stand_in)
    return stand_in, False
