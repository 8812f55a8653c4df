"""`completion`: a script with which a shell completes commands and options."""

from __future__ import annotations

import argparse

from generator import cli
from generator.cli.arguments import DONE, Deployments, Program, Subparsers, add_command
from generator.errors import MissingPackageError

SHELLS = ("bash", "zsh", "tcsh")


def add_to(verbs: Subparsers, program: Program) -> None:
    """Adds the command."""
    parser = add_command(
        verbs,
        "completion",
        run,
        help="print a shell completion script",
        description="Prints a completion script for ./build.py, to be read by the shell when it starts.",
        example=f"{program.prog} completion bash > ~/.local/share/bash-completion/completions/build.py",
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")


def run(deployments: Deployments, arguments: argparse.Namespace) -> int:
    """Prints the completion; returns the exit code."""
    try:
        import shtab
    except ModuleNotFoundError as error:
        raise MissingPackageError(package="shtab", extra="completion") from error
    command = cli.parser(deployments=deployments())
    # Shells complete a command by its name, which "python build.py" is not.
    command.prog = "build.py"
    print(shtab.complete(command, shell=arguments.shell))
    return DONE
