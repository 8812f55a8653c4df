"""Text of terminals and arguments, whatever their encoding."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from generator.errors import UsageError
from generator.redaction import kept_out, redact, secrets_in_use

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


class _Redacted:
    """A stream that is written to without secrets. All that the command prints is written by `print` or rich, which
    pass whole lines."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redact(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def redacted_output() -> Iterator[None]:
    """Nothing that is printed inside the block shows a secret: of the environment, of the credentials in use, or of a
    known shape."""
    out: Any = _Redacted(sys.stdout)
    errors: Any = _Redacted(sys.stderr)
    with kept_out(secrets_in_use(os.environ)), redirect_stdout(out), redirect_stderr(errors):
        yield


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
