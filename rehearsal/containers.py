"""The container tool of a rehearsal: which one it is, whether it can build the image here, and the images it leaves."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from string import Template
from typing import Any

from generator.errors import UsageError
from generator.images.context import DOCKERFILE, PLATFORM, Context
from rehearsal.emulator.registry import Start
from rehearsal.services.runners import ContainerError, output

# Docker and Finch send their requests from an engine that uses neither HTTPS_PROXY nor the authority of a rehearsal.
TOOLS = ("podman", "buildah")
NOT_DOCKER = "Docker and Finch cannot rehearse, because their engine would look for ECR on the internet"
PULL_SECONDS = 180
LISTINGS = 20


def container_tool(name: str | None, context: Context, *, required: bool) -> str | None:
    """The program that builds the image, by default the first that works; None, after a line that gives the reason, to
    go on without containers.

    Raises UsageError if a tool that is named or `required` does not work.
    """
    if name and Path(name).name not in TOOLS:
        raise UsageError(f"--container-tool {name}: use podman or buildah. {NOT_DOCKER}.")
    for tool in [name] if name else TOOLS:
        program = shutil.which(tool)
        if program and subprocess.run([program, "info"], capture_output=True, check=False).returncode == 0:
            reason = "" if name or required else _missing_base(program, context)
            break
    else:
        if name:
            raise UsageError(f"--container-tool {name} does not work: try `{name} info`.")
        reason = "neither podman nor buildah works" + (f". {NOT_DOCKER}" if shutil.which("docker") else "")
        if required:
            raise UsageError(f"There is no container tool: {reason}.")
    if reason:
        print(f"Rehearsing without containers: {reason}.", file=sys.stderr)
        return None
    return program


def _missing_base(program: str, context: Context) -> str:
    """Why a base image of the Dockerfile cannot be used; empty if all can."""
    for image in base_images(context):
        listed = subprocess.run([program, "images", "--quiet", image], capture_output=True, check=False)
        if not listed.stdout.strip():
            try:
                output(program, "pull", "--quiet", "--platform", PLATFORM, image, seconds=PULL_SECONDS)
            except ContainerError as error:
                return f"the base image {image} cannot be pulled ({error})"
    return ""


def base_images(context: Context) -> list[str]:
    """The images that the Dockerfile's stages start from. ARGs before the first FROM are substituted in them
    (Dockerfile reference, "Understand how ARG and FROM interact")."""
    arguments = dict(context.arguments)
    images: list[str] = []
    stages = {"scratch"}
    for line in _instructions(context):
        match [word for word in line.split() if not word.startswith("--")]:
            case ["ARG", argument, *_] if not images:
                name, _, default = argument.partition("=")
                arguments.setdefault(name, default)
            case ["FROM", image, *rest]:
                images.append(Template(image).safe_substitute(arguments))
                stages.update(rest[1:2])
    return [image for image in dict.fromkeys(images) if image not in stages]


def start(context: Context) -> Start:
    """How the image starts, by the ENTRYPOINT and CMD of the Dockerfile's last stage, and the build that it reports.

    A text that is not a JSON array is run by a shell (Dockerfile reference, "Shell and exec form")."""
    found: dict[str, tuple[str, ...]] = {}
    for line in _instructions(context):
        name, _, arguments = line.partition(" ")
        match name.upper():
            case "FROM":
                found = {}
            case "ENTRYPOINT" | "CMD" as kind:
                try:
                    found[kind] = tuple(json.loads(arguments))
                except ValueError:
                    found[kind] = ("/bin/sh", "-c", arguments.strip())
    return Start({"BUILD_ID": context.tag()}, found.get("ENTRYPOINT", ()), found.get("CMD", ()))


def _instructions(context: Context) -> list[str]:
    """The lines of the Dockerfile, those that end with a backslash joined with the next."""
    text = (context.directory / DOCKERFILE).read_text(encoding="utf-8")
    return text.replace("\\\n", " ").splitlines()


def wrapped(program: str, directory: Path) -> Path:
    """A script in place of the tool: `login` and `push` use the rehearsal's proxy and authority, everything else the
    network as it is."""
    lines = [
        f"export {name}={shlex.quote(os.environ[name])}" if name in os.environ else f"unset {name}"
        for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE")
    ]
    script = directory / "bin" / Path(program).name
    script.parent.mkdir()
    script.touch(0o700)
    script.write_text(
        f'#!/bin/sh\ncase "$1" in login|push) ;; *) {"; ".join(lines)} ;; esac\nexec {shlex.quote(program)} "$@"\n'
    )
    return script


def remove_images(repositories: Collection[str]) -> None:
    """Removes the names of images in these repositories. An image without a name is deleted, but the same image under
    another name is not, nor what a build caches, on which another build may be working."""
    prefixes = tuple(f"{repository}{mark}" for repository in repositories for mark in ":@")
    for tool in filter(shutil.which, TOOLS):
        for image in _listed(tool, *(("--format", "json") if tool == "podman" else ("--json",))):
            for name in image.get("Names") or image.get("names") or ():
                # Buildah and older versions of podman do not have the option.
                for options in (("--no-prune",), ()) if name.startswith(prefixes) else ():
                    if subprocess.run([tool, "rmi", *options, name], capture_output=True).returncode == 0:
                        break


def _listed(program: str, *options: str) -> Any:
    """All images. Raises ContainerError."""
    for _ in range(LISTINGS):
        # The listing fails when another process removes an image meanwhile (podman 4.3: "image not known").
        with suppress(ContainerError):
            return json.loads(output(program, "images", *options))
    return json.loads(output(program, "images", *options))
