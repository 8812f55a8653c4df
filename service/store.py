"""Users in a Redis cluster: which query goes to which node.

`ask` sends a query to the node that has the user, over the one connection to it (service/connection.py). When there is
none, or the node fails or refuses, a task pursues the answer: it connects, follows redirections, asks again who serves
what, and tries again until the request's deadline, and not beyond. Nothing happens between requests.

A write is sent again only if it cannot be done any more where it was sent first: when the node refused it, or closed
the connection. One that is not answered in time may be done at any moment, even after a later one; its request is
answered 503. docs/decisions/0010 says why redis-py's own clients are not used.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import ssl
import time
from bisect import bisect_right
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

import redis
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, InvalidResponse, MovedError, NoPermissionError, TryAgainError

from service.connection import (
    Connection,
    Connector,
    CredentialsError,
    LateError,
    LostError,
    NoTokenError,
    Outcome,
    Sign,
    TokenError,
)
from service.queries import Command, Query
from service.settings import Settings
from service.users import UnavailableError

# What the service does to the data layer. generator/contract.py grants it; a test holds the two together.
KEYS = "user:*"
COMMANDS = ("hset", "hgetall", "del", "multi", "exec", "watch", "cluster|slots", "readonly", "ping", "asking")

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.2
# A connection unused for longer is not trusted to be there: networks forget them without a word, AWS's after 350 s
# (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html).
IDLE_SECONDS = 120.0
RENEWAL_PAUSE = 1.0
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

T = TypeVar("T")
Values: TypeAlias = list[Any] | UnavailableError

log = logging.getLogger("service.store")


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
    """Used in one loop. Deadlines are on `time.monotonic()`'s clock, which is the loop's too."""

    def __init__(self, settings: Settings, sign: Sign | None = None) -> None:
        """`sign` makes the tokens that connections log in with, where the settings say iam."""
        self._endpoint = Node(settings.redis_host, settings.redis_port)
        self._read_replicas = settings.read_replicas
        # The longest wait for one node. One that is stuck is left while there is still time to find its successor.
        self._patience = settings.deadline / 4
        self._connector = Connector(settings, sign)
        self._slots = Slots()
        self._failing: set[Node] = set()
        self._connections: dict[Node, Connection] = {}
        # What several requests wait for is done once: a task for each node that is connected to, and one that learns.
        self._shared: dict[Node | None, asyncio.Task[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, query: Query, deadline: float, then: Callable[[Values], None]) -> None:
        """Calls `then`, later, with the answers to the query's commands or with what to tell the client."""
        node = self._node(query)
        now = time.monotonic()
        connection = self._open(node)
        if (
            connection is None
            or node in self._failing
            or now + self._patience > deadline
            or (self._read_replicas and now > self._slots.stale)
            or query.creates
            or query.everywhere
        ):
            self._spawn(self._settle(query, deadline, node, None, then))
        else:
            connection.ask(query.commands, now + self._patience, partial(self._answered, query, deadline, node, then))

    def _answered(
        self, query: Query, deadline: float, node: Node, then: Callable[[Values], None], outcome: Outcome
    ) -> None:
        if isinstance(outcome, list):
            then(outcome)
        else:
            self._spawn(self._settle(query, deadline, node, outcome, then))

    async def _settle(
        self, query: Query, deadline: float, node: Node, error: redis.RedisError | None, then: Callable[[Values], None]
    ) -> None:
        values: Values
        try:
            async with asyncio.timeout_at(deadline):
                values = await self._pursue(query, deadline, node, error)
                if query.everywhere:
                    for primary in self._slots.primaries():
                        await self._ask(primary, (("PING",),), deadline)
        except (redis.RedisError, TimeoutError) as caught:
            values = _unavailable(caught)
            values.__cause__ = caught
        except Exception:
            log.exception("defect")
            values = UnavailableError("The service has a defect.")
        then(values)

    async def _pursue(self, query: Query, deadline: float, node: Node, error: redis.RedisError | None) -> list[Any]:
        """The answers after `error` from `node`, if there was one: follows redirections, waits for what fails."""
        slots = self._slots
        pause = FIRST_PAUSE
        for attempt in count():
            if isinstance(error, LateError):
                self._failing.add(node)
                if not query.reads:
                    raise error
            redirected, asking = None, False
            if isinstance(error, AskError):
                # An empty host is the one that answered (https://redis.io/docs/latest/commands/cluster-slots/).
                redirected = Node(error.host or node.host, error.port)
                asking = not isinstance(error, MovedError)
            lost = attempt == 0 and isinstance(error, LostError)
            prompt = lost or (redirected and attempt < PROMPT_REDIRECTIONS)
            if error and not prompt:
                if time.monotonic() + pause >= deadline:
                    raise error
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            try:
                if asking:
                    assert redirected
                    node = redirected
                else:
                    # Nothing fails when a replica is added or comes back: nothing but time would make it known.
                    old = self._read_replicas and time.monotonic() > slots.stale
                    if not slots.starts or old or (error and not lost):
                        await self._learn(slots, redirected)
                        slots = self._slots
                    node = redirected or self._node(query, retry=error is not None)
                return await self._try(node, query, asking, deadline)
            except TRANSIENT as caught:
                error = caught
        raise AssertionError("count() has no end")

    async def _try(self, node: Node, query: Query, asking: bool, deadline: float) -> list[Any]:
        if not query.creates:
            return (await self._ask(node, (ASKING, *query.commands) if asking else query.commands, deadline))[asking:]
        # What is watched is the connection's, so nothing else may be asked over it.
        until = min(deadline, time.monotonic() + self._patience)
        connection = await self._connector.connect(*node, until)
        try:
            first = (ASKING,) if asking else ()
            watched = (*first, ("WATCH", query.key), *first, ("HGETALL", query.key))
            if (await connection.exchange(watched, until))[-1]:
                return [None]
            try:
                done = (await connection.exchange((*first, *query.commands), until))[-1]
            except LostError as error:
                raise LateError("It may have been done.") from error
            if done is None:
                raise TryAgainError("Another has changed it meanwhile.")
            return [done]
        finally:
            connection.leave()

    async def _learn(self, seen: Slots, first: Node | None) -> None:
        """Asks who serves what, `first` first, unless that has been done since `seen`."""
        if self._slots is seen:
            await self._once(None, partial(self._learn_slots, first))

    async def _learn_slots(self, first: Node | None) -> None:
        members = sorted(self._slots.members(), key=lambda node: (node in self._failing, random.random()))
        failure: redis.RedisError = ClusterDownError("No node knows the cluster.")
        for node in dict.fromkeys([*([first] if first else []), *members, self._endpoint]):
            try:
                (answer,) = await self._ask(node, (("CLUSTER", "SLOTS"),), math.inf)
            except TRANSIENT as error:
                failure = error
                continue
            self._slots = _slots(answer, node)
            known = {*self._slots.members(), self._endpoint}
            self._failing &= known
            for gone in self._connections.keys() - known:
                self._connections.pop(gone).leave()
            return
        raise failure

    async def _ask(self, node: Node, commands: Sequence[Command], deadline: float) -> list[Any]:
        """The answers of this node, which counts as failing from when it gives none until it gives some."""
        until = min(deadline, time.monotonic() + self._patience)
        answers: list[Any] | None = None
        try:
            if connection := self._open(node):
                with suppress(LostError):
                    answers = await connection.exchange(commands, until)
            if answers is None:
                connection = await self._once(node, partial(self._connect, node))
                answers = await connection.exchange(commands, until)
        except (redis.ConnectionError, redis.TimeoutError):
            self._failing.add(node)
            raise
        self._failing.discard(node)
        return answers

    def _open(self, node: Node) -> Connection | None:
        """The connection to `node`, if it can be used; begins to log in again when it is time."""
        connection = self._connections.get(node)
        if connection is None or connection.closed:
            return None
        now = time.monotonic()
        if now - connection.used > IDLE_SECONDS:
            self._connections.pop(node).leave()
            return None
        if now >= connection.renewal:
            connection.renewal = math.inf
            self._spawn(self._renew(node, connection))
        return connection

    async def _connect(self, node: Node) -> Connection:
        connection = await self._connector.connect(*node, time.monotonic() + self._patience)
        self._connections[node] = connection
        return connection

    async def _renew(self, node: Node, connection: Connection) -> None:
        """Logs in again. If that is refused, a new connection takes its place. Without credentials at hand it stays as
        it is: MemoryDB keeps it for some time yet, and a later request tries again."""
        now = time.monotonic()
        try:
            await self._connector.log_in(connection, now + self._patience)
        except NoTokenError:
            connection.renewal = now + RENEWAL_PAUSE
        except redis.RedisError:
            if self._connections.get(node) is connection:
                del self._connections[node]
            connection.leave()

    async def _once(self, what: Node | None, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The outcome of `begin`, for all that wait for it."""
        task = self._shared.get(what)
        if not task:
            task = self._shared[what] = asyncio.create_task(begin())
            task.add_done_callback(lambda done: (self._shared.pop(what), done.cancelled() or done.exception()))
        return cast(T, await asyncio.shield(task))

    def _node(self, query: Query, retry: bool = False) -> Node:
        """The one to ask. Raises ClusterDownError in a retry, when nobody serves the slot."""
        nodes = self._slots.nodes(key_slot(query.key.encode()))
        if not nodes:
            if retry:
                raise ClusterDownError("No node serves this slot.")
            return self._endpoint
        return random.choice(nodes[1:] or nodes) if self._read_replicas and query.reads and not retry else nodes[0]

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


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
    TimeoutError: "Redis does not answer in time.",
    redis.ConnectionError: "Redis cannot be reached.",
    AskError: "The Redis cluster is moving data.",
    redis.ReadOnlyError: "The Redis cluster is failing over.",
    ClusterDownError: "The Redis cluster is down.",
}


def _unavailable(error: Exception) -> UnavailableError:
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    says = (text for kind, text in _REASONS.items() if any(isinstance(each, kind) for each in causes))
    return UnavailableError(next(says, "Redis refuses the command."))
