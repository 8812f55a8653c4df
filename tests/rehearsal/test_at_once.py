"""Rehearsals in processes of their own, at the same time: every program in examples/, and an upgrade among them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.running import ROOT

ORDERS = ROOT / "tests" / "operations" / "orders"


@pytest.mark.parametrize(
    "programs",
    [
        {
            "build": "\nRehearsed from HEAD: ",
            "examples/existing_vpc": "VpcId has no value: vpc-",
            "examples/existing_vpc_ecs": " takes the place of subnet-0c1d2e3f405162738.",
            "examples/custom_resource": ":function:function-ledger takes the place of arn:${AWS::Partition}:lambda:",
        },
        {
            "examples/existing_vpc_by_ids": " takes the place of vpc-0a1b2c3d4e5f60718.",
            "examples/own_resources": "\nstorage layer ",
            "examples/second_service": "\nrehearsal-orders: verifying",
            "examples/worker": " takes the place of arn:${AWS::Partition}:secretsmanager:",
        },
    ],
    ids=["with-an-upgrade", "others"],
)
def test_every_program_is_rehearsed_while_others_are(
    programs: dict[str, str], repository: Path, tmp_path: Path
) -> None:
    shutil.copytree(ORDERS, repository / "orders")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    repositories: list[str] = []
    with ExitStack() as stack:
        running = {}
        for program in programs:
            result = tmp_path / f"{Path(program).name}.json"
            words = [sys.executable, f"{ROOT / program}.py", "rehearse", "--process", "--result", str(result)]
            # The options of a build, of which a preview takes only some.
            words += ["--from", "HEAD"] if program == "build" else [f"--build-secret=id=a,src={__file__}"]
            process = subprocess.Popen(
                words, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            running[program] = (stack.enter_context(process), result)
            stack.callback(process.terminate)
        for program, (process, result) in running.items():
            said, _ = process.communicate()
            assert process.returncode == 0, f"{program}: {said}"
            assert programs[program] in said
            repositories += set(re.findall("rehearsal-data-repository-[0-9a-f]+", said))
            assert json.loads(result.read_text())["outcome"] in ("succeeded", "held")
    assert len(set(repositories)) == len(repositories) >= 2
    assert not list(temporary.iterdir())
