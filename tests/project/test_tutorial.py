"""The tutorial: its programs and commands, in order, with the rehearsals that it starts."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
(PROGRAM,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
VARIABLE, SERVICES, VPC = re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^python (.*)$", PAGE.partition("## 6.")[0], re.MULTILINE)
COPIED = ("generator", "rehearsal", "service", "Dockerfile", ".dockerignore")
READY_SECONDS = 240


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("clone")
    for name in COPIED:
        copying = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copying(ROOT / name, made / name)
    (made / "shop.py").write_text(PROGRAM)
    return made


def change(copy: Path, diff: str) -> None:
    """Applies a change of the page to the program."""
    text = f"--- a/shop.py\n+++ b/shop.py\n{diff}"
    subprocess.run(["git", "apply", "-"], cwd=copy, input=text, text=True, check=True)


@contextmanager
def rehearsal(command: str, copy: Path, log: Path) -> Iterator[dict[str, str]]:
    """The variables of the second terminal, while a rehearsal waits in the first; what it says is in `log`."""
    environment = {**os.environ, "PYTHONPATH": ".", "PYTHONUNBUFFERED": "1"}
    words = [sys.executable, *command.split()]
    with log.open("w") as file, subprocess.Popen(words, cwd=copy, env=environment, stdout=file, stderr=file) as first:
        try:
            deadline = time.monotonic() + READY_SECONDS
            while not (line := re.search(r"^\. (/.*/environment)$", log.read_text(), re.MULTILINE)):
                assert first.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
            printed = subprocess.run(["sh", "-c", f". {line[1]} && env -0"], env=environment, capture_output=True)
            yield dict(line.split("=", 1) for line in printed.stdout.decode().split("\0") if line)
        finally:
            first.send_signal(signal.SIGINT)
            first.wait(READY_SECONDS)
    assert "Left behind: nothing." in log.read_text()


def run(command: str, copy: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, *command.split()]
    return subprocess.run(
        words, cwd=copy, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_every_command_up_to_an_account_does_what_the_page_says(copy: Path, tmp_path: Path) -> None:
    write, stay, status, *changes, again, status_again, office = COMMANDS
    assert (stay, status, len(changes)) == (again, status_again, 5)
    written = run(write, copy, {**os.environ, "PYTHONPATH": "."})
    assert (written.returncode, (copy / "shop" / "web-layer.json").exists()) == (0, True), written.stderr

    with rehearsal(stay, copy, tmp_path / "first") as second_terminal:
        printed = run(status, copy, second_terminal)
        assert "  AttachmentsName: rehearsal-storage-attachments-" in printed.stdout, printed.stderr
        change(copy, VARIABLE)
        said = [run(command, copy, second_terminal) for command in changes]
        assert [one.returncode for one in said] == [0, 0, 0, 3, 3], [one.stderr for one in said]
        variable, _, deployed, key, tag = (one.stdout for one in said)
        assert "RuntimeEnvironmentVariables.LOG_LEVEL.Value  (none) → WARNING" in variable, variable
        assert "Nothing is lost or replaced." in variable
        assert "      SnapshotRetentionLimit  7 → 14  (parameter SnapshotRetentionDays)" in deployed
        assert "refused: Cluster: replaces the database (KmsKeyId)." in key
        assert "refused: Service: is replaced because of a tag (Tags)." in tag

    change(copy, SERVICES)
    with rehearsal(again, copy, tmp_path / "second") as second_terminal:
        verified = (tmp_path / "second").read_text()
        assert "GET /live        200" in verified
        assert "a user           written, read back, deleted" in verified
        change(copy, VPC)
        outputs = run(f"{status} --format json --layer storage", copy, second_terminal)
        known = json.loads(outputs.stdout)["stacks"][0]["outputs"]
        given = office.replace("VpcId=VPC", f"VpcId={known['VpcId']}")
        given = given.replace("SUBNET,SUBNET", known["PrivateSubnetIds"])
        previewed = run(given, copy, second_terminal)
        assert previewed.returncode == 0, previewed.stderr
        assert "+ Cluster  AWS::MemoryDB::Cluster" in previewed.stdout
        assert "AWS::EC2::VPC\n" not in previewed.stdout
        missing = run(given.partition(" --parameter")[0], copy, second_terminal)
        assert "storage: VpcId has no value" in missing.stderr


def test_the_program_is_refused_with_a_value_that_aws_does_not_take(copy: Path) -> None:
    wrong = PROGRAM.replace('s3.Bucket("Attachments", ', 's3.Bucket("Attachments", AccessControl="Everyone", ')
    (copy / "wrong.py").write_text(wrong)
    refused = run("wrong.py --out wrong", copy, {**os.environ, "PYTHONPATH": "."})
    assert refused.returncode == 1
    assert "AccessControl must be one of" in refused.stderr
    assert not (copy / "wrong").exists()
