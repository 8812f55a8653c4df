"""A connection to one node of a Redis cluster. All that is asked in a turn of the loop leaves as one write, and the
answers come in the order of the questions.

With IAM a connection logs in with a token, and again when it has grown old: AUTH is one more question among the others.
The commands are RESP2, https://redis.io/docs/latest/develop/reference/protocol-spec/, which has no notifications that
would arrive between answers. Errors are redis-py's.
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
from service.tokens import NoCredentialsError

# Connections log in again after this part of the time, or a little later: not all at once.
SOONEST_RENEWAL = 0.9
# Copying what has come so far, each time more comes, must not take long.
MAX_ANSWER = 8 * 1024 * 1024

# Makes a new token; takes until when it may wait, on `time.monotonic()`'s clock; may raise NoCredentialsError.
Sign: TypeAlias = Callable[[float], str]
Outcome: TypeAlias = list[Any] | redis.RedisError
Callback: TypeAlias = Callable[[Outcome], object]


class CredentialsError(redis.RedisError):
    """User name or password are not accepted."""


class TokenError(redis.RedisError):
    """The token is not accepted."""


class NoTokenError(redis.RedisError):
    """There is nothing to sign a token with."""


class ConnectionClosedError(redis.ConnectionError):
    """The node has closed the connection: it executes nothing more that came over it."""


class NodeTimeoutError(redis.TimeoutError):
    """The node does not answer. It may still execute the commands."""


class Answers:
    """Reads answers from bytes as they come."""

    def __init__(self) -> None:
        self._data = b""
        # Arrays that are not complete, the innermost last, and how long they will be.
        self._open: list[tuple[list[Any], int]] = []

    def feed(self, data: bytes) -> list[Any]:
        """The answers that are complete now. Raises ValueError."""
        data = self._data + data
        complete: list[Any] = []
        at = 0
        while (end := data.find(b"\r\n", at)) >= 0:
            kind, line, after = data[at], data[at + 1 : end], end + 2
            value: Any = None
            if kind == 36 and line != b"-1":  # $
                until = after + int(line)
                if len(data) < until + 2:
                    break
                value, after = data[after:until], until + 2
            elif kind == 42 and line != b"-1":  # *
                value = []
                if line != b"0":
                    self._open.append((value, int(line)))
                    at = after
                    continue
            elif kind == 58:  # :
                value = int(line)
            elif kind == 43:  # +
                value = line
            elif kind == 45:  # -
                value = BaseParser.parse_error(line.decode(errors="replace"))
            elif kind not in b"$*":
                raise ValueError
            at = after
            while self._open:
                values, count = self._open[-1]
                values.append(value)
                if len(values) < count:
                    break
                value = self._open.pop()[0]
            else:
                complete.append(value)
        self._data = data[at:]
        if len(self._data) > MAX_ANSWER:
            raise ValueError
        return complete


def pack(commands: Sequence[Command]) -> bytes:
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for word in command:
            encoded = word.encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(encoded), encoded))
    return b"".join(parts)


class Connection(asyncio.Protocol):
    """Open until `closed`; it should log in again at `renewal`, which is never with a password."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.closed = False
        self.renewal = math.inf
        self.used = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._asked: deque[tuple[int, float, Callback]] = deque()
        self._gathered: list[bytes] = []
        self._answers = Answers()
        self._values: list[Any] = []
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False

    def ask(self, commands: Sequence[Command], until: float, callback: Callback) -> None:
        """Calls `callback` by `until`: with the answers, or with an error: the first of them, or why there are none."""
        if self.closed:
            self._loop.call_soon(callback, ConnectionClosedError("It is closed."))
            return
        if not self._gathered:
            self._loop.call_soon(self._send)
        self._gathered.append(pack(commands))
        self._asked.append((len(commands), until, callback))
        if not self._timer:
            self._timer = self._loop.call_at(until, self._check_time)

    async def exchange(self, commands: Sequence[Command], until: float) -> list[Any]:
        """The answers. Raises redis.RedisError."""
        answered: asyncio.Future[Outcome] = self._loop.create_future()

        def answer(outcome: Outcome) -> None:
            # The request that waited may have reached its deadline.
            if not answered.done():
                answered.set_result(outcome)

        self.ask(commands, until, answer)
        outcome = await answered
        if isinstance(outcome, redis.RedisError):
            raise outcome
        return outcome

    def close(self) -> None:
        """Closes when all is answered that was asked."""
        self._closing = True
        if not self._asked:
            self._fail(ConnectionClosedError("It is not needed any more."))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(ConnectionClosedError("Redis has closed the connection."))

    def data_received(self, data: bytes) -> None:
        self.used = time.monotonic()
        try:
            values = self._answers.feed(data)
        except ValueError:
            self._fail(InvalidResponse("It does not speak RESP2, or says too much."))
            return
        for value in values:
            if not self._asked:
                self._fail(InvalidResponse("An answer without a question."))
                return
            self._values.append(value)
            number, _, callback = self._asked[0]
            if len(self._values) == number:
                answers, self._values = self._values, []
                self._asked.popleft()
                callback(next((answer for answer in answers if isinstance(answer, redis.RedisError)), answers))
        if self._closing:
            self.close()

    def _send(self) -> None:
        if not self.closed:
            self.transport.write(b"".join(self._gathered))
        self._gathered.clear()

    def _check_time(self) -> None:
        self._timer = None
        if self._asked:
            until = self._asked[0][1]
            if until <= self._loop.time():
                self._fail(NodeTimeoutError("No answer in time."))
            else:
                self._timer = self._loop.call_at(until, self._check_time)

    def _fail(self, error: redis.RedisError) -> None:
        self.closed = True
        self.transport.abort()
        if self._timer:
            self._timer.cancel()
        asked, self._asked = self._asked, deque()
        for _, _, callback in asked:
            callback(error)


class Connector:
    """Connects to nodes and logs in. `sign` makes the tokens, where the settings say iam."""

    def __init__(self, settings: Settings, sign: Sign | None = None) -> None:
        self._settings, self._sign = settings, sign
        self._tls: ssl.SSLContext | None = None
        if settings.tls:
            self._tls = ssl.create_default_context()
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
            if settings.tls_ca_file:
                self._tls.load_verify_locations(settings.tls_ca_file)

    async def connect(self, host: str, port: int, until: float) -> Connection:
        """Raises redis.RedisError."""
        try:
            async with asyncio.timeout_at(until):
                _, connection = await asyncio.get_running_loop().create_connection(
                    Connection, host, port, ssl=self._tls
                )
        except TimeoutError as error:
            raise redis.TimeoutError("No connection in time.") from error
        except OSError as error:
            raise redis.ConnectionError("No connection.") from error
        try:
            await self.log_in(connection, until)
            if self._settings.read_replicas:
                # Lets a replica answer reads; to a primary it makes no difference.
                await connection.exchange((("READONLY",),), until)
        except BaseException:
            connection.close()
            raise
        return connection

    async def log_in(self, connection: Connection, until: float) -> None:
        """Also again. Raises redis.RedisError."""
        settings, secret = self._settings, self._settings.password
        if settings.iam:
            assert self._sign
            try:
                secret = await asyncio.get_running_loop().run_in_executor(None, self._sign, until)
            except NoCredentialsError as error:
                raise NoTokenError from error
        try:
            await connection.exchange((("AUTH", settings.username, secret),), until)
        except redis.AuthenticationError as error:
            # redis-py counts it among the failures of a connection; no other node will say anything else.
            raise (TokenError if settings.iam else CredentialsError) from error
        if settings.iam:
            part = random.uniform(SOONEST_RENEWAL, 1)
            connection.renewal = time.monotonic() + part * settings.iam.reauthenticate
