"""Text of terminals and arguments, whatever their encoding."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Sequence

from generator.errors import UsageError

# What reports use beyond ASCII, for a terminal whose code page lacks it.
PLAIN = {"→": "->", "…": "...", "±": "+/-"}


def prepare_streams() -> None:
    """Lets standard output and error write any text: what their encoding lacks is written in ASCII.

    For Windows code pages and LC_ALL=C, where Python would raise UnicodeEncodeError in the middle of a deployment.
    """
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")


def refuse_undecodable(arguments: Sequence[str]) -> None:
    """Raises UsageError for an argument that is not text in this terminal's encoding (PEP 383 keeps its bytes)."""
    for number, argument in enumerate(arguments, 1):
        if any("\ud800" <= character <= "\udfff" for character in argument):
            name = argument.partition("=")[0] if argument.startswith("--") else ""
            shown = f" ({name})" if name.isascii() and name else ""
            raise UsageError(
                f"Argument {number}{shown} is not {sys.getfilesystemencoding().upper()}: type it again, or put its "
                "value into a file for --parameters."
            )


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(c, ascii(c)[1:-1]) for c in text), error.end
