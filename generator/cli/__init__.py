"""The command: arguments become the options of an operation, which is called once; then printing and the exit code.

Each command is a module, imported only when it is used: `add_options` adds its options to a parser, and `run`, whose
docstring is the command's description, returns the exit code. What they share is in `arguments.py` (options) and
`terminal.py` (the UI). argparse is used in this room only.
"""

from __future__ import annotations

import argparse
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NoReturn

import generator
from generator.cli.arguments import FAILED, INTERRUPTED, Program, Returned, add_command, checked_deployments
from generator.cli.encoding import prepare_streams, redacted_output, refuse_undecodable
from generator.cli.habits import meant, meant_argument
from generator.errors import GeneratorError, MissingPackageError, UsageError
from generator.layers import Deployment
from generator.redaction import redacted_traceback

# Each is a module of this package, with an underscore for a hyphen.
VERBS = (
    *("build", "preview", "deploy", "destroy", "status", "logs", "rotate", "serve", "rehearse", "export-stacks"),
    "completion",
)
DEPLOY_PACKAGES = ("boto3", "botocore", "docker", "rich")


def main(deployments: Callable[[], Returned], *, name: str = "users", argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv`, by default the process's own, and returns the exit code.

    deployments: returns what there is to deploy, one deployment or several, where layers alone are one deployment;
    called by the commands that need it, so that a bad setting is reported like any other error. name: the default
    prefix of the stacks' names.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    prepare_streams()
    with redacted_output():
        return _run(deployments, name, given)


def _run(deployments: Callable[[], Returned], name: str, given: list[str]) -> int:
    try:
        refuse_undecodable(given)
        words = _with_verb(given)
        shown = () if {"-h", "--help"}.isdisjoint(words) else _to_show(deployments)
        arguments = _parsed(words, parser(verb=words[0], name=name, deployments=shown))
        code: int = arguments.run(lambda: checked_deployments(deployments), arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has gone; Python would raise this again when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if "--debug" in given:
            print(redacted_traceback(error), end="", file=sys.stderr)
        if isinstance(error, ModuleNotFoundError) and error.name in DEPLOY_PACKAGES:
            error = MissingPackageError(package=error.name, extra="deploy")
        if isinstance(error, GeneratorError):
            print(error, file=sys.stderr)
            return error.exit_code
        frame = _place(traceback.extract_tb(error.__traceback__))
        what = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ").rstrip(".")
        where = f"{Path(frame.filename).name}, line {frame.lineno}"
        near = meant_argument(error)
        hint = f" Did you mean {near}?" if near else ""
        print(f"{what} ({where}).{hint} --debug shows the traceback.", file=sys.stderr)
        return FAILED


def _place(frames: Sequence[traceback.FrameSummary]) -> traceback.FrameSummary:
    """The line of a traceback to show: the last of the program that called `main`, or the last of all."""
    paths = sysconfig.get_paths()
    libraries = (str(Path(__file__).parents[1]), *(paths[name] for name in ("stdlib", "purelib", "platlib")))
    return next((frame for frame in reversed(frames) if not frame.filename.startswith(libraries)), frames[-1])


def _to_show(deployments: Callable[[], Returned]) -> Sequence[Deployment]:
    """The deployments whose names a help text lists; none where build.py has a fault, so that there is help anyway."""
    try:
        return checked_deployments(deployments)
    except Exception:
        return ()


def _parsed(words: Sequence[str], made: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments of a command. Raises UsageError, with the nearest name for what is not known."""
    if not words[0].startswith("-") and words[0] not in VERBS:
        near = meant(words[0], VERBS)
        hint = f"Did you mean {near}?" if near else f"There are {', '.join(VERBS)}."
        raise UsageError(f"There is no command {words[0]!r}. {hint} See `{made.prog} --help`.")
    arguments, unknown = made.parse_known_args(words)
    if unknown:
        # What follows an unknown option may be its value, and a secret one.
        options = [word.partition("=")[0] for word in unknown if word.startswith("-")] or unknown[:1]
        near = meant(options[0], arguments.parser.options)
        hint = f" Did you mean {near}?" if near else ""
        raise UsageError(f"Unrecognized arguments: {' '.join(options)}.{hint} See `{arguments.parser.prog} --help`.")
    return arguments


class _Parser(argparse.ArgumentParser):
    @property
    def options(self) -> Collection[str]:
        return self._option_string_actions.keys()

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}. See `{self.prog} --help`.")


def parser(
    prog: str = "", verb: str = "", name: str = "users", deployments: Sequence[Deployment] = ()
) -> argparse.ArgumentParser:
    """The parser of the command line. prog: how the command is called, by default as it was. With one of VERBS as
    `verb`, it has that command alone, so that no other is imported. name: the default prefix of the stacks' names.
    deployments: they and their layers are the choices of options, for help and completion."""
    script = Path(sys.argv[0]).name
    prog = prog or ("python -m generator" if script == "__main__.py" else f"python {script}")
    made = _Parser(prog=prog, description="Without a command, runs build.", allow_abbrev=False)
    made.add_argument("--version", action="version", version=generator.__version__)
    verbs = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for each in (verb,) if verb in VERBS else VERBS:
        add_command(verbs, each, Program(prog, name, deployments))
    return made


def _with_verb(given: list[str]) -> list[str]:
    if given and (not given[0].startswith("-") or given[0] in ("-h", "--help", "--version")):
        return given
    return ["build", *given]
