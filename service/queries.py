"""Redis commands for a user: the hash `user:<email>`, as in the application that this one replaces."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from service.users import Fields

Command: TypeAlias = tuple[str, ...]


class Query(NamedTuple):
    """Commands for one key, sent together. Without commands, Redis is not asked.

    `reads`: the commands change nothing. `creates`: they are executed only if the key does not exist; otherwise the
    answers are [None]. `everywhere`: every shard has to answer as well.
    """

    key: str = ""
    commands: tuple[Command, ...] = ()
    reads: bool = False
    creates: bool = False
    everywhere: bool = False


def reading(email: str, *, everywhere: bool = False) -> Query:
    key = f"user:{email}"
    return Query(key, (("HGETALL", key),), reads=True, everywhere=everywhere)


def merging(email: str, fields: Fields) -> Query:
    key = f"user:{email}"
    return Query(key, (_hset(key, fields),))


def replacing(email: str, fields: Fields, *, creates: bool = False) -> Query:
    key = f"user:{email}"
    return Query(key, (("MULTI",), ("DEL", key), _hset(key, fields), ("EXEC",)), creates=creates)


def deleting(email: str) -> Query:
    key = f"user:{email}"
    return Query(key, (("DEL", key),))


def found(answers: list[Any]) -> Fields | None:
    """The user in the answers to `reading`."""
    # Other programs may have stored any bytes.
    text = [part.decode(errors="replace") for part in answers[0]]
    return dict(zip(text[::2], text[1::2], strict=True)) or None


def _hset(key: str, fields: Fields) -> Command:
    return ("HSET", key, *(part for pair in fields.items() for part in pair))
