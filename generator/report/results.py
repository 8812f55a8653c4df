"""What operations return and show."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from generator.compute import ErrorRate, Outcome
from generator.errors import UsageError
from generator.review.quantities import Billed, Prices, total
from generator.review.rights import Right
from generator.stacks.change_set import Change, Effect, PropertyChange
from generator.stacks.cloudformation import Stack
from generator.stacks.drift import StackDrift
from generator.stacks.events import Finding
from generator.stacks.guard import Refusal
from generator.stacks.inventory import Inventory

NAMES = {
    Effect.LOSES_DATA: "lose data",
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

    new: the stack does not exist yet. seen: `changes` are of a change set; otherwise they are the template's resources.
    kept: the ARN of the change set if it was kept, and console the link to it. note: a remark. stack_id: its ARN, empty
    without a change set. outputs: those that change. findings: what CloudFormation warns of. billed: what is added to
    the bill. image: what the service runs afterwards. failed: the note is why the layer could not be previewed; what
    `changes` has is not what would happen.
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
    stack_id: str = ""
    rights: tuple[Right, ...] = ()
    outputs: tuple[PropertyChange, ...] = ()
    findings: tuple[Finding, ...] = ()
    billed: Billed = field(default_factory=Billed)
    image: str = ""
    failed: bool = False

    @property
    def broadens(self) -> bool:
        """Whether a right becomes broader, or one may: what cannot be compared counts, and what a new stack grants."""
        return any(right.direction != "narrower" for right in self.rights)

    @property
    def followers(self) -> Mapping[tuple[str, ...], Sequence[Change]]:
        """The changes in place that others in place alone cause, and that change nothing else, by the others' names."""
        in_place = {change.logical_id for change in self.changes if change.effect is Effect.MODIFIES}
        seen = {right.logical_id for right in self.rights}
        found: dict[tuple[str, ...], list[Change]] = {}
        for change in self.changes:
            leaders = tuple(dict.fromkeys(name for changed in change.properties for name in changed.follows))
            folded = all(changed.follows for changed in change.properties) and in_place.issuperset(leaders)
            in_full = change.logical_id in seen or change.unknown or not_compared(change)
            if leaders and folded and change.logical_id in in_place and not in_full:
                found.setdefault(leaders, []).append(change)
        return found

    @property
    def tagged(self) -> Sequence[Change]:
        """The changes in place of nothing but the stack's tags, whose values CloudFormation does not give."""
        return [
            change
            for change in self.changes
            if change.effect is Effect.MODIFIES and change.only_tags
            if all(changed.before is changed.after is None for changed in change.properties)
        ]

    @property
    def listed(self) -> Sequence[Change]:
        """The changes without the followers and those of tags alone: the worst first, of one effect those that only
        follow others last."""
        folded = {change.logical_id for changes in (*self.followers.values(), self.tagged) for change in changes}

        def rank(change: Change) -> tuple[Effect, bool]:
            return change.effect, bool(change.properties) and all(changed.follows for changed in change.properties)

        return sorted((change for change in self.changes if change.logical_id not in folded), key=rank)

    @property
    def title(self) -> str:
        """The stack's name, and its note or what is new."""
        if self.failed or not self.seen:
            note = f"could not be previewed: {self.note}" if self.failed else self.note
            listed = f" Its {'change set' if self.seen else 'template'} has:" if self.changes else ""
            return f"{self.stack_name}: {note}{listed}"
        if not self.changes:
            return f"{self.stack_name}: {self.note or 'nothing to change.'}"
        return f"{self.stack_name}:{' a new stack.' if self.new else ''}{f' {self.note}' if self.note else ''}"


@dataclass(frozen=True)
class Removal:
    """What a deletion deletes and keeps, in its order.

    kept: phrases by the stack's name. images: the number of images in a repository that are deleted too, by its name.
    """

    stacks: tuple[Inventory, ...]
    kept: Mapping[str, tuple[str, ...]]
    images: Mapping[str, int]


@dataclass(frozen=True)
class RotationPlan:
    """The users whose passwords are rotated, and the stacks whose services are redeployed.

    continues: an earlier rotation was not finished.
    """

    data_stacks: tuple[str, ...]
    users: tuple[str, ...]
    services: tuple[str, ...]
    continues: bool


@dataclass(frozen=True)
class ServiceStatus:
    """A service as it runs. as_deployed: its image is the one of its stack. answers: to GET, by the paths that a
    deployment verifies; empty if it cannot be asked. build: what the user API's /ready reports. fault: why what runs is
    not what was deployed; empty if it is, or while an operation runs. error_rate: None where none rolls a deployment
    back."""

    status: str
    operation: str
    image: str
    as_deployed: bool
    url: str
    public: bool
    answers: Mapping[str, str] = field(default_factory=dict)
    build: str = ""
    fault: str = ""
    error_rate: ErrorRate | None = None


@dataclass(frozen=True)
class LastOperation:
    """A stack's last operation. kind: in CloudFormation's words, such as UPDATE_STACK; outcome: succeeded, failed or in
    progress; cause: why it failed, as `deploy` says it."""

    kind: str
    id: str
    outcome: Outcome
    began: datetime
    cause: str = ""


@dataclass(frozen=True)
class LayerStatus:
    """A layer's stack, None if it does not exist; its last operation, if there was one; the service in it, if there is
    one; drift, None if not looked for."""

    stack_name: str
    stack: Stack | None
    service: ServiceStatus | None = None
    drift: StackDrift | None = None
    operation: LastOperation | None = None

    @property
    def cause(self) -> str:
        """Why the last deployment failed, by CloudFormation or by the service; empty if it did not."""
        return (self.operation.cause if self.operation else "") or (self.service.fault if self.service else "")


@dataclass(frozen=True)
class LogLine:
    """A line of a service's log. instance: its log stream; empty for a line that marks a deployment."""

    moment: datetime
    instance: str
    text: str


Result: TypeAlias = Plan | Removal | RotationPlan | LayerStatus | Stack


def outcome(plans: Sequence[Plan]) -> str:
    """The worst that happens: refused, failed, an effect, broader, modifies or nothing.

    Of a plan that failed only what is refused counts.
    """
    if any(plan.refusals for plan in plans):
        return "refused"
    if any(plan.failed for plan in plans):
        return "failed"
    worst = min((change.effect for plan in plans for change in plan.changes), default=None)
    if worst is not None and worst < Effect.MODIFIES:
        return key_of(worst)
    if any(right.direction in ("broader", "different") for plan in plans for right in plan.rights):
        return "broader"
    return "nothing" if worst is None and not any(plan.outputs for plan in plans) else "modifies"


def verdict(plans: Sequence[Plan]) -> str:
    """What decides, in a few sentences, with the logical IDs: what could not be previewed, what is refused or worst,
    then broader rights."""
    failed = [f"{plan.stack_name}: {plan.note.rstrip('.')}" for plan in plans if plan.failed]
    refusals = [(plan, refusal.logical_id, f" {refusal.what}") for plan in plans for refusal in plan.refusals]
    plans = [plan for plan in plans if not plan.failed]
    worst = outcome(plans)
    changes = [(plan, change) for plan in plans for change in plan.changes if key_of(change.effect) == worst]
    texts = [f"Could not be previewed: {some(failed, '; ')}."] if failed else []
    if refusals:
        texts.append(f"Refused: {some(_named(refusals), '; ')}.")
    elif changes and worst != "modifies":
        names = _named([(plan, change.logical_id, "") for plan, change in changes])
        texts.append(f"{name_of(changes[0][1].effect).capitalize()}: {some(names)}.")
    elif not failed:
        texts.append("Nothing to change." if worst == "nothing" else "Nothing is lost or replaced.")
    for direction, words in (("broader", "Broader rights"), ("different", "Rights that cannot be compared")):
        found = [
            (plan, right.logical_id, "") for plan in plans for right in plan.rights if right.direction == direction
        ]
        texts += [f"{words}: {some(_named(found))}."] if found else []
    return " ".join(texts)


def summary(plans: Sequence[Plan], prices: Prices | None = None) -> str:
    """Counts, such as "3 changes: 1 loses data, 2 modified.", of rights too; what is added to the bill.

    Resources of a template without a change set are counted apart, those of a plan that failed not at all. Empty if
    every plan failed.
    """
    plans = [plan for plan in plans if not plan.failed]
    if not plans:
        return ""
    rights = Counter(right.direction for plan in plans for right in plan.rights)
    cost = cost_of(total(plan.billed for plan in plans), prices)
    return "".join(
        (
            _changes(plans),
            f" Rights: {', '.join(f'{number} {name}' for name, number in sorted(rights.items()))}." if rights else "",
            f" Cost: {cost}." if cost else "",
        )
    )


def _named(found: Sequence[tuple[Plan, str, str]]) -> list[str]:
    """Each logical ID once, with its layer if there are several, and what is said of it."""
    several = len({plan.layer for plan, _, _ in found}) > 1
    return list(dict.fromkeys(f"{name}{f' ({plan.layer})' if several else ''}{text}" for plan, name, text in found))


def rehearsed(document: str, source: str) -> str:
    """A line about the result of a rehearsal, of an upgrade or not, which is JSON. `source` is its name in messages.

    Raises UsageError if it is none.
    """
    try:
        result = json.loads(document)
        line = f"Rehearsed{' from ' + result['from'] if 'from' in result else ''}: {result['summary']}."
        return " ".join([line, *(f"Does not hold: {reason}" for reason in result["reasons"][:1])])
    except (ValueError, LookupError, TypeError) as error:
        raise UsageError(f"{source} is not a result of `rehearse`: {type(error).__name__}: {error}.") from error


def cost_of(billed: Billed, prices: Prices | None) -> str:
    """Money per month, and the quantities that have no price."""
    money = prices.money(billed.quantities) if prices else {}
    priced = [f"{sum(money.values()):+,.2f} {prices.currency} per month"] if prices and money else []
    return some([*priced, *(f"{number:+f} {name}" for name, number in billed.quantities.items() if name not in money)])


def some(names: Sequence[str], separator: str = ", ", most: int = 4) -> str:
    """The first names, and how many more there are, if it is not one."""
    shown = names if len(names) <= most + 1 else [*names[:most], f"and {len(names) - most} more"]
    return separator.join(shown)


def _changes(plans: Sequence[Plan]) -> str:
    counts = Counter(change.effect for plan in plans if plan.seen for change in plan.changes)
    unseen = "".join(f" Up to {len(plan.changes)} added in {plan.stack_name}." for plan in plans if not plan.seen)
    total = sum(counts.values())
    if not total:
        return unseen.strip() or "Nothing to change."
    named = ", ".join(f"{number} {name_of(effect, number)}" for effect, number in sorted(counts.items()))
    return f"{counted(total, 'change')}: {named}.{unseen}"


def take_tags(number: int) -> str:
    """What is said of resources that change with the stack's tags."""
    return "1 resource takes the stack's tags" if number == 1 else f"{number} resources take the stack's tags"


def follow(number: int) -> str:
    """What is said of followers, before the names of what they follow."""
    return f"{counted(number, 'resource')} follow{'s' if number == 1 else ''}"


def happens(change: Change) -> str:
    """What happens to the resource, in words; empty if its symbol is enough."""
    old = {
        "ReplaceAndDelete": ", the old one is deleted",
        "ReplaceAndRetain": ", the old one stays",
        "ReplaceAndSnapshot": ", a snapshot of the old one stays",
        "Delete": "is deleted",
        "Retain": "leaves the stack and stays",
        "Snapshot": "is deleted, a snapshot stays",
    }
    policy = old.get(change.policy_action, change.policy_action)
    if change.action == "Modify" and change.replacement == "True":
        return f"is replaced{policy}"
    if change.replaces:
        return f"may be replaced{policy}"
    if change.effect is Effect.UNKNOWN:
        return " ".join(part for part in (change.action, change.replacement, change.policy_action) if part)
    if change.action == "SyncWithActual":
        return "stays as it is, and counts as drifted no longer"
    if change.drift == "DELETED":
        return "was deleted by hand, is created again"
    return policy if change.action == "Remove" else ""


def not_compared(change: Change) -> str:
    """That a drift-aware change set could not compare the resource with what runs; else empty."""
    words = {"UNKNOWN": "could not be read", "UNSUPPORTED": "cannot be read", "NOT_CHECKED": "was not read"}
    return f"manual changes are not seen: it {words[change.drift]}" if change.drift in words else ""


def key_of(effect: Effect) -> str:
    """The effect as programs get it, such as loses-data."""
    return effect.name.lower().replace("_", "-")


def name_of(effect: Effect, number: int = 1) -> str:
    """The effect in words, for a number of resources."""
    return "loses data" if effect is Effect.LOSES_DATA and number == 1 else NAMES[effect]


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
