"""A container image: built by whichever tool is there, pushed to a repository, known by its digest.

The tool's own output goes on as it comes. The token that opens the registry reaches the tool on its standard input and
is in no argument list; where the tool takes a file for it, that file is gone afterwards, elsewhere the tool logs out.
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
from generator.images.repository import Repository

# These take a file for credentials, need no service of their own, and would otherwise write OCI manifests.
DAEMONLESS = ("podman", "buildah")
BUILD_ID = "BUILD_ID"
PROBE_SECONDS = 30
# How much of what a tool said last is kept to say why it failed.
KEPT_LINES = 40
# What a kernel says of a program for another processor, what the tools say where a base image cannot be had, and what
# ECR says of a tag that is there already.
FOREIGN = re.compile(r"exec format error", re.IGNORECASE)
NO_BASE = re.compile(
    r"initializing source docker://|failed to resolve source metadata|pull access denied|pinging container registry",
    re.IGNORECASE,
)
TAKEN = re.compile(r"immutable|already exists", re.IGNORECASE)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Tool:
    """A container tool: its program, and which of the four it is."""

    program: str
    kind: str

    def build(self, context: Context, image: str, tag: str) -> list[str]:
        """The command that builds `context` as `image`, which then says `tag` of itself."""
        command = [self.program, "build", "--platform", PLATFORM, "--tag", image]
        for name, value in {**context.arguments, BUILD_ID: tag}.items():
            command += ["--build-arg", f"{name}={value}"]
        for secret in context.secrets:
            command += ["--secret", secret]
        if self.kind in DAEMONLESS:
            # Docker's own format, which every consumer of ECR reads; and the ignore file that the tag was made with.
            command += ["--format", "docker"]
            ignored = context.directory / ".dockerignore"
            command += ["--ignorefile", str(ignored)] if ignored.exists() else []
        return [*command, str(context.directory)]

    def architecture(self, image: str) -> list[str]:
        """The command that prints what processor an image is for."""
        if self.kind == "buildah":
            return [self.program, "inspect", "--type", "image", "--format", "{{.OCIv1.Architecture}}", image]
        return [self.program, "image", "inspect", "--format", "{{.Architecture}}", image]


def tool(wanted: str | None) -> Tool:
    """The tool that `wanted` names, by name or path; otherwise the first that answers.

    Raises DeployError where none does.
    """
    if wanted is not None:
        kind = Path(wanted).name
        why = _silent(wanted)
        if why:
            raise DeployError(stack=wanted, what="The container tool cannot be used", why=why, then=_INSTEAD)
        return Tool(wanted, kind)
    reasons = []
    for name in TOOLS:
        why = _silent(name)
        if not why:
            return Tool(name, name)
        if shutil.which(name):
            reasons.append(f"{name}: {why}")
    raise DeployError(
        stack="image",
        what="There is no container tool to build with",
        why="; ".join(reasons) or f"none of {', '.join(TOOLS)} is installed",
        then=_INSTEAD,
    )


_INSTEAD = (
    "Install or start one; or push the image from elsewhere, as the data stack's output PushCommands says, and pass "
    "--image URI."
)


def publish(wanted: str | None, context: Context, repository: Repository, tag: str, say: Say) -> str:
    """Builds and pushes what the repository does not have; the image as `repository@digest`.

    `say` is given the tool's lines and what is being done. Raises DeployError where either fails.
    """
    digest = repository.digest(tag)
    if digest:
        say(f"{repository.name} has {tag} already: nothing to build.")
        return f"{repository.uri}@{digest}"
    with_tool = tool(wanted)
    image = f"{repository.uri}:{tag}"
    say(f"Building {tag} with {with_tool.kind} ...")
    started = time.monotonic()
    _built(with_tool, context, image, tag, say)
    built = time.monotonic()
    say(f"Built in {built - started:.1f} s. Pushing it to {repository.name} ...")
    _pushed(with_tool, repository, image, tag, say)
    say(f"Pushed in {time.monotonic() - built:.1f} s.")
    digest = repository.digest(tag)
    if not digest:
        raise DeployError(
            stack=repository.name,
            what="The image is not in the repository",
            why=f"{with_tool.kind} reported that it pushed {tag}, but ECR does not know it",
            then="Look at the repository in the console, and repeat.",
        )
    return f"{repository.uri}@{digest}"


def _silent(program: str) -> str:
    """Why the tool does not answer; empty if it does. Docker's client is often there without its engine."""
    try:
        asked = subprocess.run(
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
    if asked.returncode == 0:
        return ""
    said = asked.stderr.decode(errors="replace").strip().splitlines()
    return said[-1].strip().rstrip(".") if said else f"`{program} info` ended with {asked.returncode}"


def _built(with_tool: Tool, context: Context, image: str, tag: str, say: Say) -> None:
    code, said = _run(with_tool.build(context, image, tag), say)
    if code == 0:
        code, lines = _run(with_tool.architecture(image), lambda line: None)
        found = lines[-1].strip() if code == 0 and lines else "unknown"
        if found == PLATFORM.partition("/")[2]:
            return
        why = f"it is for {found}, and services run on {PLATFORM}"
        then = "Take --platform out of the Dockerfile's FROM lines, or name a base image that has this platform."
    elif any(FOREIGN.search(line) for line in said):
        why = f"this machine ({platform.machine()}) cannot run programs for {PLATFORM}"
        then = (
            "Docker Desktop, Finch and `podman machine` can; on Linux install qemu-user-static (Debian, Fedora), then "
            "repeat. Or build elsewhere and pass --image URI."
        )
    elif any(NO_BASE.search(line) for line in said):
        why = f"its base image cannot be pulled: {_last_words(said)}"
        then = "Connect to its registry, or name a base image that is at hand with --build-arg BASE=IMAGE, and repeat."
    else:
        why = _last_words(said) or f"{with_tool.kind} ended with {code}"
        then = "Its output is above. Fix the Dockerfile or what it needs, and repeat; nothing was pushed."
    raise DeployError(stack=image, what="The image could not be built", why=why, then=then)


def _pushed(with_tool: Tool, repository: Repository, image: str, tag: str, say: Say) -> None:
    name, password = repository.credentials()
    with _logged_in(with_tool, repository.registry, name, password) as options:
        code, said = _run([with_tool.program, "push", *options, image], say)
    # Somebody else may have pushed the same content meanwhile: tags in this repository never move.
    if code and not (any(TAKEN.search(line) for line in said) and repository.digest(tag)):
        raise DeployError(
            stack=repository.name,
            what="The push was refused",
            why=_last_words(said) or f"{with_tool.kind} ended with {code}",
            then="The image stays on this machine: fix this and repeat.",
        )


@contextmanager
def _logged_in(with_tool: Tool, registry: str, name: str, password: str) -> Iterator[list[str]]:
    """What the tool's push needs to be told, while it is logged in."""
    with tempfile.TemporaryDirectory(prefix="registry-") as directory:
        options = ["--authfile", str(Path(directory, "auth.json"))] if with_tool.kind in DAEMONLESS else []
        command = [with_tool.program, "login", "--username", name, "--password-stdin", *options, registry]
        asked = subprocess.run(
            command,
            input=password.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if asked.returncode:
            said = asked.stdout.decode(errors="replace").replace(password, "****").strip().splitlines()
            raise DeployError(
                stack=registry,
                what="The registry does not let this machine in",
                why=_last_words(said) or f"{with_tool.kind} login ended with {asked.returncode}",
                then="Fix this and repeat; the image stays on this machine.",
            )
        try:
            yield options
        finally:
            if not options:
                subprocess.run([with_tool.program, "logout", registry], stdout=subprocess.DEVNULL, check=False)


def _run(command: Sequence[str], say: Say) -> tuple[int, list[str]]:
    """Runs a tool, handing on each line as it comes; its exit code and its last lines."""
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    # Docker would otherwise push an index with attestations in place of the image.
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
                say(line.rstrip())
        except BaseException:
            # Ctrl-C reaches the tool as well, and it may need a moment to clean up after itself.
            process.terminate()
            raise
    return process.returncode, list(kept)


def _last_words(said: Sequence[str]) -> str:
    """The last line that says something, without the word for an error before it."""
    for line in reversed(said):
        text = re.sub(r"^(time=\S+ level=\S+ msg=|error(?: response from daemon)?: )+", "", line.strip(), flags=re.I)
        if text:
            return text.strip('"').rstrip(".")
    return ""
