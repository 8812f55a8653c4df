"""The build context of an image, and the tag that names what is in it: same content, same tag, on every machine.

The tag covers what the builder gets: the files that no ignore file excludes (path, content, executable bit), the build
arguments and the platform. It does not cover times, owners, empty directories and the file system's order.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from generator.errors import MissingPackageError, OutputError, UsageError

DOCKERFILE = "Dockerfile"
PLATFORM = "linux/amd64"
# The tools that can build it, in the order in which they are looked for.
TOOLS = ("docker", "finch", "podman", "buildah")
TAG_LABEL = "content-"
DIGITS = 32


@dataclass(frozen=True)
class Context:
    """A folder with a Dockerfile, and its build arguments. secrets: the builder's options, such as `id=ca,src=FILE`;
    their content is in no image layer and in no tag."""

    directory: Path
    arguments: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        """Whether there is a Dockerfile."""
        return (self.directory / DOCKERFILE).is_file()

    @property
    def ignore_file(self) -> Path:
        """What excludes files: the Dockerfile's own ignore file, or that of the folder, which need not exist (Docker
        documentation, "Build context")."""
        own = self.directory / f"{DOCKERFILE}.dockerignore"
        return own if own.exists() else self.directory / ".dockerignore"

    def tag(self) -> str:
        """`content-` and 128 bits of a SHA-256, in hexadecimal. Raises UsageError without a Dockerfile, OutputError for
        a file that cannot be read."""
        if not self.exists:
            raise UsageError(f"There is no {DOCKERFILE} in {self.directory}: pass --context DIR, or --image URI.")
        found = hashlib.sha256()
        for part in self._parts():
            # With its length before it, a part cannot be confused with the next one.
            found.update(len(part).to_bytes(8, "big"))
            found.update(part)
        return TAG_LABEL + found.hexdigest()[:DIGITS]

    def files(self) -> list[str]:
        """Paths of the files that reach the builder, with slashes, sorted."""
        try:
            from docker.utils.build import exclude_paths
        except ModuleNotFoundError as error:
            raise MissingPackageError(package=str(error.name), extra="deploy") from error
        found = exclude_paths(str(self.directory), self._ignored(), DOCKERFILE)
        return sorted(path.replace(os.sep, "/") for path in found if self._is_file(path))

    def _is_file(self, path: str) -> bool:
        mode = os.lstat(self.directory / path).st_mode
        return stat.S_ISREG(mode) or stat.S_ISLNK(mode)

    def _ignored(self) -> list[str]:
        try:
            lines = self.ignore_file.read_text(encoding="utf-8-sig").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError(action="read", path=self.ignore_file, reason=str(error)) from error
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]

    def _parts(self) -> Iterator[bytes]:
        yield PLATFORM.encode()
        for name, value in sorted(self.arguments.items()):
            yield f"argument {name}={value}".encode()
        for name in self.files():
            path = self.directory / name
            yield name.encode("utf-8", "surrogateescape")
            try:
                mode = path.lstat().st_mode
                if stat.S_ISLNK(mode):
                    yield b"link"
                    yield os.fsencode(path.readlink())
                else:
                    yield b"program" if mode & stat.S_IXUSR else b"file"
                    yield hashlib.sha256(path.read_bytes()).digest()
            except OSError as error:
                raise OutputError(action="read", path=path, reason=error.strerror or str(error)) from error
