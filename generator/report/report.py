"""Plans as text, as a pull-request comment, as JSON. No I/O: text first, coloured by whoever prints it."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from generator.stacks.change_set import Change, Effect, PropertyChange, Refusal

SCHEMA_VERSION = 1
COMMENT_LIMIT = 65_536
"""Characters that GitHub takes as a comment."""

LONGEST_VALUE = 160
# Of what two long values have in common, so many characters are shown before the difference.
SAME_SHOWN = 20
# What CloudFormation says of a value that it does not know yet (DescribeChangeSet, ResourceTargetDefinition).
NOT_YET = "{{changeSet:KNOWN_AFTER_APPLY}}"

SYMBOLS = {
    Effect.LOSES_DATA: "!",
    Effect.REPLACES: "±",
    Effect.REMOVES: "-",
    Effect.UNKNOWN: "?",
    Effect.MODIFIES: "~",
    Effect.ADDS: "+",
    Effect.IMPORTS: ">",
}
NAMES = {
    Effect.LOSES_DATA: "loses data",
    Effect.REPLACES: "replaced",
    Effect.REMOVES: "removed",
    Effect.UNKNOWN: "not understood",
    Effect.MODIFIES: "modified",
    Effect.ADDS: "added",
    Effect.IMPORTS: "imported",
}


@dataclass(frozen=True)
class Plan:
    """What would happen to one layer's stack.

    new: the stack does not exist yet. seen: CloudFormation was asked; otherwise `changes` are the template's resources.
    kept: the ARN of the change set, and console the link to it, where it was kept. note: what else to say.
    """

    layer: str
    stack_name: str
    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...] = ()
    new: bool = False
    seen: bool = True
    kept: str = ""
    console: str = ""
    note: str = ""


@dataclass(frozen=True)
class Line:
    """A line of text, and the effect it tells of, if any."""

    text: str
    effect: Effect | None = None


def text(plans: Sequence[Plan]) -> Iterator[Line]:
    """The plans for a terminal: resources in the order of their effect, a legend of the symbols in use, a count."""
    for plan in plans:
        yield Line(_title(plan))
        for change in plan.changes:
            effect = change.effect
            physical = f"  {change.physical_id}" if change.physical_id else ""
            yield Line(f"  {SYMBOLS[effect]} {change.logical_id}  {change.resource_type}{physical}", effect)
            what = happens(change)
            if what:
                yield Line(f"      {what}", effect)
            for changed in change.properties:
                yield Line(f"      {_property(changed)}", effect if changed.recreates else None)
            for unknown in change.unknown:
                yield Line(f"      {unknown}", Effect.UNKNOWN)
        for refusal in plan.refusals:
            yield Line(f"  refused: {refusal.logical_id}: {refusal.what} ({refusal.cause}).", Effect.LOSES_DATA)
            yield Line(f"    {refusal.instead}")
            yield Line(f"    To do it anyway: --allow-replacement {refusal.logical_id}")
        if plan.kept:
            yield Line(f"  change set: {plan.kept}")
            yield Line(f"  {plan.console}")
        yield Line("")
    used = sorted({change.effect for plan in plans for change in plan.changes})
    if used:
        yield Line(", ".join(f"{SYMBOLS[effect]} {NAMES[effect]}" for effect in used))
    if used or len(plans) > 1:
        yield Line(summary(plans))


def summary(plans: Sequence[Plan]) -> str:
    """What is counted, such as "3 changes: 1 loses data, 2 modified."; resources of a template that CloudFormation was
    not asked about are told apart, since some stand under conditions."""
    counts = Counter(change.effect for plan in plans if plan.seen for change in plan.changes)
    unseen = "".join(f" Up to {len(plan.changes)} added in {plan.stack_name}." for plan in plans if not plan.seen)
    total = sum(counts.values())
    if not total:
        return unseen.strip() or "Nothing to change."
    changes = "1 change" if total == 1 else f"{total} changes"
    return f"{changes}: {', '.join(f'{counts[effect]} {NAMES[effect]}' for effect in sorted(counts))}.{unseen}"


def happens(change: Change) -> str:
    """What becomes of the resource, in words; empty where the symbol says it all."""
    old = {
        "ReplaceAndDelete": ", the old one is deleted",
        "ReplaceAndRetain": ", the old one stays",
        "ReplaceAndSnapshot": ", a snapshot of the old one stays",
        "Delete": "is deleted",
        "Retain": "leaves the stack and stays",
        "Snapshot": "is deleted, a snapshot stays",
    }
    told = old.get(change.policy_action, change.policy_action)
    if change.action == "Modify" and change.replacement == "True":
        return f"is replaced{told}"
    if change.replaces:
        return f"may be replaced{told}"
    if change.effect is Effect.UNKNOWN:
        return " ".join(part for part in (change.action, change.replacement, change.policy_action) if part)
    if change.action == "SyncWithActual":
        return "is brought back to the template"
    return told if change.action == "Remove" else ""


def markdown(plans: Sequence[Plan], limit: int = COMMENT_LIMIT) -> str:
    """The plans as a comment of at most `limit` characters: one table, property changes folded below it.

    What does not fit is counted, not dropped without a word.
    """
    head = f"### {summary(plans)}\n\n"
    for plan in plans:
        head += f"{html.escape(_title(plan))}\n\n"
        head += "".join(
            f"> **Refused:** {_code(refusal.logical_id)} {html.escape(refusal.what)} ({html.escape(refusal.cause)}). "
            f"{html.escape(refusal.instead)}\n\n"
            for refusal in plan.refusals
        )
    changes = [(plan, change) for plan in plans for change in plan.changes]
    ordered = sorted(changes, key=lambda item: item[1].effect)
    table = "| | resource | type | stack | |\n|---|---|---|---|---|\n"
    rows = [
        f"| {SYMBOLS[change.effect]} {NAMES[change.effect]} | {_code(change.logical_id)} | {change.resource_type} "
        f"| {plan.stack_name} | {html.escape(happens(change))} |\n"
        for plan, change in ordered
    ]
    details = [_details(change) for _, change in ordered if change.properties or change.unknown]
    if not rows:
        return head.rstrip() + "\n"
    room = limit - len(head) - len(table) - 200
    kept_rows = _fitting(rows, room)
    body = head + table + "".join(kept_rows)
    if len(kept_rows) < len(rows):
        body += f"\n… and {len(rows) - len(kept_rows)} more resources.\n"
    kept_details = _fitting(details, limit - len(body) - 100)
    body += "\n" + "".join(kept_details)
    if len(kept_details) < len(details):
        body += f"\n… and the properties of {len(details) - len(kept_details)} more resources.\n"
    return body.rstrip() + "\n"


def as_json(plans: Sequence[Plan]) -> str:
    """The plans as JSON; docs/ci.md describes it. `version` grows when a field changes its meaning or goes."""
    document = {
        "version": SCHEMA_VERSION,
        "summary": summary(plans),
        "layers": [
            {
                "layer": plan.layer,
                "stackName": plan.stack_name,
                "new": plan.new,
                "seen": plan.seen,
                "changeSet": plan.kept or None,
                "note": plan.note or None,
                "changes": [_change(change) for change in plan.changes],
                "refusals": [
                    {"logicalId": refusal.logical_id, "what": refusal.what, "cause": refusal.cause}
                    for refusal in plan.refusals
                ],
            }
            for plan in plans
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _change(change: Change) -> dict[str, object]:
    return {
        "effect": change.effect.name.lower().replace("_", "-"),
        "action": change.action,
        "logicalId": change.logical_id,
        "type": change.resource_type,
        "physicalId": change.physical_id or None,
        "replacement": change.replacement or None,
        "policyAction": change.policy_action or None,
        "properties": [
            {
                "path": changed.path,
                "before": changed.before,
                "after": changed.after,
                "recreation": changed.recreation or None,
                "cause": changed.cause or None,
            }
            for changed in change.properties
        ],
        "unknown": list(change.unknown),
    }


def _title(plan: Plan) -> str:
    if not plan.seen:
        return f"{plan.stack_name}: {plan.note} Its template holds:"
    if not plan.changes:
        return f"{plan.stack_name}: {plan.note or 'nothing to change.'}"
    return f"{plan.stack_name}:{' a new stack.' if plan.new else ''}{f' {plan.note}' if plan.note else ''}"


def _property(changed: PropertyChange) -> str:
    before, after = _values(changed)
    told = f"{changed.path}  {before} → {after}"
    if changed.recreates:
        told += "  recreates it" if changed.recreation == "Always" else "  may recreate it"
    return f"{told}  ({changed.cause})" if changed.cause else told


def _values(changed: PropertyChange) -> tuple[str, str]:
    """Before and after, short: of two long values what differs, of one its beginning."""
    before, after = (None if value is None else " ".join(value.split()) for value in (changed.before, changed.after))
    same = 0
    if before and after and max(len(before), len(after)) > LONGEST_VALUE:
        pairs = enumerate(zip_longest(before, after))
        same = max(0, next((place for place, (one, other) in pairs if one != other), len(before)) - SAME_SHOWN)
    return _short(before, same), _short(after, same)


def _short(value: str | None, start: int = 0) -> str:
    """What is shown of a value, from `start` on."""
    if value is None:
        return "(none)"
    value = value.replace(NOT_YET, "(known after deployment)")
    if not start and len(value) <= LONGEST_VALUE:
        return value
    shown = value[start : start + LONGEST_VALUE]
    rest = "…" if start + LONGEST_VALUE < len(value) else ""
    return f"{'…' if start else ''}{shown}{rest} ({len(value)} characters)"


def _details(change: Change) -> str:
    rows = "".join(
        f"| {_code(changed.path)} | {' | '.join(map(_code, _values(changed)))} "
        f"| {'recreates it' if changed.recreation == 'Always' else 'may recreate it' if changed.recreates else ''} "
        f"| {html.escape(changed.cause)} |\n"
        for changed in change.properties
    )
    unknown = "".join(f"\n{_code(_short(told))}\n" for told in change.unknown)
    count = "1 property" if len(change.properties) == 1 else f"{len(change.properties)} properties"
    return (
        f"<details><summary>{html.escape(change.logical_id)}: {count}</summary>\n\n"
        f"| property | before | after | | cause |\n|---|---|---|---|---|\n{rows}{unknown}\n</details>\n\n"
    )


def _code(value: str) -> str:
    return f"<code>{html.escape(value).replace('|', '&#124;').replace('@', '&#64;')}</code>"


def _fitting(blocks: Sequence[str], room: int) -> list[str]:
    kept: list[str] = []
    for block in blocks:
        room -= len(block)
        if room < 0:
            break
        kept.append(block)
    return kept
