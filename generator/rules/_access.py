"""What a MemoryDB access string allows: its words, read in order, as Redis 7 reads them in ACL SETUSER.

`AccessString(text)` has the errors, whether the user can log in, and a selector for the string itself and for each
parenthesis. A selector has the commands it allows and the keys and channels it allows them on.
Source: src/acl.c of Redis 7.0; tests/rules/test_access.py compares both on generated strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ._commands import ALWAYS, LATER, MODULE_PREFIXES, MODULES, TABLE
from ._values import UNKNOWN


class Command(NamedTuple):
    needs: tuple[str, ...]
    categories: frozenset[str]


def table(text: str) -> dict[str, Command]:
    commands: dict[str, Command] = {}
    for line in text.replace("\n  ", " ").splitlines():
        facts, _, names = line.partition(":")
        needs, *categories = facts.split()
        speed = () if "fast" in categories else ("slow",)
        command = Command(() if needs == "-" else tuple(needs.split(",")), frozenset((*categories, *speed)))
        commands |= dict.fromkeys(names.split(), command)
    return commands


COMMANDS = table(TABLE) | table(LATER)
CONTAINERS = {name.partition("|")[0] for name in COMMANDS if "|" in name}
# What can be sent: a container such as CLUSTER is no command by itself.
RUNNABLE = frozenset(COMMANDS) - CONTAINERS - ALWAYS
CATEGORIES = frozenset(category for command in COMMANDS.values() for category in command.categories)

PASSWORD_WORDS = ("nopass", "resetpass")
WITHOUT_EFFECT = ("sanitize-payload", "skip-sanitize-payload")
EVERY_MODULE = {f"@{name}" for name in MODULES}
EVERYTHING = re.compile(r"\**\?\**\*|\*+\??\**")


def _family(name: str) -> set[str]:
    """A command, and for a container its subcommands."""
    return {name} | {command for command in COMMANDS if name in CONTAINERS and command.startswith(f"{name}|")}


def _category(name: str) -> set[str]:
    """The commands that a category adds or takes away; a container takes its subcommands along."""
    return {
        member for command, facts in COMMANDS.items() if name in facts.categories for member in _family(command)
    } or {f"@{name}"}


class Selector:
    """Commands, and the keys and channels they are allowed on.

    commands: full names such as `cluster|slots`; `@json` and `json.get` stand for modules. removed: the commands that
    were taken away one by one. first_arguments: of commands allowed with one first argument only, such as `select|0`.
    keys: permissions ("r", "w" or "rw") by pattern.
    """

    def __init__(self) -> None:
        self.commands: set[str] = set()
        self.removed: set[str] = set()
        self.first_arguments: dict[str, set[str]] = {}
        self.keys: dict[str, str] = {}
        self.channels: set[str] = set()
        self.all_keys = self.all_channels = False

    def read(self, word: str) -> str | None:
        """Apply one word; what is wrong with it, or None."""
        lower = word.lower()
        match lower:
            case "allkeys" | "~*":
                self.all_keys, self.keys = True, {}
            case "resetkeys":
                self.all_keys, self.keys = False, {}
            case "allchannels" | "&*":
                self.all_channels, self.channels = True, set()
            case "resetchannels":
                self.all_channels, self.channels = False, set()
            case "allcommands" | "+@all":
                self.commands, self.removed, self.first_arguments = set(COMMANDS) | EVERY_MODULE, set(), {}
            case "nocommands" | "-@all":
                self.commands, self.removed, self.first_arguments = set(), set(), {}
            case _ if word[0] in "~%":
                return self._keys(word)
            case _ if word[0] == "&":
                if self.all_channels:
                    return f"{word!r} after every channel has no effect: put resetchannels in between"
                self.channels.add(word[1:])
            case _ if word[0] in "+-":
                return self._commands(word[0] == "+", lower[1:], word)
            case _:
                return f"{word!r} is not a rule of an access string"
        return None

    def _keys(self, word: str) -> str | None:
        permissions, _, pattern = word.partition("~") if "~" in word else (word, "", "")
        given = permissions[1:].lower() if word[0] == "%" else "rw"
        if given not in ("r", "w", "rw", "wr"):
            return f"{word!r} is not a rule of an access string"
        if self.all_keys:
            return f"{word!r} after every key has no effect: put resetkeys in between"
        self.keys[pattern] = "".join(sorted({*given, *self.keys.get(pattern, "")}))
        return None

    def _commands(self, allow: bool, name: str, word: str) -> str | None:
        if name.startswith("@"):
            if name[1:] not in {*CATEGORIES, *MODULES}:
                return f"Redis has no category {name!r}"
            members = _category(name[1:])
            self._set(allow, members)
            if allow:
                self.removed -= members
            return None
        if name.startswith(MODULE_PREFIXES) or name in COMMANDS:
            members = _family(name)
            self._set(allow, members)
            self.removed = self.removed - members if allow else self.removed | members
            return None
        command, bar, argument = name.rpartition("|")
        if not allow or not bar or command not in COMMANDS or command in CONTAINERS or "|" in command or not argument:
            return f"Redis has no command {name!r}"
        # Deprecated by Redis, but read: the command with this first argument only.
        if command not in self.commands:
            self.first_arguments.setdefault(command, set()).add(word.rpartition("|")[2])
        return None

    def _set(self, allow: bool, members: set[str]) -> None:
        self.commands = self.commands | members if allow else self.commands - members
        for member in members:
            self.first_arguments.pop(member, None)

    def permissions(self) -> set[str]:
        """What some key or channel gives: "r", "w", "rw" (both on the same key), "any" and "channel"."""
        given = {"rw"} if self.all_keys else set(self.keys.values())
        given |= set("".join(given)) | ({"any"} if given else set())
        return given | ({"channel"} if self.channels or self.all_channels else set())

    def usable(self) -> Iterator[str]:
        """The commands that can be run, on some key or channel where they need one."""
        given = self.permissions()
        for name in (*self.commands, *self.first_arguments):
            # A module's commands are taken to need any key.
            needs = COMMANDS[name].needs if name in COMMANDS else ("any",)
            if name not in CONTAINERS | ALWAYS and given.issuperset(needs):
                yield name

    def all_of(self) -> Iterator[str]:
        """Of what everything is allowed; of commands also where some were taken away one by one."""
        everywhere = {
            right for pattern, rights in self.keys.items() if EVERYTHING.fullmatch(pattern) for right in rights
        }
        if self.all_keys or everywhere == {"r", "w"}:
            yield "every key"
        elif everywhere:
            yield "reading every key" if everywhere == {"r"} else "writing every key"
        if self.commands | self.removed >= RUNNABLE:
            yield "every command"
        if self.all_channels or any(map(EVERYTHING.fullmatch, self.channels)):
            yield "every channel"


class AccessString:
    """An access string, read.

    enabled: whether it says `on`. selectors: the string itself first, then its parentheses. errors: what Redis or
    MemoryDB refuses, a sentence each. unknown: whether words are not known; in the name of a key or channel an unknown
    part does no harm.
    """

    def __init__(self, text: str) -> None:
        self.enabled = self.unknown = False
        self.selectors = [Selector()]
        self.errors = [error for word in _words(text) for error in self._read(word) if error]

    def _read(self, word: str) -> Iterator[str | None]:
        lower = word.lower()
        if any(UNKNOWN.search(part) and part[0] not in "~%&" for part in word.strip("()").split()):
            self.unknown = True
        elif word[0] == "(" and word.endswith(")"):
            self.selectors.append(selector := Selector())
            yield from map(selector.read, word[1:-1].split())
        elif word[0] == "(":
            yield f"The parenthesis {word!r} is not closed"
        elif lower in ("on", "off"):
            self.enabled = lower == "on"
        elif lower == "clearselectors":
            del self.selectors[1:]
        elif word[0] in "><#!" or lower in PASSWORD_WORDS:
            yield "A password rule does not belong in an access string: use AuthenticationMode"
        elif lower not in WITHOUT_EFFECT:
            yield self.selectors[0].read(word)

    def usable(self) -> set[str]:
        """The commands that can be run, by any selector."""
        return {command for selector in self.selectors for command in selector.usable()}


def _words(text: str) -> Iterator[str]:
    """Words between spaces; a parenthesis is one word, its spaces included."""
    words = iter(text.split())
    for word in words:
        if word.startswith("("):
            while not word.endswith(")"):
                following = next(words, None)
                if following is None:
                    break
                word = f"{word} {following}"
        yield word
