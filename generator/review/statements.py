"""Two IAM policies, or two sets of them, compared by what they allow.

A policy is taken apart into grants: one effect for one principal, action and resource under some conditions. What is
granted afterwards and was not before is broader, whether statements were merged, split, moved or renamed.

Facts: IAM user guide, "IAM JSON policy elements" and "Condition operators" (a key's values are joined by OR, negated
operators by NOR; an absent key fails an operator unless that is negated or ends in IfExists).
"""

from __future__ import annotations

import ipaddress
import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from typing import Any, Literal

from generator.review.patterns import Truth, disjoint, every, includes, is_unknown, pattern, readable, some

Direction = Literal["broader", "narrower", "different", "granted"]

_ACCOUNT = re.compile(r"arn:[^:]+:iam::(\d{12}):root")
# Condition operators: those whose values are text, the ones of them with wildcards, and what must not be.
_TEXT = {f"{kind}{name}" for kind in ("string", "stringnot") for name in ("equals", "like", "equalsignorecase")}
_WILDCARDS = {"stringlike", "stringnotlike", "arnequals", "arnlike", "arnnotequals", "arnnotlike"}
_NOT_EQUAL = {"numericnotequals", "datenotequals"}
_NEGATED = {name for name in _TEXT | _WILDCARDS if "not" in name} | _NOT_EQUAL | {"notipaddress"}
_EXACT = {"numericequals", "dateequals", "bool", "null", "binaryequals"} | _NOT_EQUAL
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    f"{kind}{name}{equal}": order
    for kind in ("numeric", "date")
    for name, order in (("lessthan", operator.le), ("greaterthan", operator.ge))
    for equal in ("", "equals")
}
_ADDRESSES = {"ipaddress", "notipaddress"}
_KNOWN = _TEXT | _WILDCARDS | _NEGATED | _EXACT | _ORDERED.keys() | _ADDRESSES
_SHOWN = 4


@dataclass(frozen=True)
class Names:
    """Principals, actions or resources: those that a pattern matches, or, negated, all others."""

    patterns: frozenset[str]
    negated: bool = False

    def include(self, other: Names, fold: bool = False) -> Truth:
        pairs = ((ours, theirs) for theirs in other.patterns for ours in self.patterns)
        match self.negated, other.negated:
            case False, False:
                return every(some(includes(ours, one, fold) for ours in self.patterns) for one in other.patterns)
            case True, False:
                return every(disjoint(ours, theirs, fold) for ours, theirs in pairs)
            case True, True:
                return every(some(includes(one, ours, fold) for one in other.patterns) for ours in self.patterns)
        return Truth.YES if "*" in self.patterns else Truth.NO

    def __str__(self) -> str:
        if self.negated and not self.patterns:
            return "anything"
        names = sorted(map(readable, self.patterns))
        rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"{'all but ' if self.negated else ''}{', '.join(names[:_SHOWN])}{rest}"


@dataclass(frozen=True)
class Condition:
    """One operator, in lower case and without IfExists, with one key and its values. `text` is what a person reads."""

    operator: str
    if_exists: bool
    key: str
    values: frozenset[str]
    text: str = field(compare=False)

    def implied_by(self, other: Condition) -> Truth:
        """Whether each request that meets the other condition meets this one."""
        quantifier, _, name = self.operator.rpartition(":")
        others_quantifier, _, others = other.operator.rpartition(":")
        negated = name in _NEGATED
        if self.key != other.key or quantifier != others_quantifier or negated != (others in _NEGATED):
            return Truth.NO
        if other.if_exists and not self.if_exists and not negated:
            return Truth.NO
        if name == others and name not in _KNOWN:
            return Truth.YES if self == other else Truth.MAYBE
        loose, strict = (others, name) if negated else (name, others)
        folds = "ignorecase" in loose
        same_kind = {name, others} <= _TEXT | _WILDCARDS and name[:3] == others[:3]
        if not (name == others or (same_kind and (folds or "ignorecase" not in strict))):
            return Truth.NO
        wide, narrow = (other.values, self.values) if negated else (self.values, other.values)
        return every(some(_within(loose, value, limit, folds) for limit in wide) for value in narrow)


def _within(name: str, value: str, limit: str, folds: bool) -> Truth:
    try:
        if name in _ADDRESSES:
            return includes_network(limit, value)
        if name in _ORDERED:
            number: Callable[[str], Any] = float if name.startswith("numeric") else datetime.fromisoformat
            return Truth.YES if _ORDERED[name](number(value), number(limit)) else Truth.NO
    except (TypeError, ValueError):
        pass
    return includes(limit, value, folds)


def includes_network(wide: str, narrow: str) -> Truth:
    """Whether one CIDR block or address includes the other; ValueError if either is none."""
    outer, inner = ipaddress.ip_network(wide, strict=False), ipaddress.ip_network(narrow, strict=False)
    return Truth.YES if outer.version == inner.version and inner.subnet_of(outer) else Truth.NO  # type: ignore[arg-type]


@dataclass(frozen=True)
class Grant:
    """What one statement allows or denies, for one action, resource and principal of it."""

    allows: bool
    principal: Names
    action: Names
    resource: Names
    conditions: frozenset[Condition]
    statement: str = field(compare=False)

    def covers(self, other: Grant) -> Truth:
        names = self.names(other)
        return names if names is Truth.NO else every((names, *(truth for _, truth in self.unmet(other))))

    def names(self, other: Grant) -> Truth:
        """Whether this grant has the principal, action and resource of the other."""
        if self.allows != other.allows or (truth := self.action.include(other.action, fold=True)) is Truth.NO:
            return Truth.NO
        return every((truth, self.resource.include(other.resource), self.principal.include(other.principal)))

    def unmet(self, other: Grant) -> list[tuple[Condition, Truth]]:
        """The conditions of this grant that those of the other do not imply."""
        truths = [(ours, some(ours.implied_by(theirs) for theirs in other.conditions)) for ours in self.conditions]
        return [(condition, truth) for condition, truth in truths if truth is not Truth.YES]


def compare(before: Iterable[Any], after: Iterable[Any]) -> Iterator[tuple[Direction, str, str]]:
    """The statements that change what some policy documents allow together: the direction, the statement as it reads,
    and what it newly or no longer allows or denies. ValueError if a document cannot be read."""
    old, new = ([grant for document in side for grant in grants(document)] for side in (before, after))
    for gained, ours, theirs in ((True, new, old), (False, old, new)):
        known = {grant for grant in theirs if not is_unknown(grant.statement)}
        found: dict[tuple[str, Truth], list[Grant]] = {}
        for grant in ours:
            truth = Truth.YES if grant in known else some(other.covers(grant) for other in theirs)
            if truth is not Truth.YES:
                found.setdefault((grant.statement, truth), []).append(grant)
        for (statement, truth), those in found.items():
            why = _why(those, theirs, gained)
            if truth is Truth.NO:
                yield "broader" if gained == those[0].allows else "narrower", statement, why
            else:
                yield "different", statement, f"possibly {why}; this cannot be decided before the deployment"


def _why(those: Sequence[Grant], others: Sequence[Grant], gained: bool) -> str:
    """What these grants, all of one statement, do that none of the others does."""
    first = those[0]
    action, resource, principal = (
        Names(frozenset(one for grant in those for one in getattr(grant, part).patterns), getattr(first, part).negated)
        for part in ("action", "resource", "principal")
    )
    text = f"{'newly' if gained else 'no longer'} {'allows' if first.allows else 'denies'} {action}"
    text += "" if resource == ANYTHING else f" on {resource}"
    text += "" if principal == ANYTHING else f" to {principal}"
    unmet = [
        condition.text for other in others if other.names(first) is Truth.YES for condition, _ in other.unmet(first)
    ]
    return f"{text} without {', '.join(sorted(set(unmet)))}" if unmet else text


ANYTHING = Names(frozenset(), negated=True)


def grants(document: Any) -> Iterator[Grant]:
    """The grants of a policy document, as a mapping or as JSON; ValueError if it cannot be read."""
    if isinstance(document, str):
        document = json.loads(document)
    if not isinstance(document, Mapping) or "Statement" not in document:
        raise ValueError("not a policy document")
    variables = document.get("Version") == "2012-10-17"
    for statement in listed(document.get("Statement")):
        if not isinstance(statement, Mapping) or statement.get("Effect") not in ("Allow", "Deny"):
            raise ValueError("not a statement")
        conditions = frozenset(_conditions(statement.get("Condition", {}), variables))
        text = json.dumps(statement)
        for principal, action, resource in product(
            *(_names(statement, element, variables) for element in ("Principal", "Action", "Resource"))
        ):
            yield Grant(statement["Effect"] == "Allow", principal, action, resource, conditions, text)


def _names(statement: Mapping[str, Any], element: str, variables: bool) -> list[Names]:
    """Each of the names by itself, or all that a Not element has; an element that is absent limits nothing."""
    negated = f"Not{element}" in statement
    given = statement.get(f"Not{element}" if negated else element)
    if given is None:
        return [ANYTHING]
    if element == "Principal":
        found = _principals(given)
    else:
        found = [re.sub(r"^\*:\*$", "*", pattern(value, variables=variables)) for value in listed(given)]
    return [Names(frozenset(found), True)] if negated else [Names(frozenset({name})) for name in found]


def _principals(given: Any) -> list[str]:
    if not isinstance(given, Mapping) or not given.keys() <= {"AWS", "Service", "Federated", "CanonicalUser"}:
        return [pattern(given)]
    named = [(kind, pattern(value)) for kind, values in given.items() for value in listed(values)]
    # An account by its number or by its root user (IAM user guide, "AWS JSON policy elements: Principal").
    return ["*" if name == ("AWS", "*") else ":".join((name[0], _ACCOUNT.sub(r"\1", name[1]))) for name in named]


def _conditions(block: Any, variables: bool) -> Iterator[Condition]:
    if not isinstance(block, Mapping) or not all(isinstance(keys, Mapping) for keys in block.values()):
        raise ValueError("not a condition")
    for name, keys in block.items():
        lower = name.lower()
        plain = lower.removesuffix("ifexists")
        wildcards = plain.rpartition(":")[2] in _WILDCARDS
        for key, values in keys.items():
            found = frozenset(pattern(value, wildcards=wildcards, variables=variables) for value in listed(values))
            text = f"{name} {key} {' or '.join(sorted(map(readable, found)))}"
            yield Condition(plain, plain != lower, key.lower(), found, text)


def listed(value: Any) -> list[Any]:
    """A value that may be written without its list."""
    return value if isinstance(value, list) else [] if value is None else [value]
