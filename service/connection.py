"""Pipelined connections to the nodes of a Redis cluster.

All commands of one turn of the loop are sent in one write; answers arrive in the order of the commands. The protocol is
RESP2 (https://redis.io/docs/latest/develop/reference/protocol-spec/), which has no notifications between the answers.
Errors are redis-py's.
"""

from __future__ import annotations

import asyncio
import math
import random
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import redis
from redis._parsers.base import BaseParser
from redis.exceptions import InvalidResponse

from service.queries import Command
from service.settings import Settings
from service.users import UnavailableError

# An incomplete answer is parsed again each time more of it arrives.
MAX_ANSWER = 8 * 1024 * 1024

# Tokens.token of service/tokens.py.
Sign: TypeAlias = Callable[[float], str]
Outcome: TypeAlias = list[Any] | redis.RedisError
Callback: TypeAlias = Callable[[Outcome], object]


class ConnectionClosedError(redis.ConnectionError):
    """The node has closed the connection, and executes no more commands from it."""


class NodeTimeoutError(redis.TimeoutError):
    """The node does not answer. It may still execute the commands."""


def parsed(data: bytes) -> tuple[list[Any], bytes]:
    """The answers, and the beginning of one that is incomplete. Raises ValueError and RecursionError."""
    answers, at = [], 0
    try:
        while at < len(data):
            answer, at = _parse(data, at)
            answers.append(answer)
    except EOFError:
        if len(data) - at > MAX_ANSWER:
            raise ValueError from None
    return answers, data[at:]


def _parse(data: bytes, at: int) -> tuple[Any, int]:
    """The answer at this place, and where it ends. Raises EOFError if the rest has not arrived yet."""
    end = data.find(b"\r\n", at)
    if end < 0:
        raise EOFError
    kind, line, after = data[at], data[at + 1 : end], end + 2
    if kind == 58:  # :
        return int(line), after
    if kind == 43:  # +
        return line, after
    if kind == 45:  # -
        return BaseParser.parse_error(line.decode(errors="replace")), after
    if kind not in b"$*" or not (line.isdigit() or line == b"-1"):
        raise ValueError
    length = int(line)
    if length < 0:
        return None, after
    if kind == 36:  # $
        until = after + length
        if len(data) < until + 2:
            raise EOFError
        return data[after:until], until + 2
    values = []
    for _ in range(length):
        value, after = _parse(data, after)
        values.append(value)
    return values, after


def pack(commands: Sequence[Command]) -> bytes:
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for word in command:
            encoded = word.encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(encoded), encoded))
    return b"".join(parts)


class Connection(asyncio.Protocol):
    """Takes commands until `closed`; it should log in again at `renewal`, which is never with a password."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.closed = False
        self.renewal = math.inf
        self.used = time.monotonic()
        self._loop = asyncio.get_running_loop()
        # Of commands without an answer: how many, when the answers are due, and where they go.
        self._pending: deque[tuple[int, float, Callback]] = deque()
        self._unsent: list[bytes] = []
        self._data = b""
        self._values: list[Any] = []
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, commands: Sequence[Command], until: float, callback: Callback) -> None:
        """Calls `callback` by `until` (`time.monotonic()`) with the answers, or with the first error."""
        if self.closed:
            self._loop.call_soon(callback, ConnectionClosedError("The connection is closed."))
            return
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(pack(commands))
        self._pending.append((len(commands), until, callback))
        if not self._timer:
            self._timer = self._loop.call_at(until, self._check_time)

    async def exchange(self, commands: Sequence[Command], until: float) -> list[Any]:
        """The answers. Raises redis.RedisError."""
        answered: asyncio.Future[Outcome] = self._loop.create_future()
        # At the deadline of a request its task is cancelled, and the future with it.
        self.ask(commands, until, lambda outcome: None if answered.done() else answered.set_result(outcome))
        outcome = await answered
        if isinstance(outcome, redis.RedisError):
            raise outcome
        return outcome

    def close(self) -> None:
        """Closes after the last pending answer."""
        self.closed = True
        if not self._pending:
            self._fail(ConnectionClosedError("The connection is closed."))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(ConnectionClosedError("Redis has closed the connection."))

    def data_received(self, data: bytes) -> None:
        self.used = time.monotonic()
        try:
            values, self._data = parsed(self._data + data)
        except (ValueError, RecursionError):
            self._fail(InvalidResponse("The answer is not RESP2, or too long."))
            return
        for value in values:
            self._values.append(value)
            number, _, callback = self._pending[0]
            if len(self._values) == number:
                answers, self._values = self._values, []
                self._pending.popleft()
                callback(next((answer for answer in answers if isinstance(answer, redis.RedisError)), answers))
        if self.closed:
            self.close()

    def _send(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _check_time(self) -> None:
        self._timer = None
        if self._pending:
            until = self._pending[0][1]
            if until <= self._loop.time():
                self._fail(NodeTimeoutError("No answer in time."))
            else:
                self._timer = self._loop.call_at(until, self._check_time)

    def _fail(self, error: redis.RedisError) -> None:
        self.closed = True
        self.transport.abort()
        if self._timer:
            self._timer.cancel()
        pending, self._pending = self._pending, deque()
        for _, _, callback in pending:
            callback(error)


class Connector:
    """Connects to nodes and logs in, with IAM with a token from `sign`."""

    def __init__(self, settings: Settings, sign: Sign | None = None) -> None:
        self._settings, self._sign = settings, sign
        self._tls = ssl.create_default_context() if settings.memorydb_tls else None
        if self._tls and settings.memorydb_tls_ca_file:
            self._tls.load_verify_locations(settings.memorydb_tls_ca_file)

    async def connect(self, host: str, port: int, until: float) -> Connection:
        """Raises OSError, also for a timeout, and what `log_in` raises."""
        async with asyncio.timeout_at(until):
            _, connection = await asyncio.get_running_loop().create_connection(Connection, host, port, ssl=self._tls)
        try:
            await self.log_in(connection, until)
        except BaseException:
            connection.close()
            raise
        return connection

    async def log_in(self, connection: Connection, until: float) -> None:
        """Also logs in again. Raises redis.RedisError, NoCredentialsError, or UnavailableError for a refused login."""
        secret = self._settings.memorydb_password
        if self._sign:
            secret = await asyncio.get_running_loop().run_in_executor(None, self._sign, until)
        try:
            await connection.exchange((("AUTH", self._settings.memorydb_username, secret),), until)
        except redis.AuthenticationError as error:
            # For redis-py a kind of ConnectionError, but other nodes would refuse it too.
            what = "the service's IAM role" if self._sign else "the user name and password"
            raise UnavailableError(f"Redis does not accept {what}.") from error
        if self._sign:
            # At random, so that not all connections log in again at once.
            seconds = random.uniform(0.9, 1) * self._settings.memorydb_reauthenticate_seconds
            connection.renewal = time.monotonic() + seconds
