"""`completion`: what a shell needs to complete verbs and options."""

from __future__ import annotations

import argparse

from generator import cli
from generator.cli.verbs import DONE, Layers, Subparsers, verb
from generator.errors import MissingPackageError

SHELLS = ("bash", "zsh", "tcsh")


def add_to(verbs: Subparsers, prog: str) -> None:
    """Adds the verb to the command."""
    parser = verb(
        verbs,
        "completion",
        run,
        help="print a shell completion script",
        description="Prints a completion script for ./build.py, to be read by the shell when it starts.",
        example=f"{prog} completion bash > ~/.local/share/bash-completion/completions/build.py",
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")


def run(layers: Layers, arguments: argparse.Namespace) -> int:
    """Prints the completion; returns the exit code."""
    try:
        import shtab
    except ModuleNotFoundError as error:
        raise MissingPackageError(package="shtab", extra="completion") from error
    command = cli.parser()
    # Shells look a command up by its name alone; "python build.py" is none.
    command.prog = "build.py"
    print(shtab.complete(command, shell=arguments.shell))
    return DONE
