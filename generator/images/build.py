"""Builds a container image with the tool that is installed, and pushes it to a repository.

The tool's output is passed on line by line. The tool gets the registry's token on standard input, so that it is in no
argument list. A tool that stores it in a file gets a temporary one; any other tool is logged out afterwards.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from generator.errors import DeployError
from generator.images.context import PLATFORM, TOOLS, Context
from generator.images.repository import ImageRepository

# These take a file for credentials, need no engine, and write OCI manifests by default.
DAEMONLESS = ("podman", "buildah")
BUILD_ID = "BUILD_ID"
PROBE_SECONDS = 30
# The tool's last lines, to explain a failure.
KEPT_LINES = 40
# The kernel's message about a program for another processor, the tools' messages about a base image that cannot be
# pulled, and ECR's about a tag that exists.
FOREIGN = re.compile(r"exec format error", re.IGNORECASE)
NO_BASE = re.compile(
    r"initializing source docker://|failed to resolve source metadata|pull access denied|pinging container registry",
    re.IGNORECASE,
)
TAKEN = re.compile(r"immutable|already exists", re.IGNORECASE)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Tool:
    """A container tool: its program, and which of the four it is."""

    program: str
    kind: str

    def build(self, context: Context, image: str, tag: str) -> list[str]:
        """The command that builds `context` as `image`, which then reports `tag` as its build."""
        command = [self.program, "build", "--platform", PLATFORM, "--tag", image]
        for name, value in {**context.arguments, BUILD_ID: tag}.items():
            command += ["--build-arg", f"{name}={value}"]
        for secret in context.secrets:
            command += ["--secret", secret]
        if self.kind in DAEMONLESS:
            # Docker's own format, which every consumer of ECR reads; and the ignore file that the tag was made with.
            command += ["--format", "docker"]
            # Podman reuses the layer of an ENV that was made with another build argument (buildah, issue 5501).
            command += ["--layers=false"] if self.kind == "podman" else []
            command += ["--ignorefile", str(context.ignore_file)] if context.ignore_file.exists() else []
        return [*command, str(context.directory)]

    def architecture(self, image: str) -> list[str]:
        """The command that prints an image's processor architecture."""
        if self.kind == "buildah":
            return [self.program, "inspect", "--type", "image", "--format", "{{.OCIv1.Architecture}}", image]
        return [self.program, "image", "inspect", "--format", "{{.Architecture}}", image]


def container_tool(name: str | None) -> Tool:
    """The tool of that name or path; without one, the first that works.

    Raises DeployError if none does.
    """
    reasons = {}
    for found in TOOLS if name is None else (name,):
        why = _unusable(found)
        if not why:
            return Tool(found, Path(found).name)
        reasons[found] = why
    if name is not None:
        raise DeployError(stack=name, what="The container tool cannot be used", why=reasons[name], then=_INSTEAD)
    installed = [f"{found}: {why}" for found, why in reasons.items() if shutil.which(found)]
    raise DeployError(
        stack="image",
        what="There is no container tool to build with",
        why="; ".join(installed) or f"none of {', '.join(TOOLS)} is installed",
        then=_INSTEAD,
    )


_INSTEAD = (
    "Install or start one; or push the image from elsewhere, as the data stack's output PushCommands says, and pass "
    "--image URI."
)


def publish(tool_name: str | None, context: Context, repository: ImageRepository, tag: str, progress: Progress) -> str:
    """Builds and pushes an image, unless the repository has its tag; returns it as `repository@digest`.

    `progress` gets each step and the tool's output. Raises DeployError if a step fails.
    """
    digest = repository.digest(tag)
    if digest:
        progress(f"{repository.name} has {tag} already: nothing to build.")
        return f"{repository.uri}@{digest}"
    tool = container_tool(tool_name)
    image = f"{repository.uri}:{tag}"
    progress(f"Building {tag} with {tool.kind} ...")
    started = time.monotonic()
    _build(tool, context, image, tag, progress)
    built = time.monotonic()
    progress(f"Built in {built - started:.1f} s. Pushing it to {repository.name} ...")
    _push(tool, repository, image, tag, progress)
    progress(f"Pushed in {time.monotonic() - built:.1f} s.")
    digest = repository.digest(tag)
    if not digest:
        raise DeployError(
            stack=repository.name,
            what="The image is not in the repository",
            why=f"{tool.kind} reported that it pushed {tag}, but ECR does not know it",
            then="Look at the repository in the console.",
        )
    return f"{repository.uri}@{digest}"


def _unusable(program: str) -> str:
    """Why a tool does not work; empty if it does. Docker's client is often installed without its engine."""
    try:
        ended = subprocess.run(
            [program, "info"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=PROBE_SECONDS,
        )
    except FileNotFoundError:
        return "it is not installed"
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"it did not answer within {PROBE_SECONDS} seconds"
    if ended.returncode == 0:
        return ""
    return (
        _last_line(ended.stderr.decode(errors="replace").splitlines())
        or f"`{program} info` ended with {ended.returncode}"
    )


def _build(tool: Tool, context: Context, image: str, tag: str, progress: Progress) -> None:
    code, output = _run(tool.build(context, image, tag), progress)
    if code == 0:
        code, lines = _run(tool.architecture(image), lambda line: None)
        found = lines[-1].strip() if code == 0 and lines else "unknown"
        if found == PLATFORM.partition("/")[2]:
            return
        why = f"it is for {found}, and services run on {PLATFORM}"
        then = "Take --platform out of the Dockerfile's FROM lines, or name a base image that has this platform."
    elif any(FOREIGN.search(line) for line in output):
        why = f"this machine ({platform.machine()}) cannot run programs for {PLATFORM}"
        then = (
            "Docker Desktop, Finch and `podman machine` can; on Linux install qemu-user-static (Debian, Fedora), then "
            "try again. Or build elsewhere and pass --image URI."
        )
    elif any(NO_BASE.search(line) for line in output):
        why = f"its base image cannot be pulled: {_last_line(output)}"
        then = "Connect to its registry, or name another base image with --build-arg BASE=IMAGE."
    else:
        why = _last_line(output) or f"{tool.kind} ended with {code}"
        then = "Nothing was pushed. The tool's output is above."
    raise DeployError(stack=image, what="The image could not be built", why=why, then=then)


def _push(tool: Tool, repository: ImageRepository, image: str, tag: str, progress: Progress) -> None:
    name, password = repository.credentials()
    with _logged_in(tool, repository.registry, name, password) as options:
        code, output = _run([tool.program, "push", *options, image], progress)
    # The same content may have been pushed from elsewhere in the meantime: tags in this repository never move.
    if code and not (any(TAKEN.search(line) for line in output) and repository.digest(tag)):
        raise DeployError(
            stack=repository.name,
            what="The push was refused",
            why=_last_line(output) or f"{tool.kind} ended with {code}",
            then="The image stays on this machine.",
        )


@contextmanager
def _logged_in(tool: Tool, registry: str, name: str, password: str) -> Iterator[list[str]]:
    """The options of the tool's push, while it is logged in."""
    with tempfile.TemporaryDirectory(prefix="registry-") as directory:
        options = ["--authfile", str(Path(directory, "auth.json"))] if tool.kind in DAEMONLESS else []
        command = [tool.program, "login", "--username", name, "--password-stdin", *options, registry]
        ended = subprocess.run(command, input=password.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if ended.returncode:
            output = ended.stdout.decode(errors="replace").replace(password, "****").strip().splitlines()
            raise DeployError(
                stack=registry,
                what="The registry refuses the login",
                why=_last_line(output) or f"{tool.kind} login ended with {ended.returncode}",
                then="The image stays on this machine.",
            )
        try:
            yield options
        finally:
            if not options:
                subprocess.run([tool.program, "logout", registry], stdout=subprocess.DEVNULL, check=False)


def _run(command: Sequence[str], progress: Progress) -> tuple[int, list[str]]:
    """Runs a tool and passes on each line; returns its exit code and its last lines."""
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    # By default Docker pushes an index with attestations instead of the image.
    environment: Mapping[str, str] = {**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "DOCKER_BUILDKIT": "1"}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                kept.append(line.rstrip())
                progress(line.rstrip())
        except BaseException:
            # Ctrl-C reaches the tool as well, and it may need a moment to clean up after itself.
            process.terminate()
            raise
    return process.returncode, list(kept)


def _last_line(output: Sequence[str]) -> str:
    """The last line that is not empty, without 'error:' before it."""
    for line in reversed(output):
        text = re.sub(r"^(time=\S+ level=\S+ msg=|error(?: response from daemon)?: )+", "", line.strip(), flags=re.I)
        if text:
            return text.strip('"').rstrip(".")
    return ""
