"""Writes service/requirements.txt, the packages of the image by hash. `make pins` runs it.

The packages are those of setup.cfg's extra `service`, the versions those of constraints.txt; the hashes are of the
wheels that pip chooses for the Python of the Dockerfile's base, on both kinds of processor that AWS runs containers on.
"""

from __future__ import annotations

import configparser
import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from acceptance.engine import ROOT, default_base

REQUIREMENTS = ROOT / "service" / "requirements.txt"
HEADER = "# Made by `make pins` from setup.cfg and constraints.txt; the Dockerfile installs exactly these files.\n"
PROCESSORS = ("x86_64", "aarch64")
# glibc of the base is newer than both.
PLATFORMS = ("manylinux2014", "manylinux_2_28")


def packages() -> dict[str, str]:
    """Name and version of what the service imports."""
    configuration = configparser.ConfigParser()
    configuration.read(ROOT / "setup.cfg")
    wanted = configuration["options.extras_require"]["service"].split()
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    names = [re.split(r"[<>=!~\[]", requirement)[0] for requirement in wanted]
    return {name: pinned[name] for name in sorted(names)}


def text() -> str:
    python = re.search(r"python:(\d+\.\d+)", default_base())
    assert python is not None
    lines = [HEADER]
    for name, version in packages().items():
        hashes = set()
        for processor in PROCESSORS:
            with tempfile.TemporaryDirectory() as directory:
                download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
                download += [
                    "--no-deps",
                    "--only-binary=:all:",
                    "--implementation",
                    "cp",
                    "--python-version",
                    python[1],
                ]
                for platform in PLATFORMS:
                    download += ["--platform", f"{platform}_{processor}"]
                subprocess.run([*download, "--dest", directory, f"{name}=={version}"], check=True)
                (wheel,) = Path(directory).iterdir()
                hashes.add(hashlib.sha256(wheel.read_bytes()).hexdigest())
        lines += [f"{name}=={version}", *(f" \\\n    --hash=sha256:{digest}" for digest in sorted(hashes)), "\n"]
    return "".join(lines)


if __name__ == "__main__":
    REQUIREMENTS.write_text(text())
