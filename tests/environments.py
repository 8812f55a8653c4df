"""Environments of their own, for what must work without this checkout."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
from pathlib import Path


def interpreter(directory: Path) -> Path:
    """Python of a new environment, with the packages that the tests have and nothing of ours."""
    venv.create(directory, symlinks=True)
    (site_packages,) = (directory / "lib").glob("python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return directory / "bin" / "python"


def run(*command: str | Path, directory: Path) -> subprocess.CompletedProcess[str]:
    """Without PYTHONPATH, which may lead to the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
