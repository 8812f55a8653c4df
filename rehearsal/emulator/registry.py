"""A client of ECR's registry: unpacks an image, and pushes one, without a container tool.

Facts: OCI distribution specification, "Pulling manifests", "Pushing a blob in chunks", "Pushing manifests";
image manifest version 2, schema 2.
"""

from __future__ import annotations

import gzip
import hashlib
import http
import io
import json
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

from generator.errors import GeneratorError

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
ACCEPTED = f"{MANIFEST}, application/vnd.oci.image.manifest.v1+json"


class RegistryError(GeneratorError):
    """The registry refused a request, or its answer does not have the requested digest."""


class Missing(RegistryError):
    """The registry has nothing with that name or digest."""


@dataclass(frozen=True)
class Start:
    """How a container of an image starts: variables, and the program with its arguments. A command of the service
    replaces `command` and is appended to `entrypoint` (OCI image specification, "Image configuration")."""

    variables: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Registry:
    """The registry at `url`, which is plain HTTP on the loopback interface; `credentials` are in base64."""

    url: str
    credentials: str

    def unpack(self, image: str, directory: Path) -> Start:
        """Writes the files of an image (`host/name@digest` or `host/name:tag`); returns how it starts.

        Checks every digest. Raises RegistryError."""
        name, reference = _split(image)
        manifest = json.loads(self._read(image, f"{name}/manifests/{reference}", reference))
        config, *layers = (
            self._read(image, f"{name}/blobs/{part['digest']}", part["digest"])
            for part in (manifest["config"], *manifest["layers"])
        )
        directory.mkdir(parents=True)
        for layer in layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
                archive.extractall(directory, filter="data")
        found = json.loads(config)["config"]
        variables = dict(pair.split("=", 1) for pair in found.get("Env") or ())
        return Start(variables, tuple(found.get("Entrypoint") or ()), tuple(found.get("Cmd") or ()))

    def push(self, image: str, files: Mapping[str, Path], start: Start, architecture: str = "amd64") -> None:
        """Pushes an image of `files` for Linux, with the requests of container tools: which layers and which image
        exist, then each missing layer. Raises RegistryError."""
        name, tag = _split(image)
        unpacked = _layer(files)
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {
                "Env": [f"{key}={value}" for key, value in start.variables.items()],
                "Entrypoint": list(start.entrypoint),
                "Cmd": list(start.command),
            },
            "rootfs": {"type": "layers", "diff_ids": [_digest(unpacked)]},
        }
        parts = [(CONFIG, json.dumps(config).encode()), (LAYER, gzip.compress(unpacked, mtime=0))]
        for _, blob in parts:
            if not self._digest_of(image, f"{name}/blobs/{_digest(blob)}"):
                self._upload(image, name, blob)
        (first, *layers) = [{"mediaType": kind, "size": len(blob), "digest": _digest(blob)} for kind, blob in parts]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": first, "layers": layers}
        content = json.dumps(manifest).encode()
        if self._digest_of(image, f"{name}/manifests/{tag}") != _digest(content):
            self._ask(image, "PUT", f"{name}/manifests/{tag}", content, MANIFEST)

    def _digest_of(self, image: str, path: str) -> str | None:
        """The digest of what is at a path, or None."""
        try:
            return str(self._ask(image, "HEAD", path)[0]["Docker-Content-Digest"])
        except Missing:
            return None

    def _upload(self, image: str, name: str, blob: bytes) -> None:
        headers, _ = self._ask(image, "POST", f"{name}/blobs/uploads/", b"")
        place = headers["Location"].removeprefix("/v2/")
        self._ask(image, "PATCH", place, blob, "application/octet-stream")
        self._ask(image, "PUT", f"{place}?digest={_digest(blob)}", b"")

    def _read(self, image: str, path: str, reference: str) -> bytes:
        _, found = self._ask(image, "GET", path)
        if reference.startswith("sha256:") and _digest(found) != reference:
            raise RegistryError(f"The registry's answer for {reference} has another digest.")
        return found

    def _ask(
        self, image: str, method: str, path: str, body: bytes | None = None, kind: str = ""
    ) -> tuple[Message, bytes]:
        headers = {
            "Authorization": f"Basic {self.credentials}",
            "Host": image.partition("/")[0],
            "Accept": ACCEPTED,
            **({"Content-Type": kind} if kind else {}),
        }
        request: Any = urllib.request.Request(f"{self.url}/v2/{path}", body, headers, method=method)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
                return answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                kind_of = Missing if error.code == http.HTTPStatus.NOT_FOUND else RegistryError
                raise kind_of(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from None


def _split(image: str) -> tuple[str, str]:
    """Name and reference of an image, without its host."""
    path = image.partition("/")[2]
    name, at, digest = path.partition("@")
    return (name, digest) if at else (path.rpartition(":")[0], path.rpartition(":")[2])


def _layer(files: Mapping[str, Path]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, path in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            content = path.read_bytes()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
