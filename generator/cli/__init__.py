"""The command: arguments, files, printing, exit codes, and nothing else. Each verb is a module here."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import generator
from generator.cli.verbs import FAILED, INTERRUPTED, Layers
from generator.errors import GeneratorError, UsageError

# A module here for each.
VERBS = ("build", "preview", "deploy", "destroy", "status", "rotate", "serve", "rehearse", "completion")


def main(layers: Layers, argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` (by default the process's own) on what `layers` makes; returns the exit code.

    `layers` is called, not passed as a value, so that a bad setting ends in a sentence and `--help` needs no template.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        words = _with_verb(given)
        arguments = parser(verb=words[0]).parse_args(words)
        code: int = arguments.run(layers, arguments)
        sys.stdout.flush()
        return code
    except GeneratorError as error:
        if "--debug" in given:
            import traceback

            traceback.print_exception(error)
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain once more while closing it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}. `{self.prog} --help` lists what there is.")


def parser(prog: str = "", verb: str = "") -> argparse.ArgumentParser:
    """The parser of the command line. `prog` is how the command is called, by default as it was. With a `verb` it knows
    that one alone, so that no other is imported; with any other word all."""
    name = Path(sys.argv[0]).name
    prog = prog or ("python -m generator" if name == "__main__.py" else f"python {name}")
    made = _Parser(prog=prog, description="Without a command, runs build.", allow_abbrev=False)
    made.add_argument("--version", action="version", version=generator.__version__)
    verbs = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in (verb,) if verb in VERBS else VERBS:
        import_module(f"generator.cli.{name}").add_to(verbs, prog)
    return made


def _with_verb(given: list[str]) -> list[str]:
    if given and (not given[0].startswith("-") or given[0] in ("-h", "--help", "--version")):
        return given
    return ["build", *given]
