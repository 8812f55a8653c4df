"""Strings with wildcards and intrinsic functions as patterns, and three-valued comparison of patterns.

A pattern is a string in which `*` and `?` are wildcards. An intrinsic function or a policy variable, whose value is not
known here, is a token: it equals itself, is matched by `*`, and may or may not equal anything else.

Facts: IAM user guide, "IAM JSON policy elements: Resource" (wildcards) and "IAM policy elements: Variables and tags"
(`${*}`, `${?}`, `${$}`; variables exist from version 2012-10-17 on).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any

from generator.stacks.change_set import KNOWN_AFTER_APPLY, KNOWN_AFTER_DEPLOYMENT

# Control characters, which no property contains: a token's two ends, and `*` and `?` that are no wildcards.
_OPEN, _CLOSE, _STAR, _QUESTION = "\x01", "\x02", "\x03", "\x04"
# A token that may be any text.
_FREE = "\x05"
_TOKEN = re.compile(f"{_OPEN}[^{_CLOSE}]*{_CLOSE}")
_UNKNOWN = f"{_OPEN}{_CLOSE}"
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
# What `*` matches: any characters, and tokens as a whole.
_ANYTHING = f"(?:[^{_OPEN}]|{_OPEN}[^{_CLOSE}]*{_CLOSE})*"


class Truth(IntEnum):
    """Kleene's logic: `min` is and, `max` is or."""

    NO = 0
    MAYBE = 1
    YES = 2


def every(truths: Iterable[Truth]) -> Truth:
    return min(truths, default=Truth.YES)


def some(truths: Iterable[Truth]) -> Truth:
    return max(truths, default=Truth.NO)


def pattern(value: Any, *, wildcards: bool = True, variables: bool = False) -> str:
    """A property's value as a pattern. `variables`: `${...}` in its text are policy variables."""
    return _Encoder(wildcards, variables).value(value)


@dataclass(frozen=True)
class _Encoder:
    wildcards: bool
    variables: bool

    def value(self, value: Any) -> str:
        match value:
            case str():
                return self.text(value)
            case bool() | int() | float():
                return str(value).lower()
            case {"Ref": str() as name} | {"Fn::GetAtt": str() as name}:
                return _token(name)
            case {"Fn::GetAtt": [str() as resource, str() as attribute]}:
                return _token(f"{resource}.{attribute}")
            case {"Fn::Sub": str() as template}:
                return self.substituted(template, {})
            case {"Fn::Sub": [str() as template, dict() as given]}:
                return self.substituted(template, given)
            case {"Fn::ImportValue": name}:
                return _token(f"import {readable(self.value(name))}")
            case {"Fn::Join": [str() as separator, list() as parts]}:
                return self.text(separator).join(map(self.value, parts))
        return _token(json.dumps(value, sort_keys=True))

    def text(self, plain: str) -> str:
        if KNOWN_AFTER_APPLY in plain:
            return _UNKNOWN.join(map(self.text, plain.split(KNOWN_AFTER_APPLY)))
        if not self.wildcards:
            plain = plain.replace("*", _STAR).replace("?", _QUESTION)
        return _VARIABLE.sub(self.variable, plain) if self.variables else plain

    def variable(self, found: re.Match[str]) -> str:
        return {"*": _STAR, "?": _QUESTION, "$": "$"}.get(found[1]) or _token(found[1])

    def substituted(self, template: str, given: Mapping[str, Any]) -> str:
        pieces = []
        # Texts and, between them, names.
        for place, piece in enumerate(_VARIABLE.split(template)):
            if place % 2 == 0:
                pieces.append(self.text(piece))
            elif piece.startswith("!"):
                pieces.append(self.value(f"${{{piece[1:]}}}"))
            else:
                pieces.append(self.value(given.get(piece, {"Ref": piece})))
        return "".join(pieces)


def _token(name: str) -> str:
    return f"{_OPEN}{name}{_CLOSE}"


def readable(encoded: str) -> str:
    """A pattern for a person: a token as `${name}`."""
    shown = encoded.replace(_UNKNOWN, KNOWN_AFTER_DEPLOYMENT).replace(_STAR, "*").replace(_QUESTION, "?")
    return _TOKEN.sub(lambda found: f"${{{found[0][1:-1]}}}", shown)


def expected(value: Any) -> str:
    """A property's or output's value, as far as it is known before a deployment.

    >>> expected({"Fn::Sub": "${Cluster.ClusterEndpoint.Address}:6379"})
    '(known after deployment):6379'
    """
    return _TOKEN.sub(KNOWN_AFTER_DEPLOYMENT, pattern(value))


def is_unknown(text: str) -> bool:
    """Whether CloudFormation does not know a value in this text yet."""
    return KNOWN_AFTER_APPLY in text


def has_token(*encoded: str) -> bool:
    return any(_OPEN in one for one in encoded)


@lru_cache(1 << 16)
def includes(wide: str, narrow: str, fold: bool = False) -> Truth:
    """Whether every string that `narrow` matches is matched by `wide`; with `fold`, whatever their case.

    A token is taken for a text without wildcards: it may equal another text, and never includes `*`.
    """
    if _expression(wide, fold).fullmatch(narrow):
        return Truth.YES
    # Only tokens that are not on both sides can make up for the difference.
    free = set(_TOKEN.findall(wide)) ^ set(_TOKEN.findall(narrow)) | {_UNKNOWN}
    one, other = (_TOKEN.sub(lambda found: _FREE if found[0] in free else found[0], text) for text in (wide, narrow))
    loose = (one, other) != (wide, narrow) and _meet(one, other, f"*{_FREE}", _FREE, fold)
    return Truth.MAYBE if loose else Truth.NO


@lru_cache(1 << 16)
def disjoint(one: str, other: str, fold: bool = False) -> Truth:
    """Whether no string is matched by both."""
    if not _meet(_TOKEN.sub("*", one), _TOKEN.sub("*", other), "*", "*", fold):
        return Truth.YES
    return Truth.MAYBE if one != other and has_token(one, other) else Truth.NO


@lru_cache(1 << 16)
def _expression(wide: str, fold: bool) -> re.Pattern[str]:
    kinds = {"*": _ANYTHING, "?": f"[^*{_OPEN}{_CLOSE}]", _UNKNOWN: "(?!)"}
    parts = re.findall(f"{_TOKEN.pattern}|.", wide, re.DOTALL)
    return re.compile("".join(kinds.get(part) or re.escape(part) for part in parts), re.IGNORECASE if fold else 0)


def _meet(one: str, other: str, runs: str, others: str, fold: bool) -> bool:
    """Whether two patterns can be matched up, where `runs` in the one and `others` in the other stand for any text."""
    if fold:
        one, other = one.lower(), other.lower()
    places, seen = [(0, 0)], set[tuple[int, int]]()
    while places:
        i, j = place = places.pop()
        if place in seen:
            continue
        seen.add(place)
        if place == (len(one), len(other)):
            return True
        a, b = one[i : i + 1], other[j : j + 1]
        if a and a in runs:
            places += [(i + 1, j), *([(i, j + 1)] if b and (a == "*" or b not in "*?") else [])]
        if b and b in others:
            places += [(i, j + 1), *([(i + 1, j)] if a and (b == "*" or a not in "*?") else [])]
        if a and b and (a == b or ("?" in (a, b) and "*" not in (a, b))):
            places.append((i + 1, j + 1))
    return False
