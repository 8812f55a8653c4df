"""`completion`: a script with which a shell completes commands and options."""

from __future__ import annotations

import argparse
from typing import Any

from generator import cli
from generator.cli.arguments import DONE, Deployments, Program
from generator.errors import MissingPackageError

HELP = "print a shell completion script"
EXAMPLE = "bash > ~/.local/share/bash-completion/completions/build.py"
SHELLS = ("bash", "zsh", "tcsh")


def add_options(parser: Any, program: Program) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell")


def run(deployments: Deployments, arguments: argparse.Namespace) -> int:
    """Prints a completion script for ./build.py, to be read by the shell when it starts."""
    try:
        import shtab
    except ModuleNotFoundError as error:
        raise MissingPackageError(package="shtab", extra="completion") from error
    command = cli.parser(deployments=deployments())
    # Shells complete a command by its name, which "python build.py" is not.
    command.prog = "build.py"
    print(shtab.complete(command, shell=arguments.shell))
    return DONE
