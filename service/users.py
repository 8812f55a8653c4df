"""What a user is: the types that validate it, and from which /openapi.json is generated.

A user is a JSON object of strings. `email` and `name` are required, other attributes are stored unchanged.
"""

from __future__ import annotations

import json
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

MAX_BODY = 64 * 1024

# RFC 5321 allows an address 254 characters. Everything but control characters may stand before the @, because a quoted
# local part holds nearly anything; a domain holds no spaces. Every address has an @, so no route can be one.
Email = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=254,
        pattern="^[^\\u0000-\\u001f\\u007f-\\u009f]+@[^\\u0000-\\u0020\\u007f-\\u009f@]+$",
        description="An e-mail address, kept exactly as given: no change of case, no normalisation.",
    ),
]
Name = Annotated[str, Meta(min_length=1, max_length=256, pattern="^[^\\u0000]+$", description="Any text without NUL.")]
Key = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[^\\u0000]+$")]
Value = Annotated[str, Meta(max_length=4096, pattern="^[^\\u0000]*$", description="Any text without NUL.")]
Attributes = Annotated[dict[Key, Value], Meta(max_length=64)]

Fields: TypeAlias = dict[str, str]


class User(msgspec.Struct):
    """A user; further attributes are strings too."""

    email: Email
    name: Name


class Problem(msgspec.Struct, omit_defaults=True):
    """RFC 9457."""

    title: str
    status: int
    detail: str = ""


class InvalidUserError(Exception):
    """The body is not a user. The message names the place and the rule, and repeats nothing of the body."""


class UnavailableError(Exception):
    """The store cannot answer, or not in time. The message is for clients: no host, no key, no secret."""


def parse(body: bytes) -> Fields:
    """The user in `body`. Raises InvalidUserError."""
    try:
        fields = _attributes.decode(body)
        msgspec.convert(fields, User)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # msgspec names the place and the rule, never the value. UnicodeDecodeError would quote the bytes.
        reason = str(error) if isinstance(error, msgspec.MsgspecError) else "not JSON in UTF-8"
        raise InvalidUserError(reason) from None
    # Python's $ also matches before a final newline; JSON Schema's does not.
    if fields["email"].endswith("\n"):
        raise InvalidUserError("Expected no newline - at `$.email`")
    # msgspec keeps the last of two equal keys without an error. A flat object of strings has four quotation marks for
    # each attribute, unless some are escaped. Counting them takes 0.1 of json.loads's 5 µs.
    if body.count(b'"') != 4 * len(fields) and len(json.loads(body, object_pairs_hook=list)) != len(fields):
        raise InvalidUserError("Object names an attribute twice")
    return fields


def dump(value: Fields | Problem) -> bytes:
    """One line of JSON with a newline; a user's keys are sorted."""
    return _encoder.encode(value) + b"\n"


_attributes = msgspec.json.Decoder(Attributes)
_encoder = msgspec.json.Encoder(order="deterministic")
