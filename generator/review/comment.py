"""A change as a pull-request comment: first what decides, then each stack, then what is folded.

Facts: GitHub takes comments of at most 65,536 characters, and job summaries of 1 MiB (GitHub docs, "Workflow commands",
"Adding a job summary"); `> [!CAUTION]` is an alert; `<wbr>` survives its sanitizer.
"""

from __future__ import annotations

import difflib
import html
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from generator.review.quantities import Billed, Prices
from generator.review.rights import Right

COMMENT_LIMIT = 65_536
SUMMARY_LIMIT = 250_000
"""Characters of a job summary: 1 MiB, whatever the characters are."""

EFFECTS = {
    "loses-data": "loses data",
    "replaces": "replaced",
    "removes": "removed",
    "unknown": "not understood",
    "modifies": "modified",
    "adds": "added",
    "imports": "imported",
}
"""What can happen to a resource, worst first, in words."""

ORDER = list(EFFECTS)
HARMLESS = ("modifies", "adds", "imports")

LABELS = {
    "refused": ("preview: refused", "b60205"),
    "loses-data": ("preview: loses data", "b60205"),
    "replaces": ("preview: replaces", "d93f0b"),
    "removes": ("preview: removes", "d93f0b"),
    "unknown": ("preview: not understood", "d93f0b"),
    "broader": ("preview: broader rights", "fbca04"),
    "modifies": ("preview: changes", "0e8a16"),
    "nothing": ("preview: no changes", "c5def5"),
}
"""The label of a pull request and its color, for each outcome, worst first."""


@dataclass(frozen=True)
class Property:
    """One property: its value before and after (None: absent), whether that recreates the resource, and its cause."""

    path: str
    before: str | None
    after: str | None
    recreation: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Row:
    """One resource. `effect` is a key of EFFECTS; `happens` the words for it, if these say more."""

    logical_id: str
    resource_type: str
    effect: str
    happens: str = ""
    physical_id: str = ""
    properties: tuple[Property, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A change that is not let through: what it does, why, what to do instead, and the flag that lets it through."""

    logical_id: str
    what: str
    cause: str
    instead: str
    flag: str


@dataclass(frozen=True)
class Stack:
    """What happens to one stack. `outputs` are changed outputs; `warnings` what CloudFormation warns of."""

    name: str
    rows: tuple[Row, ...] = ()
    refusals: tuple[Refused, ...] = ()
    rights: tuple[Right, ...] = ()
    outputs: tuple[Property, ...] = ()
    warnings: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Review:
    """One preview. `facts` are account, Region, commit, compute, image; `rest` says where a cut comment is whole."""

    name: str
    facts: Mapping[str, str]
    stacks: tuple[Stack, ...]
    billed: Billed = field(default_factory=Billed)
    prices: Prices | None = None
    rest: str = "`build.py preview` shows all of it."


def marker(name: str) -> str:
    """What the comment of a deployment ends with, by which a workflow finds it again."""
    return f"<!-- preview of {name} -->"


def outcome(review: Review) -> str:
    """The worst that happens: a key of LABELS."""
    if any(stack.refusals for stack in review.stacks):
        return "refused"
    effects = {row.effect for stack in review.stacks for row in stack.rows}
    worst = next((effect for effect in ("loses-data", "replaces", "removes", "unknown") if effect in effects), "")
    if not worst and any(right.direction != "narrower" for stack in review.stacks for right in stack.rights):
        return "broader"
    changed = effects or any(stack.outputs for stack in review.stacks)
    return worst or ("modifies" if changed else "nothing")


def verdict(review: Review) -> str:
    """What decides, in one or two sentences: what is refused or worst, then broader rights, with the logical IDs."""
    worst = outcome(review)
    named = [row.logical_id for stack in review.stacks for row in stack.rows if row.effect == worst]
    match worst:
        case "refused":
            refused = [f"{one.logical_id} {one.what}" for stack in review.stacks for one in stack.refusals]
            told = f"Refused: {_some(refused, '; ')}."
        case "nothing":
            told = "Nothing to change."
        case "broader" | "modifies":
            told = "Nothing is lost or replaced."
        case _:
            told = f"{EFFECTS[worst].capitalize()}: {_some(named)}."
    for direction, words in (("broader", "Broader rights"), ("different", "Rights that cannot be compared")):
        rights = [right for stack in review.stacks for right in stack.rights if right.direction == direction]
        ids = list(dict.fromkeys(right.logical_id for right in rights))
        told += f" {words}: {_some(ids)}." if ids else ""
    return told


def summary(review: Review) -> str:
    """What is counted: changes by their effect, rights by their direction, money or else quantities."""
    effects = Counter(row.effect for stack in review.stacks for row in stack.rows)
    words = {**EFFECTS, "loses-data": "loses data" if effects["loses-data"] == 1 else "lose data"}
    told = [f"{effects[effect]} {words[effect]}" for effect in ORDER if effects[effect]]
    parts = [f"{effects.total()} change{'s' * (effects.total() != 1)}: {', '.join(told)}."] if told else []
    directions = Counter(right.direction for stack in review.stacks for right in stack.rights)
    if directions:
        parts.append(f"Rights: {', '.join(f'{number} {name}' for name, number in sorted(directions.items()))}.")
    if review.billed.quantities:
        parts.append(f"Cost: {_cost(review)}.")
    return " ".join(parts)


def comment(review: Review, limit: int = COMMENT_LIMIT) -> str:
    """The Markdown, of at most `limit` characters. What is least harmful is left out first, and counted."""
    blocks = list(_blocks(review))
    tail = marker(review.name)
    room = limit - len(tail) - ROOM_FOR_NOTE - sum(len(block.text) for block in blocks if block.rank is None)
    kept: dict[int, str] = {}
    left_out: Counter[str] = Counter()
    for index in sorted(range(len(blocks)), key=lambda place: blocks[place].rank or (0, 0)):
        block = blocks[index]
        if block.rank is None:
            kept[index] = block.text
            continue
        text = block.text if len(block.text) <= room else _cut(block.text, room)
        if text and not left_out:
            kept[index] = text
            room -= len(text)
        else:
            left_out[block.kind] += 1
    note = ", ".join(f"{number} more {kind}" for kind, number in left_out.items())
    note = f"\n_Left out for length: {note}. {_plain(review.rest)}_\n" if note else ""
    return f"{''.join(kept[index] for index in sorted(kept)).rstrip()}\n{note}\n{tail}\n"


ROOM_FOR_NOTE = 500
FEW_RIGHTS = 9
SHORTEST_CUT = 1_000


@dataclass(frozen=True)
class _Block:
    """A piece of the comment. `rank`: what is higher is left out first; None, never. `kind`: what it is one of."""

    text: str
    rank: tuple[int, int] | None = None
    kind: str = ""


def _blocks(review: Review) -> Iterator[_Block]:
    yield _Block(f"### {_plain(verdict(review))}\n\n")
    for stack in review.stacks:
        for refused in stack.refusals:
            alert = (
                f"> [!CAUTION]\n> **{_code(refused.logical_id)} {_plain(refused.what)}** ({_plain(refused.cause)}). "
                f"{_plain(refused.instead)}\n>\n> To let it through: `{refused.flag}`\n\n"
            )
            yield _Block(alert, (-1, 0), "refusals")
    facts = " · ".join(f"{name} {_code(value)}" for name, value in review.facts.items() if value)
    yield _Block("".join(f"{line}\n\n" for line in (_plain(summary(review)), facts) if line))
    rights = list(_rights([right for stack in review.stacks for right in stack.rights]))
    # A few rights come before the tables; those of a new stack are many, and come after.
    few = len(rights) <= FEW_RIGHTS
    yield from rights if few else ()
    for stack in review.stacks:
        yield from _stack(stack)
    yield from () if few else rights
    changes = [(stack, row) for stack in review.stacks for row in stack.rows if row.properties or row.unknown]
    if changes or review.billed != Billed():
        yield _Block("#### Details\n\n")
    if review.billed != Billed():
        yield _Block(_costs(review), (1, 0), "lists of costs")
    for stack in review.stacks:
        if stack.outputs:
            number = f"{len(stack.outputs)} output{'s' * (len(stack.outputs) != 1)}"
            yield _Block(_folded(f"{_plain(stack.name)}: {number}", _diff(stack.outputs)), (1, 1), "lists of outputs")
    for stack, row in sorted(changes, key=lambda change: ORDER.index(change[1].effect)):
        yield _Block(_details(stack.name, row), (2, ORDER.index(row.effect)), "resources' details")


def _rights(rights: Sequence[Right]) -> Iterator[_Block]:
    worst = ("broader", "different", "narrower")
    if rights:
        yield _Block("#### Rights\n\n")
    for right in sorted(rights, key=lambda right: worst.index(right.direction)):
        yield _Block(_right(right), (0, worst.index(right.direction) + 1), "rights")


def _stack(stack: Stack) -> Iterator[_Block]:
    note = stack.note or ("" if stack.rows or stack.outputs else "nothing to change.")
    yield _Block(f"#### {_plain(stack.name)}{f': {_plain(note)}' if note else ''}\n\n")
    for warning in stack.warnings:
        yield _Block(f"> [!WARNING]\n> {_plain(warning)}\n\n", (-1, 1), "warnings")
    if stack.rows:
        yield _Block("| resource | what happens | why |\n|---|---|---|\n")
    for row in sorted(stack.rows, key=lambda row: ORDER.index(row.effect)):
        yield _Block(_row(row), (0, ORDER.index(row.effect)), "resources")
    yield _Block("\n" if stack.rows else "")


def _row(row: Row) -> str:
    causes = [changed for changed in row.properties if changed.recreation not in ("", "Never")] or row.properties
    told = [_code(changed.path) + (f" ({_plain(changed.cause)})" if changed.cause else "") for changed in causes]
    happens = _plain(row.happens or EFFECTS[row.effect])
    if row.effect == "loses-data":
        happens = f"loses data: {happens}"
    if row.effect not in HARMLESS:
        happens = f"**{happens}**"
    elif not row.properties:
        happens = f"{happens}: {_plain(row.resource_type.removeprefix('AWS::'))}"
    removed = "no longer in the template" if row.effect == "removes" else ""
    return f"| {_code(row.logical_id)} | {happens} | {_some(told) or _plain('; '.join(row.unknown)) or removed} |\n"


def _right(right: Right) -> str:
    """One line, unfolding to the statement, or with the rule in it."""
    direction = right.direction if right.direction == "narrower" else f"<b>{right.direction}</b>"
    line = f"{direction}, {_code(right.logical_id)}, {right.kind}: {_plain(right.why)}"
    if not right.rule.startswith("{"):
        return f"<p>{line}: {_code(right.rule)}</p>\n\n"
    return f"<details><summary>{line}</summary>\n\n{_fenced(_pretty(right.rule), 'json')}\n</details>\n\n"


def _details(stack: str, row: Row) -> str:
    number = len(row.properties)
    count = f"{number} propert{'y' if number == 1 else 'ies'}" if number else "not understood"
    title = f"{_plain(stack)}: {_code(row.logical_id)} {_plain(row.resource_type)}, {count}"
    named = f"{_code(row.physical_id)}\n\n" if row.physical_id else ""
    return _folded(title, named + _diff(row.properties, row.unknown))


def _diff(properties: Sequence[Property], unknown: Sequence[str] = ()) -> str:
    """What changes, as a diff; documents are laid out, and what is the same in them is left out."""
    lines: list[str] = []
    for changed in properties:
        recreates = {"": "", "Never": "", "Always": "recreates the resource"}
        told = (recreates.get(changed.recreation, "may recreate the resource"), changed.cause)
        lines.append(f"@@ {', '.join(part for part in (changed.path, *told) if part)} @@")
        before, after = ("" if value is None else _pretty(value) for value in (changed.before, changed.after))
        hunks = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3))[2:]
        lines += ["  …" if line.startswith("@@") else line for line in hunks[1:]] or [f" {after}"]
    return _fenced("\n".join((*lines, *unknown)), "diff")


def _costs(review: Review) -> str:
    money = review.prices.money(review.billed.quantities) if review.prices else {}
    lines = [
        f"| {_code(name)} | {number:+f} | {f'{money[name]:+,.2f}' if name in money else ''} |\n"
        for name, number in review.billed.quantities.items()
    ]
    head = f"{review.prices.currency} per month" if review.prices else "per month"
    table = f"| quantity | change | {head} |\n|---|---:|---:|\n{''.join(lines)}\n" if lines else ""
    rest = {**{name: f"by usage: {text}" for name, text in review.billed.usage.items()}, **review.billed.unknown}
    listed = "".join(f"- {_code(name)} {_plain(text)}\n" for name, text in rest.items())
    source = f"Prices of {review.prices.region}, {review.prices.date}.\n\n" if review.prices and money else ""
    return _folded("Cost", f"{table}{_plain(source)}{listed}")


def _cost(review: Review) -> str:
    """Money per month, and the quantities that have no price."""
    quantities = review.billed.quantities
    money = review.prices.money(quantities) if review.prices else {}
    priced = [f"{sum(money.values()):+,.2f} {review.prices.currency} per month"] if review.prices and money else []
    return _some([*priced, *(f"{number:+f} {name}" for name, number in quantities.items() if name not in money)])


def _cut(block: str, room: int) -> str:
    """The beginning of a folded block, with its diff ended; empty if too little fits."""
    fence = re.search(r"^(`{3,})\w+$", block, re.MULTILINE)
    if room < SHORTEST_CUT or not fence:
        return ""
    lines = block[: room - 200].splitlines()[:-1]
    end = f"\n… and {len(block.splitlines()) - len(lines)} more lines\n{fence[1]}\n\n</details>\n\n"
    return "\n".join(lines) + end


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text.rstrip()}\n\n</details>\n\n"


def _fenced(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"


def _pretty(value: str) -> str:
    try:
        document = json.loads(value)
    except ValueError:
        return value
    return json.dumps(document, indent=2, ensure_ascii=False) if isinstance(document, dict | list) else value


def _some(names: Sequence[str], separator: str = ", ", most: int = 4) -> str:
    rest = f"{separator}and {len(names) - most} more" if len(names) > most else ""
    return f"{separator.join(names[:most])}{rest}"


def _plain(text: str) -> str:
    """One line of text that Markdown takes for nothing else, and in which GitHub links no user and no issue."""
    escaped = re.sub("[@#]", r"\g<0><wbr>", html.escape(" ".join(text.split()), quote=False))
    return re.sub(r"[*_\[\]`~|\\$]", lambda found: f"&#{ord(found[0])};", escaped)


def _code(value: str) -> str:
    """A name or value as code, which may be broken where a long one has to be."""
    return f"<code>{re.sub('(?<=[./:])(?=.)', '<wbr>', _plain(value))}</code>"
