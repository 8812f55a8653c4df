"""What is said and asked on the terminal: progress and questions on standard error, answers from standard input."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from generator.errors import UsageError


def add_yes_option(parser: Any) -> None:
    """The option of every verb that asks before it changes anything."""
    parser.add_argument("--yes", action="store_true", help="do not ask")


def check_can_ask(arguments: argparse.Namespace, verb: str) -> None:
    """Raises UsageError where there is nobody to ask and no --yes."""
    if not arguments.yes and not sys.stdin.isatty():
        raise UsageError(f"There is no terminal to ask on: pass --yes to {verb} without being asked.")


def agrees(question: str) -> bool:
    """Whether the answer to `question` is yes; anything else is no."""
    return _answer(f"{question} [y/N] ").lower() in ("y", "yes")


def types(name: str, question: str) -> bool:
    """Whether the answer to `question` is `name`, letter for letter."""
    return _answer(f"{question} ") == name


def say(line: str) -> None:
    """Progress: a line that is not the verb's product."""
    print(line, file=sys.stderr, flush=True)


def _answer(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()
