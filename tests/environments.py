"""Virtual environments for tests that must work without this checkout."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
from pathlib import Path


def interpreter(directory: Path) -> Path:
    """Python of a new environment, with the packages of the tests and without this project."""
    venv.create(directory, symlinks=True)
    (site_packages,) = (directory / "lib").glob("python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return directory / "bin" / "python"


def run(*command: str | Path, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command without PYTHONPATH, which may contain the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
