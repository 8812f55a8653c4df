"""The Redis commands of a request: `query_for`.

A user is the hash `user:<email>`, as in the application that this one replaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple, TypeAlias

from service.users import Fields, InvalidUserError, parse

# All other paths are users. Every address has an @, so it is none of these; it may contain slashes.
PATHS = {"/", "/health", "/ready", "/openapi.json"}

Command: TypeAlias = tuple[str, ...]
User: TypeAlias = Fields | InvalidUserError | None


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


def query_for(method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[Query, User]:
    """The query that the application needs the answers of, and the user in the body."""
    key = f"user:{path[1:]}"
    if method in {"POST", "PUT"}:
        try:
            user = parse(body)
        except InvalidUserError as error:
            return Query(), error
        own = f"user:{user['email']}"
        store = ("HSET", own, *chain.from_iterable(user.items()))
        if method == "POST" and path == "/":
            return Query(own, (store,)), user
        if method == "PUT" and key == own:
            creates = headers.get("IF_NONE_MATCH") == "*"
            return Query(key, (("MULTI",), ("DEL", key), store, ("EXEC",)), creates=creates), user
        return Query(), user
    everywhere = path == "/ready"
    if method in {"GET", "HEAD"} and (everywhere or path not in PATHS):
        return Query(key, (("HGETALL", key),), reads=True, everywhere=everywhere), None
    if method == "DELETE" and path not in PATHS:
        return Query(key, (("DEL", key),)), None
    return Query(), None
