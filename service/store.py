"""Users in a Redis cluster: which query goes to which node.

`ask` sends a query over the connection to the node that has the user (service/connection.py). Without a usable
connection, or if the node fails or redirects, a task retries: it connects, follows redirections and learns the slots
again, until the request's deadline. Nothing happens between requests.

A write is repeated only if its first copy cannot be executed any more: the node refused it, or closed the connection.
A write without an answer may be executed at any later moment, after newer writes; it is not repeated, and its request
is answered 503. docs/decisions/0010 says why redis-py's own clients are not used.
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

from service import connection as errors
from service.connection import Connection, ConnectionClosedError, Connector, NodeTimeoutError, Sign
from service.queries import Command, Query
from service.settings import Settings
from service.users import UnavailableError

# What the service does to the data layer. generator/contract.py grants it; a test compares the two.
KEYS = "user:*"
COMMANDS = ("hset", "hgetall", "del", "multi", "exec", "watch", "cluster|slots", "readonly", "ping", "asking")

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.2
# A connection that was unused for longer may be gone without notice: networks forget it, AWS's after 350 s
# (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html).
IDLE_SECONDS = 120.0
RENEWAL_PAUSE = 1.0
# How long a list of replicas is used.
REPLICAS_SECONDS = 10.0
# A redirection leads to the right node; a chain of them means that the nodes do not agree yet.
PROMPT_REDIRECTIONS = 5

ASKING: Command = ("ASKING",)

# Errors that another node, or the same one a moment later, may not have.
TRANSIENT = (
    *(AskError, ClusterDownError, InvalidResponse, TryAgainError),
    *(redis.ConnectionError, redis.ReadOnlyError, redis.TimeoutError),
)

T = TypeVar("T")
Values: TypeAlias = list[Any] | UnavailableError
Callback: TypeAlias = Callable[[Values], None]

log = logging.getLogger("service.store")


class Node(NamedTuple):
    """Where a member of the cluster listens."""

    host: str
    port: int


@dataclass(frozen=True)
class Slots:
    """Which nodes serve which slots. Each of `starts`, ascending, begins a range; of its nodes the primary is first."""

    starts: tuple[int, ...] = ()
    serving: tuple[tuple[Node, ...], ...] = ()
    stale: float = 0.0

    def nodes(self, key: str) -> tuple[Node, ...]:
        index = bisect_right(self.starts, key_slot(key.encode())) - 1
        return self.serving[index] if index >= 0 else ()

    def primaries(self) -> tuple[Node, ...]:
        return tuple({nodes[0]: None for nodes in self.serving if nodes})

    def members(self) -> tuple[Node, ...]:
        return tuple({node: None for nodes in self.serving for node in nodes})


class Store:
    """For one loop. Deadlines are on `time.monotonic()`'s clock, which is also the loop's."""

    def __init__(self, settings: Settings, sign: Sign | None = None) -> None:
        """`sign` makes the tokens that connections log in with, if the settings say iam."""
        self._endpoint = Node(settings.redis_host, settings.redis_port)
        self._read_replicas = settings.read_replicas
        # The longest wait for one node, which leaves time to find its successor.
        self._patience = settings.deadline / 4
        self._connector = Connector(settings, sign)
        self._slots = Slots()
        # Nodes that did not answer, until they do.
        self._failing: set[Node] = set()
        self._connections: dict[Node, Connection] = {}
        # Work that several requests wait for: connecting to a node, or (None) learning the slots.
        self._shared: dict[Node | None, asyncio.Task[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, query: Query, deadline: float, callback: Callback) -> None:
        """Calls `callback` with the answers to the query's commands, or with what to tell the client."""
        node = self._node(query)
        now = time.monotonic()
        connection = self._open(node)
        plain = not (query.creates or query.everywhere or (self._read_replicas and now > self._slots.stale))
        if connection and plain and node not in self._failing and now + self._patience < deadline:
            answered = partial(self._answered, query, deadline, callback, node)
            connection.ask(query.commands, now + self._patience, answered)
        else:
            self._answered(query, deadline, callback, node, None)

    def _answered(
        self, query: Query, deadline: float, callback: Callback, node: Node, outcome: errors.Outcome | None
    ) -> None:
        if isinstance(outcome, list):
            callback(outcome)
        else:
            self._start(self._finish(query, deadline, callback, node, outcome))

    async def _finish(
        self, query: Query, deadline: float, callback: Callback, node: Node, error: redis.RedisError | None
    ) -> None:
        values: Values
        try:
            async with asyncio.timeout_at(deadline):
                values = await self._retry(query, deadline, node, error)
                for primary in self._slots.primaries() if query.everywhere else ():
                    await self._ask(primary, (("PING",),), deadline)
        except (redis.RedisError, TimeoutError) as caught:
            values = _unavailable(caught)
            values.__cause__ = caught
        except Exception:
            log.exception("defect")
            values = UnavailableError("The service has a defect.")
        callback(values)

    async def _retry(self, query: Query, deadline: float, node: Node, error: redis.RedisError | None) -> list[Any]:
        """The answers, after `error` from `node` if there was one."""
        slots = self._slots
        pause = FIRST_PAUSE
        for attempt in count():
            if isinstance(error, NodeTimeoutError):
                self._failing.add(node)
                if not query.reads:
                    raise error
            redirected, asking = None, False
            if isinstance(error, AskError):
                # An empty host is the node that answered (https://redis.io/docs/latest/commands/cluster-slots/).
                redirected = Node(error.host or node.host, error.port)
                asking = not isinstance(error, MovedError)
            closed = attempt == 0 and isinstance(error, ConnectionClosedError)
            if error and not closed and not (redirected and attempt < PROMPT_REDIRECTIONS):
                if time.monotonic() + pause >= deadline:
                    raise error
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            try:
                # No error tells of a new replica; only time does.
                stale = self._read_replicas and time.monotonic() > slots.stale
                if not asking and (not slots.starts or stale or (error and not closed)):
                    if self._slots is slots:
                        await self._share(None, partial(self._learn, redirected))
                    slots = self._slots
                node = redirected or self._node(query, primary=error is not None)
                if query.creates:
                    return await self._create(node, query, asking, deadline)
                return (await self._ask(node, (ASKING, *query.commands) if asking else query.commands, deadline))[
                    asking:
                ]
            except TRANSIENT as caught:
                error = caught
            except asyncio.CancelledError as cancelled:
                # At the deadline. The reason is what went wrong before.
                raise cancelled from error
        raise AssertionError("count() has no end")

    async def _create(self, node: Node, query: Query, asking: bool, deadline: float) -> list[Any]:
        """[None] if there is such a user. WATCH belongs to a connection, so this has one of its own."""
        until = min(deadline, time.monotonic() + self._patience)
        first = (ASKING,) if asking else ()
        connection = await self._connector.connect(*node, until)
        try:
            read = (*first, ("WATCH", query.key), *first, ("HGETALL", query.key))
            if (await connection.exchange(read, until))[-1]:
                return [None]
            try:
                answers = await connection.exchange((*first, *query.commands), until)
            except ConnectionClosedError as error:
                # A retry would find the user that this may have created.
                raise NodeTimeoutError("The answer is lost.") from error
            if answers[-1] is None:
                raise TryAgainError("The user was changed meanwhile.")
            return answers
        finally:
            connection.close()

    async def _learn(self, first: Node | None) -> None:
        """Asks which nodes serve which slots, `first` first."""
        members = sorted(self._slots.members(), key=lambda node: (node in self._failing, random.random()))
        failure: redis.RedisError = ClusterDownError("No node has the slots.")
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
                self._connections.pop(gone).close()
            return
        raise failure

    async def _ask(self, node: Node, commands: Sequence[Command], deadline: float) -> list[Any]:
        until = min(deadline, time.monotonic() + self._patience)
        answers: list[Any] | None = None
        try:
            if connection := self._open(node):
                with suppress(ConnectionClosedError):
                    answers = await connection.exchange(commands, until)
            if answers is None:
                connection = await self._share(node, partial(self._connect, node))
                answers = await connection.exchange(commands, until)
        except (redis.ConnectionError, redis.TimeoutError):
            self._failing.add(node)
            raise
        self._failing.discard(node)
        return answers

    def _open(self, node: Node) -> Connection | None:
        """The connection to `node`, if it is usable. Starts a new login when it is time."""
        connection = self._connections.get(node)
        if connection is None or connection.closed:
            return None
        now = time.monotonic()
        if now - connection.used > IDLE_SECONDS:
            self._connections.pop(node).close()
            return None
        if now >= connection.renewal:
            connection.renewal = math.inf
            self._start(self._renew(node, connection))
        return connection

    async def _connect(self, node: Node) -> Connection:
        connection = await self._connector.connect(*node, time.monotonic() + self._patience)
        self._connections[node] = connection
        return connection

    async def _renew(self, node: Node, connection: Connection) -> None:
        """Logs in again. A refused connection is replaced. Without credentials it stays, and a later request tries
        again: MemoryDB keeps it for some time yet."""
        now = time.monotonic()
        try:
            await self._connector.log_in(connection, now + self._patience)
        except errors.NoTokenError:
            connection.renewal = now + RENEWAL_PAUSE
        except redis.RedisError:
            if self._connections.get(node) is connection:
                del self._connections[node]
            connection.close()

    def _node(self, query: Query, primary: bool = False) -> Node:
        """The node to ask: a replica for a read, if they are to be used, unless `primary`."""
        nodes = self._slots.nodes(query.key) or (self._endpoint,)
        return random.choice(nodes[1:] or nodes) if self._read_replicas and query.reads and not primary else nodes[0]

    async def _share(self, what: Node | None, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of `start`, which runs once for all that wait for it."""
        task = self._shared.get(what)
        if not task:
            task = self._shared[what] = asyncio.create_task(start())
            task.add_done_callback(lambda done: (self._shared.pop(what), done.cancelled() or done.exception()))
        return cast(T, await asyncio.shield(task))

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        # The loop itself keeps no reference to a task.
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _slots(answer: Sequence[Any], asked: Node) -> Slots:
    """From the answer of `asked`: [first slot, last, [host, port, ...] of the primary, [...] of a replica, ...], ..."""
    ranges = sorted((first, tuple(_member(member, asked) for member in members)) for first, _, *members in answer)
    stale = time.monotonic() + REPLICAS_SECONDS
    return Slots(tuple(first for first, _ in ranges), tuple(nodes for _, nodes in ranges), stale)


def _member(member: Sequence[Any], asked: Node) -> Node:
    host, port = member[:2]
    # No name, or "?" where a name is preferred and none is set: the host that was asked (the same documentation).
    name = (host or b"").decode()
    return Node(asked.host if name in ("", "?") else name, port)


# The first type that the error has, or that caused it, gives the reason.
_REASONS: dict[type[BaseException], str] = {
    errors.NoTokenError: "There are no AWS credentials to log in to Redis with.",
    errors.TokenError: "Redis does not accept the service's IAM role.",
    errors.CredentialsError: "Redis does not accept the user name and password.",
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
    reasons = (text for kind, text in _REASONS.items() if any(isinstance(each, kind) for each in causes))
    return UnavailableError(next(reasons, "Redis refuses the command."))
