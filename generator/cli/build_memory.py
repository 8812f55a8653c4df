"""Builds without findings, remembered between runs, so that `build` does not lint the same templates again.

Only that there were no findings is remembered, with the templates and policies of that build, never a finding. A record
counts for one key: what these are made from, and the code of the library, of cfn-lint and of Python. A record that
cannot be read or written is treated as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from generator.layers import Deployment

KEPT = 8
"""Records that stay, the newest, for builds of several programs or settings."""


def key(deployments: Sequence[Deployment], layer: str, name: str) -> str:
    """What a record counts for; empty where that is not known, such as for a compute from outside the library."""
    parts: list[object] = [sys.version, layer, name]
    for deployment in deployments:
        for each in deployment.layers:
            if each.compute and not type(each.compute).__module__.startswith("generator."):
                return ""
            parts += [
                deployment.name,
                each.name,
                each.file_name,
                each.made_from,
                repr(each.compute),
                repr(each.workload),
            ]
    try:
        parts += _files()
    except OSError:
        return ""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def recall(key: str) -> dict[str, str] | None:
    """The templates and policies of a build without findings, by the names of their files; None if there was none."""
    with suppress(OSError, ValueError):
        record = json.loads((_folder() / f"{key}.json").read_text(encoding="utf-8"))
        if isinstance(record, dict) and all(isinstance(text, str) for text in record.values()):
            return record
    return None


def remember(key: str, texts: Mapping[str, str]) -> None:
    """Remembers that the build of this key had no findings, and its templates and policies."""
    with suppress(OSError):
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{key}.{os.getpid()}"
        temporary.write_text(json.dumps(dict(texts)), encoding="utf-8")
        temporary.replace(folder / f"{key}.json")
        for old in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "memorydb-templates" / "build"


def _files() -> Iterator[tuple[str, int, int]]:
    """Name, size and time of each file of the library and of cfn-lint with its schemas, and the installed packages."""
    for package in ("generator", "cfnlint"):
        spec = find_spec(package)
        for folder in spec.submodule_search_locations or () if spec else ():
            yield from _stats(folder)
    for place in map(Path, filter(None, sys.path)):
        if place.is_dir():
            for entry in sorted(place.glob("*.dist-info")):
                yield entry.name, 0, 0


def _stats(folder: str) -> Iterator[tuple[str, int, int]]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _stats(entry.path)
        else:
            stat = entry.stat()
            yield entry.path, stat.st_size, stat.st_mtime_ns
