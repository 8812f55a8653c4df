"""Plans as a comment on a pull request."""

from __future__ import annotations

import html
from collections.abc import Sequence

from generator.report.results import Plan, happens, name_of, summary
from generator.report.text import SYMBOLS, short, short_values
from generator.stacks.change_set import Change

COMMENT_LIMIT = 65_536
"""Characters that GitHub accepts as a comment."""


def markdown(plans: Sequence[Plan], limit: int = COMMENT_LIMIT) -> str:
    """The plans as a comment of at most `limit` characters: one table, with folded property changes below it.

    What does not fit is counted.
    """
    head = f"### {summary(plans)}\n\n"
    for plan in plans:
        head += f"{html.escape(plan.title)}\n\n"
        head += "".join(
            f"> **Refused:** {_code(refusal.logical_id)} {html.escape(refusal.what)} ({html.escape(refusal.cause)}). "
            f"{html.escape(refusal.instead)}\n\n"
            for refusal in plan.refusals
        )
        head += f"> **Warning:** {_code(plan.warning)}\n\n" if plan.warning else ""
    changes = [(plan, change) for plan in plans for change in plan.changes]
    ordered = sorted(changes, key=lambda item: item[1].effect)
    table = "| | resource | type | stack | |\n|---|---|---|---|---|\n"
    rows = [
        f"| {SYMBOLS[change.effect]} {name_of(change.effect)} | {_code(change.logical_id)} | {change.resource_type} "
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


def _details(change: Change) -> str:
    rows = "".join(
        f"| {_code(changed.path)} | {' | '.join(map(_code, short_values(changed)))} "
        f"| {'recreates it' if changed.recreation == 'Always' else 'may recreate it' if changed.recreates else ''} "
        f"| {html.escape(changed.cause)} |\n"
        for changed in change.properties
    )
    unknown = "".join(f"\n{_code(short(field))}\n" for field in change.unknown)
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
