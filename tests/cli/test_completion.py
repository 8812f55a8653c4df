"""The completion that a real bash gets, and what is said where it cannot be made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from generator.cli import main
from generator.cli.completion import SHELLS
from generator.layers import default_deployments
from tests.command import Captured

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("./build.py de", {"deploy", "destroy"}),
        ("./build.py preview --for", {"--format"}),
        ("./build.py deploy --layer e", {"ecs-express"}),
        ("./build.py status --compute a", {"apprunner"}),
    ],
)
def test_bash_completes_verbs_and_options(typed: str, offered: set[str], capsys: Captured, tmp_path: Path) -> None:
    assert main(default_deployments, argv=["completion", "bash"]) == 0
    script = tmp_path / "completion"
    # As bash does it when somebody presses Tab: it looks the command up by its last part.
    ask = "COMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
    ask += 'set -- $(complete -p build.py); while [ "$1" != -F ]; do shift; done; '
    ask += '"$2" build.py "${{COMP_WORDS[COMP_CWORD]}}"; printf "%s\\n" "${{COMPREPLY[@]}}"'
    script.write_text(capsys.readouterr().out + ask.format(typed=typed))
    ran = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=True)
    assert set(ran.stdout.split()) == offered, ran.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_one(shell: str, capsys: Captured) -> None:
    assert main(default_deployments, argv=["completion", shell]) == 0
    assert "build.py" in capsys.readouterr().out


def test_build_py_can_be_run_by_its_name() -> None:
    assert (ROOT / "build.py").stat().st_mode & 0o100
    assert (ROOT / "build.py").read_text().startswith("#!/usr/bin/env python3\n")
