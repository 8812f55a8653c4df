"""Two access strings, of MemoryDB or ElastiCache users, compared by what they allow.

Facts: MemoryDB developer guide, "Specifying permissions using an access string"; Redis documentation, "ACL".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from generator.review.patterns import Truth, includes, readable, some
from generator.review.statements import Direction

_SELECTOR = re.compile(r"\([^)]*\)")


@dataclass
class _Access:
    """What an access string sets. A later rule for a command wins over an earlier one."""

    on: bool = False
    without_password: bool = False
    keys: set[str] = field(default_factory=set)
    channels: set[str] = field(default_factory=set)
    commands: list[str] = field(default_factory=list)
    selectors: set[str] = field(default_factory=set)

    @property
    def ordered(self) -> bool:
        """Whether a command is taken away and another one, or the same, is added after that."""
        return "-+" in "".join(rule[0] for rule in self.commands)

    def rules(self, sign: str) -> set[str]:
        return {rule[1:] for rule in self.commands if rule[0] == sign}


def difference(before: str, after: str) -> Iterator[tuple[Direction, str]]:
    """What the second string, as `patterns.pattern` makes it, allows more and less than the first."""
    old, new = _access(before), _access(after)
    more: list[str] = []
    less: list[str] = []
    doubtful: list[str] = []
    for name, meaning in (("on", "the user may log in"), ("without_password", "no password is asked for")):
        if getattr(old, name) != getattr(new, name):
            (more if getattr(new, name) else less).append(meaning)

    def compare(what: str, ours: set[str], theirs: set[str], found: list[str], covers: _Covers) -> None:
        truths = {rule: some(covers(other, rule) for other in theirs) for rule in ours}
        for truth, to in ((Truth.NO, found), (Truth.MAYBE, doubtful)):
            names = sorted(readable(rule) for rule in ours if truths[rule] is truth)
            to += [f"{what} {' '.join(names)}"] if names else []

    for what, mine, theirs in (("keys", new.keys, old.keys), ("channels", new.channels, old.channels)):
        compare(what, mine, theirs, more, _key_covers)
        compare(what, theirs, mine, less, _key_covers)
    if old.commands != new.commands and (old.ordered or new.ordered):
        doubtful.append("commands, whose order matters")
    else:
        compare("commands", new.rules("+"), old.rules("+"), more, _command_covers)
        compare("commands denied before:", old.rules("-"), new.rules("-"), more, _command_covers)
        compare("commands", old.rules("+"), new.rules("+"), less, _command_covers)
        compare("commands now denied:", new.rules("-"), old.rules("-"), less, _command_covers)
    if old.selectors != new.selectors:
        doubtful.append("selectors")
    if more:
        yield "broader", f"newly allows: {'; '.join(more)}"
    if doubtful:
        yield "different", f"cannot be compared: {'; '.join(dict.fromkeys(doubtful))}"
    if less:
        yield "narrower", f"no longer allows: {'; '.join(less)}"


_Covers = Callable[[str, str], Truth]


def _key_covers(wide: str, narrow: str) -> Truth:
    access, _, pattern = wide.partition("~")
    others, _, other = narrow.partition("~")
    if not set(others or "RW") <= set(access or "RW"):
        return Truth.NO
    if re.search(r"[\[\\]", pattern + other) and pattern not in ("*", other):
        return Truth.MAYBE
    return includes(pattern, other)


def _command_covers(wide: str, narrow: str) -> Truth:
    if wide in ("@all", narrow) or narrow.startswith(f"{wide}|"):
        return Truth.YES
    # Which commands a category holds depends on the engine's version.
    return Truth.MAYBE if "@" in (wide[:1], narrow[:1]) and narrow != "@all" else Truth.NO


def _access(text: str) -> _Access:
    found = _Access(selectors=set(_SELECTOR.findall(text)))
    for rule in _SELECTOR.sub(" ", text).split():
        match rule.lower():
            case "reset":
                found = _Access(selectors=found.selectors)
            case "on" | "off" as state:
                found.on = state == "on"
            case "nopass" | "resetpass" as state:
                found.without_password = state == "nopass"
            case "resetkeys":
                found.keys = set()
            case "resetchannels":
                found.channels = set()
            case "allkeys":
                found.keys.add("~*")
            case "allchannels":
                found.channels.add("~*")
            case "-@all" | "nocommands":
                found.commands = []
            case "+@all" | "allcommands":
                found.commands = ["+@all"]
            case lower if lower[0] in "+-":
                found.commands.append(lower)
            case _ if rule[0] == "&":
                found.channels.add(f"~{rule[1:]}")
            case _ if "~" in rule and rule[0] in "~%":
                access, _, pattern = rule.removeprefix("%").partition("~")
                found.keys.add(f"{'' if len(access) == 2 else access.upper()}~{pattern}")
            case _:
                # A password, or what this does not know.
                found.selectors.add(rule)
    return found
