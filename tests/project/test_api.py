"""The public interface: few names, each documented with an example that runs."""

from __future__ import annotations

import doctest
import re

import pytest

import generator
from tests.project.api import GROUPS, page
from tests.running import ROOT

NAMES = [name for name in generator.__all__ if name != "Part"]


def test_the_page_has_every_public_name_once() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(generator.__all__)


def test_the_page_is_current() -> None:
    """Where it is not: python -m tests.project.api > docs/api.md"""
    # Python 3.13 and 3.14 write some annotations and defaults otherwise.
    assert (ROOT / "docs" / "api.md").read_text() == page()


@pytest.mark.parametrize("name", NAMES)
def test_an_example_of_every_name_runs(name: str) -> None:
    value = getattr(generator, name)
    finder = doctest.DocTestFinder(recurse=False)
    examples = [test for test in finder.find(value, name, globs=dict(vars(generator))) if test.examples]
    assert examples
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in examples:
        assert runner.run(test).failed == 0


@pytest.mark.parametrize("name", NAMES)
def test_what_raises_says_so(name: str) -> None:
    documentation = str(getattr(generator, name).__doc__)
    if "Traceback" in documentation and not name.endswith("Error"):
        assert re.search(r"Raises \w+Error", documentation)
