"""Users in a Redis cluster: routes each query to the node that has the user.

`ask` sends a query over the connection to that node. Without a usable connection, or after an error, a task retries
until the request's deadline: it connects, follows redirections and reads the slots again.

A write is repeated only if its first copy cannot be executed any more: the node refused it, or closed the connection.
Otherwise the node may execute the copy after newer writes, and the request is answered 503. docs/decisions/0010 says
why redis-py's own clients are not used.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import ssl
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, ClusterDownError, InvalidResponse, MovedError, NoPermissionError, TryAgainError

from service.connection import Connection, ConnectionClosedError, Connector, NodeTimeoutError, Outcome, Sign
from service.queries import Command, Query
from service.settings import Settings
from service.tokens import NoCredentialsError
from service.users import UnavailableError

# The permissions of the service. generator/contract.py grants them; a test compares the two.
KEYS = "user:*"
COMMANDS = ("hset", "hgetall", "del", "multi", "exec", "watch", "cluster|slots", "ping", "asking")

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.2
# A connection that was unused for longer may have been dropped without notice, by AWS after 350 s
# (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html).
IDLE_SECONDS = 120.0
RENEWAL_PAUSE = 1.0
# Without a host, or with "?" for a missing host name, a member is the node that was asked (CLUSTER SLOTS).
UNNAMED = (None, b"", b"?")
# Redirections are followed at once, but a chain of them means that the nodes do not agree yet.
PROMPT_REDIRECTIONS = 5

UNREACHABLE = (OSError, redis.ConnectionError, redis.TimeoutError)
# Errors that another node, or the same one a moment later, may not have.
TRANSIENT = (AskError, ClusterDownError, InvalidResponse, TryAgainError, redis.ReadOnlyError, *UNREACHABLE)

Values: TypeAlias = list[Any] | UnavailableError
Callback: TypeAlias = Callable[[Values], None]
Commands: TypeAlias = Sequence[Command]

log = logging.getLogger("service.store")


class Node(NamedTuple):
    """Where a member of the cluster listens."""

    host: str
    port: int


class Store:
    """For one loop. Deadlines are on `time.monotonic()`'s clock, which is also the loop's."""

    def __init__(self, settings: Settings, sign: Sign | None = None) -> None:
        self._endpoint = Node(*settings.endpoint)
        # The longest wait for one node, which leaves time to find its successor.
        self._patience = settings.request_deadline / 4
        self._connector = Connector(settings, sign)
        # The primary of each slot, all primaries, and all members of the cluster.
        self._slots: list[Node] = []
        self._primaries: set[Node] = set()
        self._members = {self._endpoint}
        # Nodes that did not answer the last time.
        self._failing: set[Node] = set()
        self._connections: dict[Node, Connection] = {}
        # Work that several requests wait for: connecting to a node, or (None) reading the slots.
        self._shared: dict[Node | None, asyncio.Task[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, query: Query, deadline: float, callback: Callback) -> None:
        """Calls `callback` with the answers to the query's commands, or with the error for the client."""
        node = self._node(query)

        def answered(outcome: Outcome | None) -> None:
            if isinstance(outcome, list):
                callback(outcome)
            else:
                self._start(self._finish(query, deadline, callback, node, outcome))

        until = time.monotonic() + self._patience
        connection = self._usable(node)
        plain = not (query.creates or query.everywhere)
        if connection and plain and node not in self._failing and until < deadline:
            connection.ask(query.commands, until, answered)
        else:
            answered(None)

    async def _finish(
        self, query: Query, deadline: float, callback: Callback, node: Node, error: redis.RedisError | None
    ) -> None:
        values: Values
        try:
            async with asyncio.timeout_at(deadline):
                values = await self._retry(query, deadline, node, error)
                for primary in self._primaries if query.everywhere else ():
                    await self._ask(primary, (("PING",),), deadline)
        except UnavailableError as caught:
            values = caught
        except (redis.RedisError, NoCredentialsError, OSError) as caught:
            values = UnavailableError(_reason(caught))
            values.__cause__ = caught
        except Exception:
            log.exception("defect")
            values = UnavailableError("The service has a defect.")
        callback(values)

    async def _retry(self, query: Query, deadline: float, node: Node, error: Exception | None) -> list[Any]:
        """The answers, after `error` from `node` if there was one."""
        slots, pause, attempt = self._slots, FIRST_PAUSE, 0
        while True:
            if isinstance(error, (NodeTimeoutError, InvalidResponse)):
                self._failing.add(node)
                # The node may have done it, or may still do it.
                if not query.reads:
                    raise error
            # An empty host is the node that answered (https://redis.io/docs/latest/commands/cluster-slots/).
            redirected = Node(error.host or node.host, error.port) if isinstance(error, AskError) else None
            # redis-py's MovedError is a kind of AskError.
            asking: Commands = (("ASKING",),) if redirected and not isinstance(error, MovedError) else ()
            closed = attempt == 0 and isinstance(error, ConnectionClosedError)
            if error and not closed and not (redirected and attempt < PROMPT_REDIRECTIONS):
                if time.monotonic() + pause >= deadline:
                    raise error
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            try:
                if not asking and (not slots or (error and not closed)):
                    # Another request may have read them since.
                    if self._slots is slots:
                        await self._share(None, partial(self._learn, redirected))
                    slots = self._slots
                node = redirected or self._node(query)
                if query.creates:
                    return await self._create(node, query, asking, deadline)
                answers = await self._ask(node, (*asking, *query.commands), deadline)
                return answers[len(asking) :]
            except TRANSIENT as caught:
                error, attempt = caught, attempt + 1
            except asyncio.CancelledError:
                # At the deadline the last error is the reason.
                if error and time.monotonic() >= deadline:
                    raise error from None
                raise

    async def _create(self, node: Node, query: Query, asking: Commands, deadline: float) -> list[Any]:
        """Uses a connection of its own, because WATCH belongs to a connection."""
        until = min(deadline, time.monotonic() + self._patience)
        connection = await self._connector.connect(*node, until)
        try:
            read = (*asking, ("WATCH", query.key), *asking, ("HGETALL", query.key))
            if (await connection.exchange(read, until))[-1]:
                return [None]
            try:
                answers = await connection.exchange((*asking, *query.commands), until)
            except ConnectionClosedError as error:
                # A retry would find the user that this may have created.
                raise NodeTimeoutError("No answer.") from error
            if answers[-1] is None:
                raise TryAgainError("The user was changed after WATCH.")
            return answers
        finally:
            connection.close()

    async def _learn(self, first: Node | None) -> None:
        """Reads the slots from the first node that answers, beginning with `first`."""
        tried = sorted(self._members, key=lambda node: (node in self._failing, random.random()))
        failure: Exception = ClusterDownError("No node has the slots.")
        for node in dict.fromkeys([*([first] if first else []), *tried, self._endpoint]):
            try:
                (answer,) = await self._ask(node, (("CLUSTER", "SLOTS"),), math.inf)
            except TRANSIENT as error:
                failure = error
                continue
            # Slots without a primary are asked of the endpoint.
            slots, primaries, members = [self._endpoint] * REDIS_CLUSTER_HASH_SLOTS, set[Node](), {self._endpoint}
            for first_slot, last_slot, *shard in answer:
                nodes = [Node(node.host if host in UNNAMED else host.decode(), port) for host, port, *_ in shard]
                slots[first_slot : last_slot + 1] = nodes[:1] * (last_slot + 1 - first_slot)
                primaries.add(nodes[0])
                members.update(nodes)
            self._slots, self._primaries, self._members = slots, primaries, members
            self._failing &= self._members
            for gone in self._connections.keys() - self._members:
                self._connections.pop(gone).close()
            return
        raise failure

    async def _ask(self, node: Node, commands: Commands, deadline: float) -> list[Any]:
        until = min(deadline, time.monotonic() + self._patience)
        answers: list[Any] | None = None
        try:
            if connection := self._usable(node):
                with suppress(ConnectionClosedError):
                    answers = await connection.exchange(commands, until)
            if answers is None:
                connection = await self._share(node, partial(self._connect, node))
                answers = await connection.exchange(commands, until)
        except UNREACHABLE:
            self._failing.add(node)
            raise
        self._failing.discard(node)
        return answers

    def _usable(self, node: Node) -> Connection | None:
        """The connection to `node`, unless it is closed or idle. Starts its next login when that is due."""
        connection = self._connections.get(node)
        if connection is None or connection.closed:
            return None
        now = time.monotonic()
        if now - connection.used > IDLE_SECONDS:
            connection.close()
            return None
        if now >= connection.renewal:
            connection.renewal = math.inf
            self._start(self._renew(connection))
        return connection

    async def _connect(self, node: Node) -> Connection:
        connection = await self._connector.connect(*node, time.monotonic() + self._patience)
        self._connections[node] = connection
        return connection

    async def _renew(self, connection: Connection) -> None:
        """Logs in again. Without credentials the connection stays open until a later attempt; other errors end it."""
        now = time.monotonic()
        try:
            await self._connector.log_in(connection, now + self._patience)
        except NoCredentialsError:
            connection.renewal = now + RENEWAL_PAUSE
        except (redis.RedisError, UnavailableError):
            connection.close()

    def _node(self, query: Query) -> Node:
        return self._slots[key_slot(query.key.encode())] if self._slots else self._endpoint

    async def _share(self, what: Node | None, start: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """The result of `start`, which runs once for all requests that wait for it."""
        task = self._shared.get(what)
        if not task:
            task = self._shared[what] = asyncio.create_task(start())
            task.add_done_callback(lambda done: (self._shared.pop(what), done.cancelled() or done.exception()))
        return await asyncio.shield(task)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        # The loop itself keeps no reference to a task.
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


# The first type that the error, or one of its causes, is an instance of.
_REASONS: dict[type[BaseException] | tuple[type[BaseException], ...], str] = {
    NoCredentialsError: "There are no AWS credentials to log in to Redis with.",
    NoPermissionError: "Redis does not permit this user what the service needs.",
    redis.OutOfMemoryError: "Redis is out of memory.",
    redis.BusyLoadingError: "Redis is still loading its data.",
    ssl.SSLCertVerificationError: "The TLS certificate of Redis is not trusted.",
    ssl.SSLError: "TLS with Redis fails.",
    (TimeoutError, redis.TimeoutError): "Redis does not answer in time.",
    UNREACHABLE: "Redis cannot be reached.",
    AskError: "The Redis cluster is moving data.",
    redis.ReadOnlyError: "The Redis cluster is failing over.",
    ClusterDownError: "The Redis cluster is down.",
}


def _reason(error: BaseException | None) -> str:
    causes: list[BaseException] = []
    while error is not None:
        causes.append(error)
        error = error.__cause__ or error.__context__
    reasons = (text for kind, text in _REASONS.items() if any(isinstance(cause, kind) for cause in causes))
    return next(reasons, "Redis refuses the command.")
