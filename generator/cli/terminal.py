"""The UI of the command: results on standard output, progress and questions on standard error."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable

from generator.errors import UsageError
from generator.redaction import redact
from generator.report.results import Result
from generator.report.text import Line, lines
from generator.stacks.change_set import Effect

STYLES = {
    Effect.LOSES_DATA: "bold red",
    Effect.REPLACES: "red",
    Effect.REMOVES: "red",
    Effect.UNKNOWN: "magenta",
    Effect.MODIFIES: "yellow",
    Effect.ADDS: "green",
    Effect.IMPORTS: "cyan",
}


class Terminal:
    """Asks on the terminal, or answers every question with yes.

    Raises UsageError where a command `asks`, `yes` was not given, and standard input is not a terminal.
    """

    def __init__(self, *, yes: bool = False, asks: bool = False, plain: bool = False) -> None:
        if asks and not yes and not sys.stdin.isatty():
            raise UsageError("Cannot ask for confirmation: no terminal. Pass --yes.")
        self._yes = yes
        self._plain = plain

    def progress(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def show(self, result: Result) -> None:
        print_lines(lines(result), plain=self._plain)

    def confirm(self, question: str) -> bool:
        return self._yes or _answer(f"{question} [y/N] ").lower() in ("y", "yes")

    def confirm_name(self, name: str, question: str) -> bool:
        return self._yes or _answer(f"{question} ") == name


def print_lines(lines: Iterable[Line], *, plain: bool = False) -> None:
    """Prints lines, in color on a terminal that takes it or where FORCE_COLOR is set; never if `plain`.

    On a terminal a long line is broken between words. rich reads NO_COLOR and FORCE_COLOR.
    """
    terminal = sys.stdout.isatty()
    width = os.get_terminal_size(sys.stdout.fileno()).columns if terminal else 0
    fitted = ((_fitted(line.text, width) if width else line.text, line.effect) for line in lines)
    if plain or not (terminal or os.environ.get("FORCE_COLOR")):
        for text, _ in fitted:
            print(text)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for text, effect in fitted:
        console.print(Text(text, style=STYLES[effect] if effect is not None else ""))


def _fitted(text: str, width: int) -> str:
    """The text in lines of that width, indented; a longer word, such as an ARN, stays whole, so that it can be copied.

    Without secrets, which could be found no longer in pieces.
    """
    indent = " " * (len(text) - len(text.lstrip()) + 4)
    # An arrow stays before its value: textwrap breaks at no other white space than ASCII's.
    text = redact(text).replace("→ ", "→\N{NO-BREAK SPACE}")
    lines = textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("→\N{NO-BREAK SPACE}", "→ ")


def _answer(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()
