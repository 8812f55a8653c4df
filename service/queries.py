"""What is asked of Redis about a user, who is the hash `user:<email>` there, as the program this replaces stores it."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from service.users import Fields

Command: TypeAlias = tuple[str, ...]


class Query(NamedTuple):
    """Commands about one user, sent together; without any, nothing is asked.

    `reads`: it changes nothing. `creates`: it is done only if there is no such user, whose answer is None otherwise.
    `everywhere`: every shard has to answer as well.
    """

    key: str = ""
    commands: tuple[Command, ...] = ()
    reads: bool = False
    creates: bool = False
    everywhere: bool = False


def reading(email: str) -> Query:
    key = f"user:{email}"
    return Query(key, (("HGETALL", key),), reads=True)


def merging(email: str, fields: Fields) -> Query:
    """Sets `fields`, and leaves what else the user has."""
    key = f"user:{email}"
    return Query(key, (_hset(key, fields),))


def replacing(email: str, fields: Fields, *, creates: bool = False) -> Query:
    """Makes `fields` all that the user has, in one step."""
    key = f"user:{email}"
    return Query(key, (("MULTI",), ("DEL", key), _hset(key, fields), ("EXEC",)), creates=creates)


def deleting(email: str) -> Query:
    key = f"user:{email}"
    return Query(key, (("DEL", key),))


def checking() -> Query:
    return reading("")._replace(everywhere=True)


def found(answers: list[Any]) -> Fields | None:
    """The user that was read."""
    # Other writers may have stored any bytes.
    text = [part.decode(errors="replace") for part in answers[0]]
    return dict(zip(text[::2], text[1::2], strict=True)) or None


def _hset(key: str, fields: Fields) -> Command:
    return ("HSET", key, *(part for pair in fields.items() for part in pair))
