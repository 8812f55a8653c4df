"""Parameters and tags from options and files, in the forms that AWS's own tools take.

`parameter_file` reads a file, `parameters` and `tags` read the values of a repeatable option. What cannot be understood
whole is refused with its place, and nothing is dropped: a key that this command does not apply, such as StackPolicy,
is an error.

Sources: aws-cli, `deploy --parameter-overrides` and `shorthand.py`; CodePipeline user guide, "Template configuration
file"; CloudFormation API reference, CreateChangeSet, Parameter and Tag.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

from generator.errors import UsageError

TAG_LIMIT = 50
TAG_KEY_LENGTH, TAG_VALUE_LENGTH = 128, 256

FILE, INLINE = "file://", ("[", "{")

# Keys of an object that holds parameters under a key of their own.
SECTIONS = ("Parameters", "Tags", "StackPolicy")
# Where a file came from, by a key that only such a file has.
OTHER_FILES = {
    "StackPolicy": "a stack policy is not applied by this command: remove it, and set it with "
    "`aws cloudformation set-stack-policy`",
    "template-file-path": "this is a deployment file of CloudFormation's Git sync: rename parameters to Parameters and "
    "tags to Tags, and remove template-file-path",
    "AWSTemplateFormatVersion": "this is a template, not a parameter file",
    "Resources": "this is a template, not a parameter file",
    "StackName": "pass the stack's name with --name",
}
# The AWS CLI's shorthand: Name=value,Name=value. A value in quotes may contain a comma; elsewhere it is written \,
MEMBER = re.compile(r"""\s*(\w+)\s*=\s*("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?:\\.|[^,\\])*)(,|$)""", re.DOTALL)
YAML = re.compile(rb"\s*(---\s|#|- |[\w\"'-]+:\s)")


@dataclass(frozen=True)
class Values:
    """What was given. `previous` names the parameters with UsePreviousValue, which keep what is deployed."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    previous: frozenset[str] = frozenset()


def parameter_file(source: str) -> Values:
    """The values in a file; `source` is its path, with or without file://, or what the AWS CLI's --parameters takes.

    Raises UsageError for a file that cannot be read, and for anything in it that cannot be passed on.
    """
    if source.startswith(INLINE) or ("=" in source and not os.path.exists(source.removeprefix(FILE))):
        return parameters("--parameters", [source])
    return _values(source, _load(source))


def parameters(option: str, texts: Iterable[str]) -> Values:
    """The values of a repeatable option: KEY=VALUE, the AWS CLI's shorthand, JSON, or file://PATH.

    Raises UsageError for another form, and for a key that is given twice.
    """
    found: list[tuple[str, str | None]] = []
    tags_found: dict[str, str] = {}
    for text in texts:
        if text.startswith((FILE, *INLINE)):
            inside = _values(_place(option, text), _load(text, option))
            found += [*inside.parameters.items(), *((name, None) for name in inside.previous)]
            tags_found |= inside.tags
        elif members := _shorthand(option, text, "ParameterKey", ("ParameterValue", "UsePreviousValue")):
            if "UsePreviousValue" in members:
                members["UsePreviousValue"] = members["UsePreviousValue"].lower() == "true"
            found.append(_parameter(option, "", members))
        else:
            found.append(_pair(option, text))
    return _collected(option, found, tags_found)


def tags(option: str, texts: Iterable[str]) -> dict[str, str]:
    """The tags of a repeatable option: KEY=VALUE, the AWS CLI's shorthand, JSON, or file://PATH.

    Raises UsageError for another form, for a key that is given twice, and for a tag that CloudFormation does not take.
    """
    found: list[tuple[str, str]] = []
    for text in texts:
        if text.startswith((FILE, *INLINE)):
            document = _load(text, option)
            inside = document["Tags"] if isinstance(document, dict) and [*document] == ["Tags"] else document
            found += _tags(_place(option, text), inside, "").items()
        elif members := _shorthand(option, text, "Key", ("Value",)):
            found.append((members["Key"], members.get("Value", "")))
        else:
            found.append(_pair(option, text))
    return checked_tags(option, unique(option, found))


def _place(option: str, source: str) -> str:
    """Where a fault is: the option, and its file. A value written in the option may be secret and is left out."""
    return option if source.startswith(INLINE) else f"{option} {source}".strip()


class _Number(str):
    """A number as the file writes it: 1.50 stays 1.50, and 1e400 does not become Infinity."""


def _load(source: str, option: str = "") -> Any:
    """The JSON document in a file or in the text itself."""
    where = _place(option, source)
    content = source.encode("utf-8", "surrogatepass") if source.startswith(INLINE) else _content(source)
    try:
        # Windows PowerShell writes a byte order mark, and UTF-16 when it redirects.
        text = content.decode(json.detect_encoding(content))
        document = json.loads(
            text,
            object_pairs_hook=partial(_without_doubles, where),
            parse_constant=partial(_refuse_constant, where),
            parse_int=_Number,
            parse_float=_Number,
        )
    except UnicodeDecodeError as error:
        raise UsageError(f"{where} is not JSON: byte {error.start + 1} is not {error.encoding.upper()}.") from error
    except json.JSONDecodeError as error:
        if source.endswith((".yaml", ".yml")) or YAML.match(content):
            raise UsageError(f"{where} is YAML: write it as JSON, which is what this command reads.") from error
        at = f"line {error.lineno}, column {error.colno}"
        raise UsageError(f"{where} is not JSON: {error.msg} at {at}.") from error
    except RecursionError as error:
        raise UsageError(f"{where}: lists or objects are nested too deeply.") from error
    for place, text in _texts(document):
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise UsageError(f"{where}: {ascii(place)[1:-1]} contains half a character, a surrogate without its pair.")
    return document


def _content(source: str) -> bytes:
    path = os.path.expanduser(source.removeprefix(FILE))
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from error


def _without_doubles(where: str, members: list[tuple[str, Any]]) -> dict[str, Any]:
    counts = Counter(key for key, _ in members)
    for key, number in counts.items():
        if number > 1:
            raise UsageError(f"{where}: the key {key} is there twice. Remove one of the two.")
    return dict(members)


def _refuse_constant(where: str, text: str) -> NoReturn:
    raise UsageError(f"{where}: {text} is not a value: JSON has no {text}, and CloudFormation takes none.")


def _texts(node: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every key and text in a document, with its place."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        at = _at(place, key)
        yield from ((at, text) for text in (key, value) if isinstance(text, str))
        yield from _texts(value, at)


def _values(where: str, document: Any) -> Values:
    match document:
        case {"Parameters": _} | {"Tags": _} | {"StackPolicy": _}:
            for key in document:
                if key not in SECTIONS[:2]:
                    _refuse_key(where, key)
            return _sections(where, document)
        case dict():
            for key in document:
                if key in OTHER_FILES or isinstance(document[key], dict):
                    _refuse_key(where, key)
            return Values({key: _text(where, key, value) for key, value in document.items()})
        case list():
            return _parameters(where, document, "")
    raise UsageError(
        f"{where} is not a parameter file: it is {_kind(document)}, but must be a list of ParameterKey and "
        'ParameterValue, a list of "Key=Value", or an object of Parameters and Tags.'
    )


def _sections(where: str, document: Mapping[str, Any]) -> Values:
    given = document.get("Parameters", {})
    tags = checked_tags(where, _tags(where, document.get("Tags"), "Tags"))
    if isinstance(given, list):
        inside = _parameters(where, given, "Parameters")
        return Values(inside.parameters, tags, inside.previous)
    if not isinstance(given, dict):
        raise UsageError(f"{where}: Parameters is {_kind(given)}, but must be an object or a list.")
    return Values({key: _text(where, f"Parameters.{key}", value) for key, value in given.items()}, tags)


def _parameters(where: str, items: Sequence[Any], place: str) -> Values:
    found: list[tuple[str, str | None]] = []
    for index, item in enumerate(items):
        at = _at(place, index)
        match item:
            case {"ParameterKey": _}:
                found.append(_parameter(where, at, item))
            case str() if not isinstance(item, _Number):
                found.append(_pair(f"{where}: {at}", item))
            case {"Key": _}:
                raise UsageError(f"{where}: {at} is a tag: put it in an object under Tags, or pass it with --tag.")
            case _:
                raise UsageError(
                    f'{where}: {at} is {_kind(item)}, but must be an object with ParameterKey, or "Key=Value".'
                )
    return _collected(where, found, {})


def _collected(where: str, found: Iterable[tuple[str, str | None]], tags: Mapping[str, str]) -> Values:
    """The parameters by name; those without a value keep the previous one."""
    by_name = unique(where, found)
    given = {name: value for name, value in by_name.items() if value is not None}
    return Values(given, tags, frozenset(by_name.keys() - given.keys()))


def _parameter(where: str, at: str, item: Mapping[str, Any]) -> tuple[str, str | None]:
    """Name and value of CloudFormation's Parameter; the value is None for UsePreviousValue."""
    # ResolvedValue is what DescribeStacks adds to a parameter of an SSM type; CreateChangeSet ignores it.
    for key in item:
        if key not in ("ParameterKey", "ParameterValue", "UsePreviousValue", "ResolvedValue"):
            _refuse_key(where, _at(at, key), "ParameterKey, ParameterValue and UsePreviousValue")
    name = item["ParameterKey"]
    if not isinstance(name, str) or isinstance(name, _Number) or not name:
        raise UsageError(f"{where}: {_at(at, 'ParameterKey')} must be the name of a parameter.")
    previous = item.get("UsePreviousValue", False)
    if not isinstance(previous, bool):
        raise UsageError(f"{where}: {_at(at, 'UsePreviousValue')} is {_kind(previous)}, but must be true or false.")
    if previous and item.get("ParameterValue"):
        raise UsageError(f"{where}: {name} has both ParameterValue and UsePreviousValue. Remove one of the two.")
    if not previous and "ParameterValue" not in item:
        raise UsageError(f"{where}: {name} has neither ParameterValue nor UsePreviousValue.")
    return name, None if previous else _text(
        where, f"{_at(at, 'ParameterValue')} of {name}".strip(), item["ParameterValue"]
    )


def _tags(where: str, document: Any, place: str) -> dict[str, str]:
    """Tags as a map, or as a list of Key and Value; null is none."""
    if document is None:
        return {}
    if isinstance(document, dict):
        return {key: _text(where, _at(place, key), value) for key, value in document.items()}
    if not isinstance(document, list):
        raise UsageError(f"{where}: {place or 'it'} is {_kind(document)}, but must be an object or a list of tags.")
    found = []
    for index, item in enumerate(document):
        at = _at(place, index)
        match item:
            case str():
                found.append(_pair(f"{where}: {at}", item))
            case {"Key": str() as key, "Value": value, **others} if not others:
                found.append((str(key), _text(where, _at(at, "Value"), value)))
            case _:
                raise UsageError(f'{where}: {at} must be an object with Key and Value, or "Key=Value".')
    return unique(where, found)


def checked_tags(where: str, found: dict[str, str]) -> dict[str, str]:
    """The tags, where CloudFormation takes them (API reference, Tag; at most 50, CreateChangeSet)."""
    for key, value in found.items():
        if not key:
            raise UsageError(f"{where}: a tag has no key.")
        if len(key) > TAG_KEY_LENGTH:
            raise UsageError(f"{where}: the tag key {key[:20]}... has {len(key)} characters, at most 128 are allowed.")
        if key != key.strip():
            raise UsageError(f"{where}: the tag key {key!r} begins or ends with white space.")
        if key.lower().startswith("aws:"):
            raise UsageError(f"{where}: the tag {key} cannot be set: keys that begin with aws: are reserved for AWS.")
        if not value:
            raise UsageError(f"{where}: the tag {key} has no value, which CloudFormation does not take.")
        if len(value) > TAG_VALUE_LENGTH:
            raise UsageError(f"{where}: the tag {key} has {len(value)} characters, at most 256 are allowed.")
    if len(found) > TAG_LIMIT:
        raise UsageError(f"{where}: there are {len(found)} tags, at most {TAG_LIMIT} are allowed.")
    return found


def _shorthand(option: str, text: str, key: str, others: Sequence[str]) -> dict[str, Any]:
    """The members of KEY=a,OTHER=b, in any order; none if `text` is not that."""
    if not re.match(rf"\s*({'|'.join((key, *others))})\s*=", text) or not re.search(rf"(^|,)\s*{key}\s*=", text):
        return {}
    members: dict[str, Any] = {}
    position = 0
    while position < len(text) or text[position - 1 : position] == ",":
        found = MEMBER.match(text, position)
        if not found or found[1] not in (key, *others) or found[1] in members:
            raise UsageError(
                f"{option} {key}=... cannot be read to its end as {key}=...,{others[0]}=...: put a value that contains "
                "a comma in quotes, or write KEY=VALUE."
            )
        value = found[2].strip()
        if (quote := value[:1]) in ("'", '"'):
            members[found[1]] = re.sub(rf"\\([\\{quote}])", r"\1", value[1:-1])
        else:
            members[found[1]] = value.replace("\\,", ",")
        position = found.end()
    # KEY=VALUE of a tag or parameter that is itself named Key.
    return members if len(members) > 1 else {}


def _pair(where: str, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        # What has no = may be a value, and a secret one.
        name = f" {text}" if re.fullmatch(r"[A-Za-z0-9]{1,40}", text) else ": a value"
        raise UsageError(f"{where}{name} is not KEY=VALUE.")
    return key, value


def unique(where: str, found: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as a dictionary. Raises UsageError for a key that is there twice."""
    by_key: dict[str, Any] = {}
    for key, value in found:
        if key in by_key:
            raise UsageError(f"{where}{f': {key}' if key else ''} is given twice. Remove one of the two.")
        by_key[key] = value
    return by_key


def _text(where: str, place: str, value: Any) -> str:
    """A value as CloudFormation takes it: text, or a number or truth value as JSON writes it."""
    match value:
        case str():
            return str(value)
        case bool():
            return json.dumps(value)
        case list():
            hint = ': write a list as text, "a,b"'
        case _:
            hint = ""
    raise UsageError(f"{where}: {place} is {_kind(value)}, but must be text, a number, true or false{hint}.")


def _refuse_key(where: str, key: str, known: str = "Parameters and Tags") -> NoReturn:
    near = difflib.get_close_matches(key.rpartition(".")[2].title(), SECTIONS[:2], 1, 0.7)
    hint = OTHER_FILES.get(key) or (f"did you mean {near[0]}?" if near else f"only {known} are read")
    raise UsageError(f"{where}: the key {key} is not understood: {hint}{'' if hint.endswith('?') else '.'}")


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case _Number():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
    return "an object"


def _at(place: str, key: object) -> str:
    if isinstance(key, int):
        return f"{place}[{key}]"
    return f"{place}.{key}" if place else str(key)
