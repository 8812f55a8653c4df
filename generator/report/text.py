"""Results as lines of text. The terminal adds the colors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import takewhile

from generator.contract import READY_PATH, SERVICE_URL
from generator.report.results import (
    LayerStatus,
    LogLine,
    Plan,
    Removal,
    Result,
    RotationPlan,
    ServiceStatus,
    cost_of,
    counted,
    follow,
    happens,
    key_of,
    name_of,
    not_compared,
    outcome,
    summary,
    take_tags,
    verdict,
)
from generator.review.quantities import Prices
from generator.review.rights import Right
from generator.stacks.change_set import HIDDEN, Change, Effect, PropertyChange
from generator.stacks.cloudformation import Stack
from generator.stacks.drift import StackDrift

LONGEST_VALUE = 160
# Characters that two long values have in common, shown before the difference.
COMMON_SHOWN = 20

SYMBOLS = {
    Effect.LOSES_DATA: "!",
    Effect.REPLACES: "±",
    Effect.REMOVES: "-",
    Effect.UNKNOWN: "?",
    Effect.MODIFIES: "~",
    Effect.ADDS: "+",
    Effect.IMPORTS: ">",
}

# What an outcome is shown like, if it is worse than a change in place.
VERDICTS = {key_of(effect): effect for effect in Effect if effect < Effect.MODIFIES} | {
    "refused": Effect.LOSES_DATA,
    "failed": Effect.LOSES_DATA,
    "broader": Effect.UNKNOWN,
}


@dataclass(frozen=True)
class Line:
    """A line of text, and the effect that it is about, if any."""

    text: str
    effect: Effect | None = None


def lines(result: Result) -> Iterator[Line]:
    """A result as an operation shows it."""
    match result:
        case Plan():
            yield from plan_lines([result])
        case Removal():
            yield from map(Line, _removal(result))
        case RotationPlan():
            yield from map(Line, _rotation(result))
        case LayerStatus():
            yield from _status(result)
        case Stack():
            yield from map(Line, _outputs(result))


def plan_lines(plans: Sequence[Plan], prices: Prices | None = None, rehearsal: str = "") -> Iterator[Line]:
    """Plans: resources in the order of their effect, a legend of the symbols in use, counts, what became of a
    rehearsal, the verdict."""
    for plan in plans:
        yield from _plan(plan, prices)
        yield Line("")
    used = sorted({change.effect for plan in plans for change in plan.changes})
    if used:
        yield Line(", ".join(f"{SYMBOLS[effect]} {name_of(effect)}" for effect in used))
    if rehearsal:
        yield Line(rehearsal)
    if used or len(plans) > 1:
        counts, decides = summary(plans, prices), verdict(plans)
        if counts not in ("", decides):
            yield Line(counts)
        yield Line(decides, VERDICTS.get(outcome(plans)))


def _plan(plan: Plan, prices: Prices | None) -> Iterator[Line]:
    yield Line(plan.title)
    for change in plan.listed:
        yield from _change(change)
        yield from (_right(right) for right in plan.rights if right.logical_id == change.logical_id)
    for leaders, changes in plan.followers.items():
        names = ", ".join(change.logical_id for change in changes)
        yield Line(f"  {SYMBOLS[Effect.MODIFIES]} {follow(len(changes))} {', '.join(leaders)}: {names}")
    if plan.tagged:
        names = ", ".join(change.logical_id for change in plan.tagged)
        yield Line(f"  {SYMBOLS[Effect.MODIFIES]} {take_tags(len(plan.tagged))}: {names}")
    yield from (Line(f"  output {_property(output)}") for output in plan.outputs)
    for found in plan.findings:
        kind, effect = ("blocking", Effect.LOSES_DATA) if found.blocking else ("warning", Effect.UNKNOWN)
        yield Line(f"  {kind}: {found}", effect)
    if cost := cost_of(plan.billed, prices):
        yield Line(f"  cost: {cost}")
    yield from (Line(f"  cost: {name}: {text}") for name, text in plan.billed.unknown.items())
    for refusal in plan.refusals:
        yield Line(f"  refused: {refusal.logical_id}: {refusal.what} ({refusal.cause}).", Effect.LOSES_DATA)
        yield Line(f"    {refusal.instead}")
        yield Line(f"    To do it anyway: --allow-replacement {refusal.logical_id}")
    if plan.kept:
        yield Line(f"  change set: {plan.kept}")
        yield Line(f"  {plan.console}")


def _change(change: Change) -> Iterator[Line]:
    effect = change.effect
    physical = f"  {change.physical_id}" if change.physical_id else ""
    yield Line(f"  {SYMBOLS[effect]} {change.logical_id}  {change.resource_type}{physical}", effect)
    for what in filter(None, (happens(change), not_compared(change))):
        yield Line(f"      {what}", effect)
    for changed in (each for listed in change.properties for each in _by_item(listed)):
        yield Line(f"      {_property(changed)}", effect if changed.recreates else None)
    yield from (Line(f"      {unknown}", Effect.UNKNOWN) for unknown in change.unknown)


def _by_item(changed: PropertyChange) -> Sequence[PropertyChange]:
    """The items that differ of a list of named values, such as variables; of another property itself."""
    before, after = _items(changed.before), _items(changed.after)
    if not before or not after or changed.deployed is not None:
        return [changed]
    found = [
        replace(changed, path=f"{changed.path}.{'.'.join(item)}", before=before.get(item), after=after.get(item))
        for item in before | after
        # Whether a hidden value changes is not known.
        if before.get(item) != after.get(item) or before.get(item) == HIDDEN
    ]
    return found or [changed]


def _items(value: str | None) -> dict[tuple[str, str], str]:
    """The values of a JSON list of Name and Value, or of Name and ValueFrom; empty for anything else."""
    try:
        listed = json.loads(value or "")
    except ValueError:
        return {}
    if not isinstance(listed, list):
        return {}
    found = {}
    for item in listed:
        match item:
            case {"Name": str() as name, "Value": str() as text} if len(item) == 2:
                found[name, "Value"] = text
            case {"Name": str() as name, "ValueFrom": str() as text} if len(item) == 2:
                found[name, "ValueFrom"] = text
            case _:
                return {}
    return found if len(found) == len(listed) else {}


def _right(right: Right) -> Line:
    # Statements are too long for a line.
    rule = "" if right.rule.startswith("{") else f": {right.rule}"
    effect = None if right.direction in ("narrower", "granted") else Effect.UNKNOWN
    return Line(f"      {right.direction}, {right.kind}: {right.why}{rule}", effect)


def _property(changed: PropertyChange) -> str:
    before, after = short_values(changed)
    # CloudFormation gives no values for some changes, such as that of a stack's tags.
    known = changed.before is not None or changed.after is not None
    text = f"{changed.path}  {before} → {after}" if known else changed.path
    if changed.deployed is not None:
        text += f"  (changed by hand; deployed: {short(changed.deployed or None)})"
    if changed.recreates:
        text += "  recreates it" if changed.recreation == "Always" else "  may recreate it"
    return f"{text}  ({changed.cause})" if changed.cause else text


def short_values(changed: PropertyChange) -> tuple[str, str]:
    """The values before and after: of two long values the part that differs, of one its beginning."""
    before, after = (None if value is None else " ".join(value.split()) for value in (changed.before, changed.after))
    start = 0
    if before and after and max(len(before), len(after)) > LONGEST_VALUE:
        common = takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))
        start = max(0, len(list(common)) - COMMON_SHOWN)
    return short(before, start), short(after, start)


def short(value: str | None, start: int = 0) -> str:
    """A value from `start` on, cut after 160 characters."""
    if value is None:
        return "(none)"
    if not start and len(value) <= LONGEST_VALUE:
        return value
    shown = value[start : start + LONGEST_VALUE]
    rest = "…" if start + LONGEST_VALUE < len(value) else ""
    return f"{'…' if start else ''}{shown}{rest} ({len(value)} characters)"


def log_line(line: LogLine) -> str:
    """A line of a log with its time to the millisecond; one about a deployment alone."""
    if not line.instance:
        return line.text
    moment = line.moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{moment} {line.instance} {line.text}"


def utc(moment: datetime) -> str:
    """A moment to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _removal(removal: Removal) -> Iterator[str]:
    for inventory in removal.stacks:
        yield f"{inventory.stack.name} will be deleted, with:"
        for resource in inventory.resources:
            if not resource.retained:
                number = removal.images.get(resource.physical_id, 0)
                images = f", with {counted(number, 'image')}" if number else ""
                yield f"  - {resource.logical_id}  {resource.resource_type}  {resource.physical_id}{images}"
        for kept in removal.kept[inventory.stack.name]:
            yield f"  kept: {kept}"


def _rotation(plan: RotationPlan) -> Iterator[str]:
    what = "an unfinished rotation will be continued" if plan.continues else "a new password will be set"
    for stack_name, user in zip(plan.data_stacks, plan.users, strict=True):
        yield f"{stack_name}: {what} for {user}"
    yield from (f"  {name} will be redeployed" for name in plan.services)


def _status(status: LayerStatus) -> Iterator[Line]:
    stack = status.stack
    if stack is None:
        yield Line(f"{status.stack_name}: does not exist")
        return
    yield Line(f"{stack.name}: {stack.status}{f' ({stack.reason})' if stack.reason else ''}")
    if operation := status.operation:
        yield Line(f"  last operation: {operation.kind} {operation.outcome.value}, begun {utc(operation.began)}")
    if status.cause:
        yield Line(f"  cause: {status.cause}", Effect.LOSES_DATA)
    yield from (Line(f"  {output}") for output in _outputs(stack))
    if status.service:
        yield from map(Line, _service(status.service))
    if status.drift:
        yield from map(Line, _drift(status.drift))


def _outputs(stack: Stack) -> Iterator[str]:
    """The outputs, the service's URL first, without the commands that push an image, which are long."""
    shown = [key for key in stack.outputs if not key.endswith("PushCommands")]
    yield from (f"{key}: {stack.outputs[key]}" for key in sorted(shown, key=lambda key: (key != SERVICE_URL, key)))


def _drift(found: StackDrift) -> Iterator[str]:
    for resource in found.resources:
        yield f"  drift: {resource.logical_id} is {resource.status}"
        for difference in resource.properties:
            yield f"    {difference.path}: {difference.expected} is {difference.actual}"
    for logical_id, reason in found.failures.items():
        yield f"  drift detection failed{f' for {logical_id}' if logical_id else ''}: {reason}"
    for resource_type in sorted(set(found.unchecked.values())):
        names = sorted(name for name, of_type in found.unchecked.items() if of_type == resource_type)
        yield f"  drift not checked, {resource_type}: {', '.join(names)}"
    if not found.resources and not found.failures:
        yield f"  no drift{' in what was checked' if found.unchecked else ''}"


def _service(service: ServiceStatus) -> Iterator[str]:
    yield f"  runs: {service.status}, after {service.operation}"
    yield f"  image: {service.image}{'' if service.as_deployed else ', which is not the one that was deployed'}"
    for path, answer in service.answers.items():
        yield f"  GET {path}: {answer}{f', build {service.build}' if service.build and path == READY_PATH else ''}"
    if not service.public:
        yield "  not checked: the service can be reached inside its VPC only"
    if (rate := service.error_rate) and rate.reason:
        yield f"  {'a deployment would be rolled back' if rate.checked else 'error rate not checked'}: {rate.reason}"
