"""Users in a Redis cluster: which command goes to which node.

A user is the hash `user:<email>`, as the program this replaces stores it. Each thread keeps a connection to each node
it needs (service/connection.py). This module decides which node that is, and what to do when it is the wrong one or
does not answer: it follows redirections and tries again until the request's deadline, and not beyond.

Threads share nothing but the last seen assignment of slots and the set of nodes that fail, both replaced as a whole:
nobody waits for a lock while somebody else waits for the network. Nothing happens between requests.
docs/decisions/0010 says why redis-py's own cluster client is not used.
"""

from __future__ import annotations

import random
import ssl
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import redis
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, InvalidResponse, MovedError, NoPermissionError, TryAgainError

from service.connection import Command, Connection, CredentialsError, NoTokenError, Sign, TokenError, connector
from service.settings import Settings
from service.users import Fields, UnavailableError

# What the service does to the data layer. generator/contract.py grants it; a test holds the two together.
KEYS = "user:*"
COMMANDS = ("hset", "hgetall", "del", "multi", "exec", "cluster|slots", "readonly", "ping", "asking")

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.2
# A connection unused for longer is not trusted to be there: networks forget them without a word, AWS's after 350 s
# (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html).
IDLE_SECONDS = 120.0
# How long a list of replicas is believed.
REPLICAS_SECONDS = 10.0
# A redirection leads to the right node; a chain of them means that the nodes do not agree yet.
PROMPT_REDIRECTIONS = 5

ASKING: Command = ("ASKING",)

# What another node, or the same one a moment later, may do better.
TRANSIENT = (
    AskError,
    ClusterDownError,
    InvalidResponse,
    TryAgainError,
    redis.ConnectionError,
    redis.ReadOnlyError,
    redis.TimeoutError,
)


class Node(NamedTuple):
    """Where a member of the cluster listens."""

    host: str
    port: int


@dataclass(frozen=True)
class Slots:
    """Who serves what: each of `starts`, ascending, begins a range of slots, served by nodes, the primary first."""

    starts: tuple[int, ...] = ()
    serving: tuple[tuple[Node, ...], ...] = ()
    stale: float = 0.0

    def nodes(self, slot: int) -> tuple[Node, ...]:
        index = bisect_right(self.starts, slot) - 1
        return self.serving[index] if index >= 0 else ()

    def primaries(self) -> tuple[Node, ...]:
        return tuple({nodes[0]: None for nodes in self.serving if nodes})

    def members(self) -> tuple[Node, ...]:
        return tuple({node: None for nodes in self.serving for node in nodes})


class Store:
    """Users by e-mail. A method takes its deadline on `time.monotonic()`'s clock and raises UnavailableError."""

    def __init__(self, settings: Settings, sign: Sign | None = None) -> None:
        """`sign` makes the tokens that connections log in with, where the settings say iam."""
        self._endpoint = Node(settings.redis_host, settings.redis_port)
        self._read_replicas = settings.read_replicas
        # The longest wait for one node. One that is stuck is left while there is still time to find its successor.
        self._patience = settings.deadline / 4
        self._connect = connector(settings, sign)
        self._slots = Slots()
        # At most half of the threads wait for nodes that fail; the others go on serving the rest of the cluster.
        self._failing: frozenset[Node] = frozenset()
        self._waiting = threading.BoundedSemaphore(max(1, settings.threads // 2))
        self._thread = threading.local()

    def get(self, email: str, deadline: float) -> Fields | None:
        """The user's fields, or None."""
        key = f"user:{email}"
        # Nothing fails when a replica is added or comes back, so nothing but time would make it known.
        if self._read_replicas and time.monotonic() > self._slots.stale:
            with suppress(redis.RedisError):
                self._learn(self._slots, deadline, None)
        (flat,) = self._run(key, (("HGETALL", key),), deadline, replica=self._read_replicas)
        # Other writers may have stored any bytes.
        text = [part.decode(errors="replace") for part in flat]
        return dict(zip(text[::2], text[1::2], strict=True)) or None

    def merge(self, email: str, fields: Fields, deadline: float) -> None:
        """Sets `fields`, and leaves what else the user has."""
        key = f"user:{email}"
        self._run(key, (_hset(key, fields),), deadline)

    def replace(self, email: str, fields: Fields, deadline: float) -> bool:
        """Makes `fields` all that the user has, in one step; True if there was no user before."""
        key = f"user:{email}"
        transaction = (("MULTI",), ("DEL", key), _hset(key, fields), ("EXEC",))
        (deleted, _) = self._run(key, transaction, deadline)[-1]
        return not deleted

    def delete(self, email: str, deadline: float) -> bool:
        """Forgets the user; False if there was none."""
        key = f"user:{email}"
        (deleted,) = self._run(key, (("DEL", key),), deadline)
        return bool(deleted)

    def check(self, deadline: float) -> None:
        """Returns if a user can be read and every shard answers."""
        self.get("", deadline)
        try:
            for node in self._slots.primaries():
                self._ask(node, (("PING",),), deadline)
        except redis.RedisError as error:
            raise _unavailable(error) from error

    def _run(self, key: str, commands: Sequence[Command], deadline: float, *, replica: bool = False) -> list[Any]:
        """The answers to `commands`, all about `key`, from the node that has it, wherever that is by now."""
        slot = key_slot(key.encode())
        slots = self._slots
        nodes = slots.nodes(slot)
        node = (random.choice(nodes[1:] or nodes) if replica else nodes[0]) if nodes else self._endpoint
        error: redis.RedisError | None = None
        try:
            if nodes and node not in self._failing:
                try:
                    return self._ask(node, commands, deadline)
                except TRANSIENT as caught:
                    error = caught
            return self._pursue(slot, commands, deadline, slots, node, error)
        except redis.RedisError as caught:
            raise _unavailable(caught) from caught

    def _pursue(
        self,
        slot: int,
        commands: Sequence[Command],
        deadline: float,
        slots: Slots,
        node: Node,
        error: redis.RedisError | None,
    ) -> list[Any]:
        """The answers after `error` from `node`, chosen by `slots`: follows redirections, waits for what fails."""
        waiting = False
        pause = FIRST_PAUSE
        try:
            for attempt in count():
                if node in self._failing and not waiting:
                    waiting = self._waiting.acquire(blocking=False)
                    if not waiting:
                        raise error or redis.ConnectionError("Enough threads wait for this node.")
                redirected, asking = None, False
                if isinstance(error, AskError):
                    # An empty host is the one that answered (https://redis.io/docs/latest/commands/cluster-slots/).
                    redirected = Node(error.host or node.host, error.port)
                    asking = not isinstance(error, MovedError)
                if error and (redirected is None or attempt >= PROMPT_REDIRECTIONS):
                    if time.monotonic() + pause >= deadline:
                        raise error
                    time.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                try:
                    if not asking:
                        self._learn(slots, deadline, redirected)
                        slots = self._slots
                    node = redirected or slots.nodes(slot)[0]
                    return self._ask(node, (ASKING, *commands) if asking else commands, deadline)[asking:]
                except TRANSIENT as caught:
                    error = caught
                except IndexError:
                    error = ClusterDownError("No node serves this slot.")
            raise AssertionError("count() has no end")
        finally:
            if waiting:
                self._waiting.release()

    def _learn(self, seen: Slots, deadline: float, first: Node | None) -> None:
        """Asks who serves what, `first` first, unless another thread has done so since `seen`."""
        if self._slots is not seen:
            return
        members = sorted(seen.members(), key=lambda node: (node in self._failing, random.random()))
        failure: redis.RedisError = ClusterDownError("No node knows the cluster.")
        for node in dict.fromkeys([*([first] if first else []), *members, self._endpoint]):
            try:
                (answer,) = self._ask(node, (("CLUSTER", "SLOTS"),), deadline)
            except TRANSIENT as error:
                failure = error
                continue
            self._slots = _slots(answer, node)
            self._failing &= {*self._slots.members(), self._endpoint}
            return
        raise failure

    def _ask(self, node: Node, commands: Sequence[Command], deadline: float) -> list[Any]:
        """The answers of this node, which counts as failing from when it gives none until it gives some."""
        now = time.monotonic()
        if now >= deadline:
            raise redis.TimeoutError("No time is left.")
        connection = self._connection(node)
        if now - connection.used > IDLE_SECONDS:
            connection.disconnect()
        connection.until = min(deadline, now + self._patience)
        reused = connection.is_connected and (now < connection.renewal or connection.renew())
        try:
            try:
                answers = connection.exchange(commands)
            except redis.ConnectionError:
                # Nobody notices while idle that the other side has closed. All commands here may safely run twice.
                if not reused:
                    raise
                answers = connection.exchange(commands)
        except redis.AuthenticationError as error:
            # redis-py counts it among the failures of a connection; no other node will say anything else.
            raise (TokenError if connection.tokens else CredentialsError) from error
        except (redis.ConnectionError, redis.TimeoutError):
            self._failing |= {node}
            raise
        connection.used = now
        if node in self._failing:
            self._failing -= {node}
        return answers

    def _connection(self, node: Node) -> Connection:
        """This thread's connection to `node`, perhaps not connected yet."""
        try:
            connections: dict[Node, Connection] = self._thread.connections
        except AttributeError:
            connections = self._thread.connections = {}
        if node not in connections:
            for gone in connections.keys() - {*self._slots.members(), self._endpoint}:
                connections.pop(gone).disconnect()
            connections[node] = self._connect(node.host, node.port)
        return connections[node]


def _hset(key: str, fields: Fields) -> Command:
    return ("HSET", key, *(part for pair in fields.items() for part in pair))


def _slots(answer: Sequence[Any], asked: Node) -> Slots:
    """What `asked` says to CLUSTER SLOTS: [first, last, [host, port, ...] of the primary, of a replica, ...], ..."""
    ranges = sorted((first, tuple(_node(member, asked) for member in members)) for first, _, *members in answer)
    return Slots(
        tuple(first for first, _ in ranges), tuple(nodes for _, nodes in ranges), time.monotonic() + REPLICAS_SECONDS
    )


def _node(member: Sequence[Any], asked: Node) -> Node:
    host, port = member[:2]
    # No name, or "?" where a name is preferred and none is set: the host that was asked (the same documentation).
    name = (host or b"").decode()
    return Node(asked.host if name in ("", "?") else name, port)


# The first that is, or has caused, an error says what goes wrong.
_REASONS: dict[type[BaseException], str] = {
    NoTokenError: "There are no AWS credentials to log in to Redis with.",
    TokenError: "Redis does not accept the service's IAM role.",
    CredentialsError: "Redis does not accept the user name and password.",
    NoPermissionError: "Redis does not permit this user what the service needs.",
    redis.OutOfMemoryError: "Redis is out of memory.",
    redis.BusyLoadingError: "Redis is still loading its data.",
    ssl.SSLCertVerificationError: "The TLS certificate of Redis is not trusted.",
    ssl.SSLError: "TLS with Redis fails.",
    redis.TimeoutError: "Redis does not answer in time.",
    redis.ConnectionError: "Redis cannot be reached.",
    AskError: "The Redis cluster is moving data.",
    redis.ReadOnlyError: "The Redis cluster is failing over.",
    ClusterDownError: "The Redis cluster is down.",
}


def _unavailable(error: redis.RedisError) -> UnavailableError:
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    says = (text for kind, text in _REASONS.items() if any(isinstance(each, kind) for each in causes))
    return UnavailableError(next(says, "Redis refuses the command."))
