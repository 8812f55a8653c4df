"""Color, confirmation, and what is said where a command cannot run."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import termios

import pytest

from generator.cli import parser
from generator.cli.terminal import Terminal, print_lines
from generator.layers import default_deployments
from generator.report.text import Line
from generator.stacks.change_set import Effect
from rehearsal.emulator.process import Emulator
from tests.command import Captured, Command
from tests.running import ROOT


@pytest.mark.parametrize(
    ("variables", "plain", "colored"),
    [
        ({}, False, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": "1"}, False, False),
    ],
)
def test_color_in_a_file_is_for_force_color_and_never_for_no_color(
    variables: dict[str, str], plain: bool, colored: bool, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm", **variables}.items():
        monkeypatch.setenv(name, value)
    print_lines([Line("+ Cluster", Effect.ADDS)], plain=plain)
    said = capsys.readouterr().out
    assert "+ Cluster" in said
    assert ("\x1b[32m" in said) == colored


def test_a_terminal_breaks_a_long_line_between_words_and_keeps_an_arn_whole() -> None:
    main, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 24, 0, 0))
    shown = [
        "  first and second and third -> …",
        "  Arn: arn:aws:memorydb:eu-west-1:111122223333",
        "  Kms  (none) → arn:aws:kms:a",
    ]
    code = f"from generator.cli.terminal import *; print_lines(map(Line, {shown!r}), plain=True)"
    with os.fdopen(main, "rb") as read:
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=terminal, check=True)
        said = read.read1().decode().splitlines()
    os.close(terminal)
    assert said == [
        "  first and second and",
        "      third -> …",
        "  Arn:",
        "      arn:aws:memorydb:eu-west-1:111122223333",
        "  Kms  (none)",
        "      → arn:aws:kms:a",
    ]


@pytest.mark.parametrize("verb", ["preview", "deploy", "destroy", "status", "rotate", "rehearse"])
def test_every_verb_that_prints_in_color_takes_no_color(verb: str) -> None:
    assert parser(verb=verb).parse_args([verb, "--no-color"]).no_color


@pytest.mark.parametrize("verb", ["deploy", "destroy", "rotate"])
@pytest.mark.parametrize("option", ["-y", "--yes"])
def test_y_answers_every_question(verb: str, option: str) -> None:
    assert parser(verb=verb).parse_args([verb, option]).yes
    ui = Terminal(yes=True, asks=True)
    assert ui.confirm("Deploy this?")
    assert ui.confirm_name("users", "Type its name:")


@pytest.mark.parametrize("verb", ["deploy", "destroy", "rotate"])
def test_without_a_terminal_nothing_is_asked(verb: str) -> None:
    command = [sys.executable, "build.py", verb]
    ran = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (64, "Cannot ask for confirmation: no terminal. Pass --yes.\n")


def test_the_status_of_nothing_is_1_and_names_the_options(aws: Emulator, capsys: Captured) -> None:
    run = Command(default_deployments, capsys)("status", "--name", "usres")
    assert run.code == 1
    assert run.err.endswith("There is no stack usres-data or usres-apprunner here: pass another --name or --region.\n")


def test_a_program_in_another_folder_rehearses() -> None:
    """The folder of the program, not the clone, is where Python looks for modules first."""
    command = [sys.executable, str(ROOT / "examples" / "worker.py"), "rehearse", "--stay", "--from", "v1"]
    ran = subprocess.run(command, cwd=ROOT / "examples", capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (64, "--fault and --stay are for a rehearsal without --from.\n")
