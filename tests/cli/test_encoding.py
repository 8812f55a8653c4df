"""Terminals and arguments in any encoding."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from generator.cli.encoding import PLAIN, refuse_undecodable
from generator.errors import UsageError
from tests.running import ROOT

TEXT = "→ … é 漢 😀"
CODE = f"from generator.cli.encoding import prepare_streams; prepare_streams(); print({TEXT!a})"
ERRORS = CODE.replace("print(", "import sys; print(").replace(")}", "").removesuffix(")") + ", file=sys.stderr)"


def run(code: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=kept | environment, capture_output=True)


@pytest.mark.parametrize("code", [CODE, ERRORS])
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PYTHONIOENCODING": "cp1252"}, "-> \x85 \xe9 \\u6f22 \\U0001f600"),
        ({"PYTHONIOENCODING": "latin-1"}, "-> ... \xe9 \\u6f22 \\U0001f600"),
        ({"PYTHONIOENCODING": "ascii"}, "-> ... \\xe9 \\u6f22 \\U0001f600"),
        ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "-> ... \\xe9 \\u6f22 \\U0001f600"),
    ],
)
def test_a_terminal_without_a_character_gets_ascii(code: str, environment: dict[str, str], expected: str) -> None:
    done = run(code, **environment)
    assert (done.returncode, (done.stdout + done.stderr).rstrip()) == (0, expected.encode("latin-1"))


def test_a_terminal_with_all_characters_gets_them() -> None:
    assert run(CODE, PYTHONIOENCODING="utf-8").stdout.decode().rstrip() == TEXT


def test_without_preparation_the_same_output_fails() -> None:
    assert b"UnicodeEncodeError" in run(CODE.replace("prepare_streams();", ""), PYTHONIOENCODING="cp1252").stderr


def test_an_undecodable_byte_is_written_too() -> None:
    code = CODE.replace(ascii(TEXT), "'\\udcff'")
    assert run(code, PYTHONIOENCODING="utf-8").stdout.rstrip() == b"\\udcff"


def test_replacements_are_ascii() -> None:
    assert all(text.isascii() for text in PLAIN.values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["preview", "--tag", "k=\udcff"], "Argument 3 is not"),
        (["preview", "--tag=k\udcff"], "Argument 2 (--tag) is not"),
        (["\udcff"], "Argument 1 is not"),
    ],
)
def test_an_argument_that_is_not_text_is_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        refuse_undecodable(arguments)
    assert str(caught.value).startswith(said)
    assert str(caught.value).isascii()


def test_text_of_any_language_is_accepted() -> None:
    refuse_undecodable(["--tag", "owner=Zoë 漢 😀"])
