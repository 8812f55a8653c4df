"""docs/evidence.md has a row for every fact that a comment, a docstring or a lint rule cites a source for.

`python -m tests.project.test_evidence` prints the citations without a row, and the rows whose phrase is gone.
`python -m tests.project.test_evidence --write` also corrects the counts and the file names on the page.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.running import ROOT

PAGE = ROOT / "docs" / "evidence.md"
ROOMS = ("build.py", "generator", "rehearsal", "service")

UNVERIFIED = "unverified"
KINDS = ("acceptance test", "handler source", "error text", "schema", "documentation", UNVERIFIED)

# What a comment or docstring says when it cites a source, or says that there is none.
CITATION = re.compile(
    r"\b(API|[Tt]emplate|policy|Authorization|General) [Rr]eference|\b[Tt]he reference (lists|says)|reference's text"
    r"|\b(API|CLI|MemoryDB|PrivateLink|[Uu]ser|[Dd]eveloper|service's) guide|[Kk]nowledge cent|\"Quotas\""
    r"|[Rr]oadmap|copilot-cli|[Tt]erraform|[Pp]ulumi|aws-cdk|issues? \d|RFC ?\d|PEP \d|https?://|specification|Smithy"
    r"|\(schema\)|('s|in the|no) schema|[Dd]ocumented|[Dd]ocumentation|documents no|not tried|[Uu]nverified"
    r"|assumption|[Aa]ssumed|Seen in|seen of deployed|\b(are|as) seen\b|\bFacts?:|\bSources?\b[:,]"
    r"|\(AWS::\w+::\w+"
)
# Comments that the pattern takes for a citation and that are none, by a phrase of each.
NO_CITATION = ("which are derived with cfn-lint's schemas",)


@dataclass(frozen=True)
class Passage:
    """A comment, a docstring or another string; `text` has single spaces. `cites`: it cites a source of a fact."""

    path: Path
    line: int
    text: str
    cites: bool


@dataclass(frozen=True)
class Row:
    """A fact on the page. `places` are pairs of a file name and a phrase in that file."""

    line: int
    fact: str
    places: tuple[tuple[str, str], ...]
    kind: str
    cells: tuple[str, ...]


def one_line(text: str) -> str:
    return " ".join(text.split())


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each comment; comments on consecutive lines are one."""
    line, last, words = 0, 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            if not (words and alone and token.start[0] == last + 1):
                if words:
                    yield line, one_line(" ".join(words))
                line, words = token.start[0], []
            words.append(token.string.lstrip("# "))
            last = token.start[0]
    if words:
        yield line, one_line(" ".join(words))


def strings(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Line and text of each string, and whether it is a docstring or the title of a lint rule."""
    docstrings, titles = set[int](), set[int]()
    for node in ast.walk(tree):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                first = node.body[0] if node.body else None
                if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                    docstrings.add(id(first.value))
            case ast.Assign(targets=[ast.Name(id="shortdesc")]):
                titles.add(id(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = one_line(node.value)
            yield node.lineno, text, id(node) in titles or (id(node) in docstrings and bool(CITATION.search(text)))


@cache
def passages() -> tuple[Passage, ...]:
    found = list[Passage]()
    for room in ROOMS:
        path = ROOT / room
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            source = file.read_text()
            for line, text in comments(source):
                found.append(Passage(file, line, text, bool(CITATION.search(text))))
            for line, text, cites in strings(ast.parse(source)):
                found.append(Passage(file, line, text, cites))
    return tuple(found)


def cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|")))


@cache
def rows() -> tuple[Row, ...]:
    """The rows of the page's tables that have the columns Fact, Where and Kind."""
    found, columns = list[Row](), tuple[str, ...]()
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        if not line.startswith("|"):
            columns = ()
        elif not columns:
            columns = cells(line)
        elif {"fact", "where", "kind"} <= set(columns) and not line.startswith("|---"):
            row = dict(zip(columns, cells(line), strict=True))
            places = tuple(place(where) for where in row["where"].split("<br>"))
            found.append(Row(number, row["fact"], places, row["kind"], tuple(row.values())))
    return tuple(found)


def place(where: str) -> tuple[str, str]:
    found = re.fullmatch(r"`([\w.]+)`: (.+)", where.strip())
    assert found, f"{where!r} is not a file name in backquotes, a colon and a phrase"
    return found[1], found[2]


def names(phrase: str) -> set[str]:
    """The names of the files that have the phrase."""
    return {passage.path.name for passage in passages() if phrase in passage.text}


def uncovered() -> list[str]:
    """A line for each citation that no row is about."""
    phrases = [phrase for row in rows() for _, phrase in row.places] + list(NO_CITATION)
    return [
        f"{passage.path.relative_to(ROOT)}:{passage.line}: {passage.text}"
        for passage in passages()
        if passage.cites and not any(phrase in passage.text for phrase in phrases)
    ]


def missing() -> list[str]:
    """A line for each phrase on the page that is in no file."""
    return [
        f"{PAGE.relative_to(ROOT)}:{row.line}: {phrase}"
        for row in rows()
        for _, phrase in row.places
        if not names(phrase)
    ]


def counts() -> str:
    """The table of counts at the top of the page."""
    of_kind = Counter(row.kind for row in rows())
    lines = [f"| {kind} | {of_kind[kind]} |" for kind in KINDS]
    return "\n".join(["| kind | facts |", "|---|---|", *lines, f"| all | {of_kind.total()} |"])


def corrected(page: str) -> str:
    """The page with the right counts, and with the right file name before each phrase that is in one file only."""
    page = re.sub(r"\| kind \| facts \|\n(\|.*\n)+", lambda _: counts() + "\n", page, count=1)
    for row in rows():
        for name, phrase in row.places:
            found = names(phrase)
            if name not in found and len(found) == 1:
                page = page.replace(
                    f"`{name}`: {phrase}".replace("|", r"\|"), f"`{found.pop()}`: {phrase}".replace("|", r"\|")
                )
    return page


def test_each_fact_stands_where_the_page_says() -> None:
    """A file may move to another folder; after a renaming, --write corrects the page."""
    assert not missing()
    wrong = [(row.line, name, phrase) for row in rows() for name, phrase in row.places if name not in names(phrase)]
    assert not wrong, "python -m tests.project.test_evidence --write"


def test_each_citation_has_a_row() -> None:
    assert not uncovered(), "\n".join(uncovered())


def test_no_exception_is_left_over() -> None:
    assert not [phrase for phrase in NO_CITATION if not names(phrase)]


def test_kinds_are_the_six() -> None:
    assert {row.kind for row in rows()} == set(KINDS)


def test_counts_are_right() -> None:
    assert counts() in PAGE.read_text(), "python -m tests.project.test_evidence --write"


def test_no_fact_is_told_twice() -> None:
    facts = Counter(row.fact for row in rows())
    assert not [fact for fact, times in facts.items() if times > 1]


def test_no_cell_is_empty() -> None:
    assert not [(row.line, row.cells) for row in rows() if not all(row.cells)]


def test_unverified_facts_come_first_and_have_one_command() -> None:
    kinds = [row.kind for row in rows()]
    assert kinds == sorted(kinds, key=lambda kind: kind != UNVERIFIED)
    for row in rows():
        if row.kind == UNVERIFIED:
            assert re.fullmatch(r"`[^`]+`(; [^`]+)?", row.cells[-1]), row.cells[-1]


@pytest.mark.parametrize(
    ("text", "cites"),
    [
        ("API reference, StartDeployment.", True),
        ("Roadmap 110: no reason.", True),
        ("That it takes a grant is an assumption.", True),
        ("Deletes images, a hundred at a time.", False),
    ],
)
def test_citations_are_recognized(text: str, cites: bool) -> None:
    assert bool(CITATION.search(text)) == cites


def main() -> int:
    if "--write" in sys.argv[1:]:
        PAGE.write_text(corrected(PAGE.read_text()))
        rows.cache_clear()
    found = [*uncovered(), *missing()]
    print("\n".join(found) or "Every citation has a row, and every phrase is in the code.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
