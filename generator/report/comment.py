"""A change as a pull-request comment: first what decides, then each stack, then what is folded.

Facts: GitHub takes comments of at most 65,536 characters; `> [!CAUTION]` is an alert; `<wbr>` survives its sanitizer.
"""

from __future__ import annotations

import difflib
import html
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from generator.report.results import (
    Plan,
    follow,
    happens,
    name_of,
    not_compared,
    outcome,
    some,
    summary,
    take_tags,
    verdict,
)
from generator.review.quantities import Billed, Prices, total
from generator.review.rights import Right
from generator.stacks.change_set import Change, Effect, PropertyChange
from generator.stacks.guard import Refusal

COMMENT_LIMIT = 65_536
ROOM_FOR_NOTE = 500
FEW_RIGHTS = 9
FEW_ADDED = 5
SHORTEST_CUT = 1_000
WORST_FIRST = ("broader", "different", "granted", "narrower")


@dataclass(frozen=True)
class Heading:
    """What a comment says of a preview beside its plans. name: the stacks', by which a workflow finds the comment.

    deployment: its name in the program. rehearsal: what became of a rehearsal. rest: where a comment that was cut is
    whole.
    """

    name: str
    deployment: str = ""
    commit: str = ""
    rehearsal: str = ""
    rest: str = "`build.py preview` shows all of it."


def marker(name: str, outcome: str) -> str:
    """What the comment of a deployment ends with. A workflow finds the comment by it, and the label in it."""
    return f"<!-- preview of {name}: {outcome} -->"


def comment(plans: Sequence[Plan], heading: Heading, prices: Prices | None = None, limit: int = COMMENT_LIMIT) -> str:
    """The Markdown, of at most `limit` characters. What is least harmful is left out first, and counted."""
    blocks = list(_blocks(plans, heading, prices))
    tail = marker(heading.name, outcome(plans))
    kept = [block.text if block.rank is None else "" for block in blocks]
    room = limit - len(tail) - ROOM_FOR_NOTE - sum(map(len, kept))
    left_out: Counter[str] = Counter()
    for _, place in sorted((block.rank, place) for place, block in enumerate(blocks) if block.rank is not None):
        block = blocks[place]
        text = block.text if len(block.text) <= room else _cut(block.text, room)
        if text and not left_out:
            kept[place] = text
            room -= len(text)
        else:
            left_out[block.kind] += 1
    note = ", ".join(f"{number} more {kind}" for kind, number in left_out.items())
    note = f"\n_Left out for length: {note}. {_plain(heading.rest)}_\n" if note else ""
    return f"{''.join(kept).rstrip()}\n{note}\n{tail}\n"


@dataclass(frozen=True)
class _Block:
    """A piece of the comment. `rank`: what is higher is left out first; None, never. `kind`: what it is one of."""

    text: str
    rank: tuple[int, int] | None = None
    kind: str = ""


def _blocks(plans: Sequence[Plan], heading: Heading, prices: Prices | None) -> Iterator[_Block]:
    yield _Block(f"### {_plain(verdict(plans))}\n\n")
    yield from (_refusal(refusal) for plan in plans for refusal in plan.refusals)
    facts = " · ".join(f"{name} {_code(value)}" for name, value in _facts(plans, heading) if value)
    paragraphs = (facts, _plain(summary(plans, prices)), _plain(heading.rehearsal))
    yield _Block("".join(f"{paragraph}\n\n" for paragraph in paragraphs if paragraph))
    rights = list(_rights([right for plan in plans for right in plan.rights]))
    # A few rights come before the tables; those of a new stack are many, and come after.
    few = len(rights) <= FEW_RIGHTS
    yield from rights if few else ()
    for plan in plans:
        yield from _stack(plan)
    yield from () if few else rights
    if details := list(_details(plans, prices)):
        yield _Block("#### Details\n\n")
        yield from details


def _refusal(refusal: Refusal) -> _Block:
    alert = (
        f"> [!CAUTION]\n> **{_code(refusal.logical_id)} {_plain(refusal.what)}** ({_plain(refusal.cause)}). "
        f"{_plain(refusal.instead)}\n>\n> To let it through: {_code(f'--allow-replacement {refusal.logical_id}')}\n\n"
    )
    return _Block(alert, (-1, 0), "refusals")


def _facts(plans: Sequence[Plan], heading: Heading) -> Iterator[tuple[str, str]]:
    arn = next((plan.stack_id for plan in plans if plan.stack_id), ":::::").split(":")
    yield from (("account", arn[4]), ("Region", arn[3]), ("commit", heading.commit))
    yield "deployment", heading.deployment
    yield from (("image", plan.image) for plan in plans)


def _rights(rights: Sequence[Right]) -> Iterator[_Block]:
    if rights:
        yield _Block("#### Rights\n\n")
    for right in sorted(rights, key=lambda right: WORST_FIRST.index(right.direction)):
        yield _Block(_right(right), (0, WORST_FIRST.index(right.direction) + 1), "rights")


def _stack(plan: Plan) -> Iterator[_Block]:
    yield _Block(f"#### {_plain(plan.title.rstrip(':'))}\n\n")
    for found in plan.findings:
        alert = "CAUTION" if found.blocking else "WARNING"
        yield _Block(f"> [!{alert}]\n> {_plain(str(found))}\n\n", (-1, 1), "warnings")
    added = [change for change in plan.listed if change.effect is Effect.ADDS]
    added = added if len(added) > FEW_ADDED else []
    rows = [(_row(change), change.effect) for change in plan.listed if change not in added]
    for leaders, followers in plan.followers.items():
        names = ", ".join(_code(change.logical_id) for change in followers)
        row = f"| {follow(len(followers))} {', '.join(map(_code, leaders))} | modified | {names} |\n"
        rows.append((row, Effect.MODIFIES))
    if plan.tagged:
        names = ", ".join(_code(change.logical_id) for change in plan.tagged)
        rows.append((f"| {take_tags(len(plan.tagged))} | modified | {names} |\n", Effect.MODIFIES))
    if rows:
        yield _Block("| resource | what happens | why |\n|---|---|---|\n")
        yield from (_Block(row, (0, effect), "resources") for row, effect in rows)
        yield _Block("\n")
    if added:
        yield _Block(
            f"<details><summary>{len(added)} resources are added</summary>\n\n| resource | type |\n|---|---|\n"
        )
        for change in added:
            yield _Block(f"| {_code(change.logical_id)} | {_type(change)} |\n", (0, Effect.ADDS), "resources")
        yield _Block("\n</details>\n\n")


def _row(change: Change) -> str:
    causes = [changed for changed in change.properties if changed.recreates] or change.properties
    why = [_why(changed) for changed in causes]
    text = _plain(happens(change) or name_of(change.effect))
    if change.effect is Effect.LOSES_DATA:
        text = f"loses data: {text}"
    if change.effect < Effect.MODIFIES:
        text = f"**{text}**"
    elif not change.properties:
        text = f"{text}: {_type(change)}"
    removed = "no longer in the template" if change.action == "Remove" else ""
    reasons = [some(why) or _plain("; ".join(change.unknown)) or removed, _plain(not_compared(change))]
    return f"| {_code(change.logical_id)} | {text} | {'; '.join(filter(None, reasons))} |\n"


def _type(change: Change) -> str:
    return _plain(change.resource_type.removeprefix("AWS::"))


def _why(changed: PropertyChange) -> str:
    by_hand = "changed by hand" if changed.deployed is not None else ""
    reasons = ", ".join(filter(None, (by_hand, changed.cause)))
    return _code(changed.path) + (f" ({_plain(reasons)})" if reasons else "")


def _right(right: Right) -> str:
    """One line, unfolding to the statement, or with the rule in it."""
    direction = f"<b>{right.direction}</b>" if right.direction in ("broader", "different") else right.direction
    line = f"{direction}, {_code(right.logical_id)}, {right.kind}: {_plain(right.why)}"
    if not right.rule.startswith("{"):
        return f"<p>{line}: {_code(right.rule)}</p>\n\n"
    return f"<details><summary>{line}</summary>\n\n{_fenced(_pretty(right.rule), 'json')}\n</details>\n\n"


def _details(plans: Sequence[Plan], prices: Prices | None) -> Iterator[_Block]:
    billed = total(plan.billed for plan in plans)
    if billed != Billed():
        yield _Block(_costs(billed, prices), (1, 0), "lists of costs")
    for plan in plans:
        if plan.outputs:
            outputs = f"{len(plan.outputs)} output{'s' * (len(plan.outputs) != 1)}"
            text = _folded(f"{_plain(plan.stack_name)}: {outputs}", _diff(plan.outputs))
            yield _Block(text, (1, 1), "lists of outputs")
    changes = [(plan, change) for plan in plans for change in plan.listed if change.properties or change.unknown]
    for plan, change in sorted(changes, key=lambda pair: pair[1].effect):
        yield _Block(_properties(plan.stack_name, change), (2, change.effect), "resources' details")


def _properties(stack_name: str, change: Change) -> str:
    number = len(change.properties)
    count = f"{number} propert{'y' if number == 1 else 'ies'}" if number else "not understood"
    title = f"{_plain(stack_name)}: {_code(change.logical_id)} {_plain(change.resource_type)}, {count}"
    named = f"{_code(change.physical_id)}\n\n" if change.physical_id else ""
    return _folded(title, named + _diff(change.properties, change.unknown))


def _diff(properties: Sequence[PropertyChange], unknown: Sequence[str] = ()) -> str:
    """What changes, as a diff; documents are laid out, and what is the same in them is left out."""
    lines: list[str] = []
    for changed in properties:
        recreates = {"": "", "Never": "", "Always": "recreates the resource"}
        by_hand = "" if changed.deployed is None else f"changed by hand, deployed: {changed.deployed or '(none)'}"
        notes = (recreates.get(changed.recreation, "may recreate the resource"), changed.cause, by_hand)
        lines.append(f"@@ {', '.join(part for part in (changed.path, *notes) if part)} @@")
        before, after = ("" if value is None else _pretty(value) for value in (changed.before, changed.after))
        hunks = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3))[2:]
        lines += ["  …" if line.startswith("@@") else line for line in hunks[1:]] or [f" {after}"]
    return _fenced("\n".join((*lines, *unknown)), "diff")


def _costs(billed: Billed, prices: Prices | None) -> str:
    money = prices.money(billed.quantities) if prices else {}
    lines = [
        f"| {_code(name)} | {number:+f} | {f'{money[name]:+,.2f}' if name in money else ''} |\n"
        for name, number in billed.quantities.items()
    ]
    head = f"{prices.currency} per month" if prices else "per month"
    table = f"| quantity | change | {head} |\n|---|---:|---:|\n{''.join(lines)}\n" if lines else ""
    rest = {**{name: f"by usage: {text}" for name, text in billed.usage.items()}, **billed.unknown}
    listed = "".join(f"- {_code(name)} {_plain(text)}\n" for name, text in rest.items())
    source = f"{_plain(f'Prices of {prices.region}, {prices.date}.')}\n\n" if prices and money else ""
    return _folded("Cost", f"{table}{source}{listed}")


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


def _plain(text: str) -> str:
    """One line of text that Markdown takes for nothing else, and in which GitHub links no user and no issue."""
    escaped = re.sub("[@#]", r"\g<0><wbr>", html.escape(" ".join(text.split()), quote=False))
    return re.sub(r"[*_\[\]`~|\\$]", lambda found: f"&#{ord(found[0])};", escaped)


def _code(value: str) -> str:
    """A name or value as code, which may be broken where a long one has to be."""
    return f"<code>{re.sub('(?<=[./:])(?=.)', '<wbr>', _plain(value))}</code>"
