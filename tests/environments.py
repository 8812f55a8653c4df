"""Virtual environments for tests that must work without this checkout."""

from __future__ import annotations

import os
import subprocess
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = "memorydb-apprunner"


def interpreter(directory: Path, *requirements: str) -> Path:
    """Python of a new environment with what these requirements install, except this project itself."""
    venv.create(directory, symlinks=True)
    (site_packages,) = (directory / "lib").glob("python*/site-packages")
    installed = {found.name: found for text in requirements for found in distributions(Requirement(text))}
    installed.pop(PROJECT, None)
    for found in installed.values():
        # Scripts are outside of site-packages, and modules share __pycache__.
        for name in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            (site_packages / name).symlink_to(Path(str(found.locate_file(name))))
    return directory / "bin" / "python"


def distributions(requirement: Requirement) -> Iterator[Distribution]:
    """The distribution and all that it requires, as the environment of the tests has them."""
    found = distribution(requirement.name)
    yield found
    for needed in map(Requirement, found.requires or ()):
        if not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)):
            yield from distributions(needed)


def run(*command: str | Path, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command without PYTHONPATH, which may contain the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
