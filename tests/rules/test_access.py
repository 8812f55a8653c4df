"""Access strings as the rules read them and as a Redis server does: the same errors, the same permissions."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.rules._access import COMMANDS, AccessString, Selector, table
from generator.rules._commands import TABLE

# Every kind of command: read, write, both, without keys, with a channel, container, blocking, scripting, dangerous.
# The keys that a command is sent with are its words that start with "app" or "other".
SENT = """\
GET app:1
GET other:1
SET app:1 v
SETEX app:1 10 v
GETDEL app:1
APPEND app:1 v
INCR app:1
EXISTS app:1
TYPE other:1
DEL app:1
UNLINK app:1
COPY app:1 other:1
RENAME app:1 app:2
BITOP AND app:1 app:2
HSET app:1 f v
HGETALL app:1
LPUSH app:1 v
LMOVE app:1 other:1 LEFT LEFT
BLPOP app:1 0
SADD app:1 v
SINTERSTORE app:1 app:2
ZADD app:1 1 v
ZRANGE app:1 0 1
GEOADD app:1 1 1 v
PFADD app:1 v
PFCOUNT app:1
XADD app:1 * f v
XLEN app:1
SETBIT app:1 1 1
GETBIT app:1 1
OBJECT ENCODING app:1
MEMORY USAGE app:1
PUBLISH app:news v
SPUBLISH other:news v
SUBSCRIBE app:news
PSUBSCRIBE app:news
PING
ECHO v
INFO
DBSIZE
TIME
SCAN 0
KEYS *
RANDOMKEY
FLUSHALL
SELECT 0
SELECT 1
MULTI
EXEC
WAIT 0 0
CLIENT ID
CLIENT LIST
CLIENT KILL ID 1
CONFIG GET a
CONFIG SET a b
ACL WHOAMI
ACL LIST
CLUSTER SLOTS
CLUSTER RESET
COMMAND
COMMAND COUNT
SCRIPT FLUSH
FUNCTION STATS
EVAL s 0
SHUTDOWN
READONLY
LATENCY RESET
PUBSUB CHANNELS
AUTH a
""".splitlines()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    directory = tmp_path_factory.mktemp("redis")
    path = directory / "socket"
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(directory)],
        stdout=subprocess.DEVNULL,
    )
    try:
        while not path.exists():
            assert process.poll() is None
            time.sleep(0.02)
        with redis.Redis(unix_socket_path=str(path), decode_responses=True) as client:
            client.response_callbacks.clear()
            yield client
    finally:
        process.terminate()
        process.wait()


def full_name(words: list[str]) -> str:
    name = "|".join(words[:2]).lower()
    return name if name in COMMANDS else words[0].lower()


def allowed(access: AccessString, sent: str) -> bool:
    """Whether the rules' reading allows a command as it is sent."""
    return full_name(sent.split()) == "auth" or any(_allowed(selector, sent.split()) for selector in access.selectors)


def _allowed(selector: Selector, words: list[str]) -> bool:
    name = full_name(words)
    if name not in selector.commands and words[1:2] not in ([[a] for a in selector.first_arguments.get(name, ())]):
        return False
    names = [word for word in words[1:] if word.startswith(("app", "other"))]
    needs = COMMANDS[name].needs
    if needs == ("channel",):
        # A pattern subscription needs the very pattern, anything else a pattern that matches.
        matches = str.__eq__ if name == "psubscribe" else fnmatchcase
        return selector.all_channels or any(matches(names[0], pattern) for pattern in selector.channels)
    # The last of the needs holds for the keys that are left, as in BITOP.
    return all(_on_key(selector, key, needs[min(index, len(needs) - 1)]) for index, key in enumerate(names) if needs)


def _on_key(selector: Selector, key: str, need: str) -> bool:
    given = (permissions for pattern, permissions in selector.keys.items() if fnmatchcase(key, pattern))
    return selector.all_keys or any(need == "any" or set(need) <= set(permissions) for permissions in given)


PATTERNS = ["*", "**", "app:*", "app:?", "other:*", "a*", "app:1", "?*", ""]
CATEGORY = st.sampled_from(
    ["all", "slow", "none", "READ", *sorted({c for f in COMMANDS.values() for c in f.categories})]
)
COMMAND = st.sampled_from(
    [*(line.split()[0] for line in TABLE.splitlines()), "GET", "Config|Get", "hgett", "config|no"]
)
KEYS = st.builds("{}~{}".format, st.sampled_from(["", "%R", "%W", "%rw", "%WR", "%", "%X"]), st.sampled_from(PATTERNS))
CHANNELS = st.builds("&{}".format, st.sampled_from([*PATTERNS, "app:news", "other:news"]))
SINGLE = st.sampled_from(
    [
        *(
            "allkeys",
            "resetkeys",
            "AllChannels",
            "resetchannels",
            "allcommands",
            "nocommands",
            "+select|0",
            "+select|1",
        ),
        *("-select|0", "+get|", "+subscribe|app:news", "+config|get|a", "+", "-", "get", "-@all", "+@all", "~*", "&*"),
    ]
)
WORD = st.one_of(
    SINGLE,
    KEYS,
    CHANNELS,
    st.builds("{}@{}".format, st.sampled_from("+-"), CATEGORY),
    st.builds("{}{}".format, st.sampled_from("+-"), COMMAND),
)
SELECTOR = st.lists(WORD, max_size=5).map(lambda words: f"({' '.join(words)})")
WORDS = st.lists(
    st.one_of(WORD, WORD, WORD, SELECTOR, st.sampled_from(["on", "off", "ON", "clearselectors"])), max_size=9
)
# A parenthesis that is not closed stands last: Redis forgets one silently when another opens, which is an error here.
STRINGS = st.builds(lambda words, last: " ".join([*words, *last]), WORDS, st.sampled_from([[], [], [], ["(+get"]]))


def test_the_table_of_commands_is_the_servers(server: Any) -> None:
    categories = {
        category: {name.lower() for name in server.execute_command("ACL", "CAT", category)}
        for category in server.execute_command("ACL", "CAT")
    }
    names = list(table(TABLE))
    assert {name: {category for category, members in categories.items() if name in members} for name in names} == {
        name: set(COMMANDS[name].categories) for name in names
    }
    assert set(names) == set.union(*categories.values())


@settings(max_examples=1500)
@given(text=STRINGS)
def test_a_string_means_to_the_rules_what_it_means_to_a_server(server: Any, text: str) -> None:
    access = AccessString(text)
    server.execute_command("ACL", "DELUSER", "tried")
    if access.errors:
        with pytest.raises(redis.ResponseError):
            server.execute_command("ACL", "SETUSER", "tried", *text.split())
        return
    server.execute_command("ACL", "SETUSER", "tried", *text.split())
    assert access.enabled == ("on" in server.execute_command("ACL", "GETUSER", "tried")["flags"])
    with server.pipeline(transaction=False) as pipeline:
        for sent in SENT:
            pipeline.execute_command("ACL", "DRYRUN", "tried", *sent.split())
        answers = pipeline.execute(raise_on_error=False)
    assert [sent for sent in SENT if allowed(access, sent)] == [
        sent for sent, answer in zip(SENT, answers, strict=True) if answer == "OK"
    ]
    # What can be used at all is at least what these commands show.
    shown = {full_name(sent.split()) for sent, answer in zip(SENT, answers, strict=True) if answer == "OK"} - {"auth"}
    assert shown - {"command"} <= access.usable()


@pytest.mark.parametrize("word", [">correct-horse", "#aa", "nopass", "resetpass", "reset", "<a", "!a"])
def test_what_redis_takes_and_memorydb_refuses_is_an_error(word: str) -> None:
    assert AccessString(f"on {word} ~app:* +get").errors


@pytest.mark.parametrize(
    "text", ["on ~app:* +json.get", "on ~app:* +@json -json.del", "on ~a +@search", "on ~a +waitaof +client|setinfo"]
)
def test_what_redis_7_0_lacks_and_memorydb_has_is_no_error(text: str) -> None:
    assert AccessString(text).errors == []
