"""The virtual environment of ministack, in `.ministack`, and a table from CloudFormation's resource schemas.

`python -m rehearsal.emulator.environment` makes the environment.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".ministack"
ENVIRONMENT = HOME / "environment"
STAMP = HOME / "stamp"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
SCHEMA_REGION = "eu-west-1"


def interpreter() -> Path:
    """Python of ministack's environment, which is made again when other packages are required.

    The stamp is written last, so an environment that was left half-made does not count.
    """
    python = ENVIRONMENT / "bin" / "python"
    required = f"{sys.version}\n{REQUIREMENTS.read_text(encoding='utf-8')}"
    HOME.mkdir(exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not STAMP.exists() or STAMP.read_text(encoding="utf-8") != required:
            print(f"Installing ministack into {os.path.relpath(HOME)} ...", file=sys.stderr)
            STAMP.unlink(missing_ok=True)
            venv.create(ENVIRONMENT, clear=True, with_pip=True)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            # pip inherits the lock: it goes on when this process is killed.
            subprocess.run([*pip, "--requirement", str(REQUIREMENTS)], check=True, pass_fds=(lock.fileno(),))
            replace(STAMP, required)
    return python


def schemas() -> Path:
    """A JSON file: for every resource type, which properties replace the resource when they change, the first property
    of the identifier, and the attributes.

    From the resource schemas that cfn-lint bundles. `always` lists createOnlyProperties ("the resource must be
    recreated to change it"), `conditionally` lists conditionalCreateOnlyProperties and properties of which only a part
    is create-only. All are names on the first level.
    """
    path = HOME / f"schemas-{version('cfn-lint')}.json"
    if not path.exists():
        from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER as manager

        found = {}
        for name in manager.get_resource_types(SCHEMA_REGION):
            provider = manager.get_resource_schema(SCHEMA_REGION, name)
            schema = provider.schema
            pointers = [pointer.split("/")[2:] for pointer in schema.get("createOnlyProperties") or ()]
            always = {pointer[0] for pointer in pointers if len(pointer) == 1}
            partly = {pointer[0] for pointer in pointers if len(pointer) > 1}
            partly |= {pointer.split("/")[2] for pointer in schema.get("conditionalCreateOnlyProperties") or ()}
            found[name] = {
                "always": sorted(always),
                "conditionally": sorted(partly - always),
                "identifier": [pointer.split("/")[2] for pointer in schema.get("primaryIdentifier") or ()][:1],
                "attributes": [attribute for attribute in provider.get_atts if "*" not in attribute],
            }
        replace(path, json.dumps(found))
    return path


def replace(path: Path, text: str) -> None:
    """Writes a file so that a reader sees all of the old text or all of the new."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
    Path(file.name).replace(path)


if __name__ == "__main__":
    interpreter()
