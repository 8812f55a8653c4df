"""HTTP at the socket, in one asyncio loop and without threads. waitress parses requests.

A channel is one client's connection. It answers its requests in order, one at a time:

    bytes -> Request (service/requests.py) -> Query (service/queries.py) -> Store.ask, which answers later
          -> the application, which never waits -> one write

Every step in the loop is bounded: a read by READ_BYTES, a body by MAX_BODY, and a client to one request per turn, and
only after it has read the last answer. docs/decisions/0023 says what asyncio replaces here, and why.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from waitress.adjustments import Adjustments
from waitress.utilities import build_http_date

from service.app import ANSWERS, ARRIVED, REFUSED, USER
from service.queries import User, query_for
from service.requests import Request
from service.store import Store, Values

# Longer than load balancers keep a connection, about a minute, so that they close it.
IDLE_SECONDS = 120.0
# A client may send for so long after its last answer. An earlier close could destroy that answer (RFC 9112 9.6).
LINGER_SECONDS = 1.0
MAX_CONNECTIONS = 1000
BACKLOG = 1024
READ_BYTES = 16 * 1024
# Of a body with its chunk sizes. waitress writes to disk above 512 KiB.
MAX_CHUNKED = 256 * 1024
MAX_HEADER = 16 * 1024

log = logging.getLogger("service.server")
_date = lru_cache(2)(build_http_date)


def bound(host: str, port: int, *, shared: bool = True) -> socket.socket:
    """A socket at this address; the kernel distributes connections over those that are `shared`. Raises OSError."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
    listener.bind((host, port))
    return listener


class Server:
    """Serves the clients of `listener`. `seconds` is the deadline of a request."""

    def __init__(self, app: Callable[..., Any], store: Store, listener: socket.socket, seconds: float) -> None:
        self.application, self.store, self.seconds = app, store, seconds
        self.adj = Adjustments(max_request_body_size=MAX_CHUNKED, max_request_header_size=MAX_HEADER)
        self.channels: set[Channel] = set()
        self.buffer = bytearray(READ_BYTES)
        self.stopping = asyncio.Event()
        self._listener = listener

    async def run(self, grace: float, supervisor: int | None = None) -> None:
        """Serves until SIGTERM, SIGINT or the end of the pipe `supervisor`. Returns when all requests are answered, or
        after `grace` seconds. A second signal ends the process."""
        self.loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self._stop, self.loop.remove_signal_handler, number)
        if supervisor is not None:
            self.loop.add_reader(supervisor, self._stop, self.loop.remove_reader, supervisor)
        server = await self.loop.create_server(partial(Channel, self), sock=self._listener, backlog=BACKLOG)
        await self.stopping.wait()
        server.close()
        for channel in tuple(self.channels):
            channel.start_next()
        end = self.loop.time() + grace
        while self.channels and self.loop.time() < end:
            await asyncio.sleep(0.02)

    def _stop(self, unregister: Callable[[int], object], number: int) -> None:
        unregister(number)
        self.stopping.set()


class Channel(asyncio.BufferedProtocol):
    """One client's connection."""

    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self.server, self._loop = server, server.loop
        self._partial: Request | None = None
        self._requests: deque[Request] = deque()
        self._busy = self._paused = self._half_closed = self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._used = self._loop.time()
        self._timer = self._loop.call_later(IDLE_SECONDS, self._check_time)
        self.server.channels.add(self)
        if len(self.server.channels) > MAX_CONNECTIONS:
            transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.server.channels.discard(self)
        self._timer.cancel()
        self._closing = True
        self._requests.clear()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.start_next()

    def eof_received(self) -> bool:
        self._half_closed = True
        # Stay open for the answers.
        return bool(self._busy or self._requests)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.server.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._closing:
            return
        data = bytes(memoryview(self.server.buffer)[:nbytes])
        self._used = self._loop.time()
        # Blank lines between requests belong to none (RFC 9112 2.2).
        while data := data if self._partial else data.lstrip(b"\r\n"):
            request = self._partial or Request(self.server.adj)
            data = data[request.received(data) :]
            self._partial = None if request.completed else request
            if request.completed:
                self._requests.append(request)
                if request.error:
                    break
        if self._partial:
            self._timer.cancel()
            self._timer = self._loop.call_at(self._partial.arrived + self.server.seconds, self._check_time)
        if len(self._requests) > 1:
            self.transport.pause_reading()
        self.start_next()

    def start_next(self) -> None:
        """Starts the next request, if none is in progress. Without one, closes or continues the connection."""
        if self._busy or self._paused or self._closing:
            return
        if self._requests:
            self._busy = True
            self._start(self._requests.popleft())
            return
        self.transport.resume_reading()
        if self._half_closed or (self.server.stopping.is_set() and not self._partial):
            self._closing = True
            self.transport.close()
        elif self._partial and self._partial.expect_continue:
            self._partial.expect_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _start(self, request: Request) -> None:
        if request.error:
            self._answer(request)
            return
        query, user = query_for(request.command, request.path, request.headers, request.body())
        if query.commands:
            answered = partial(self._answer, request, user)
            self.server.store.ask(query, request.arrived + self.server.seconds, answered)
        else:
            self._answer(request, user)

    def _answer(self, request: Request, user: User = None, values: Values | None = None) -> None:
        """Answers with the application."""
        ours = {ARRIVED: request.arrived, REFUSED: request.error, USER: user, ANSWERS: values}
        environment = request.environment() | ours
        head: list[Any] = []
        try:
            body = b"".join(self.server.application(environment, lambda *arguments: head.extend(arguments)))
        except Exception:
            log.exception("defect")
            self.transport.abort()
        else:
            self._write(request, head[0], head[1], body)

    def _write(self, request: Request, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        request.close()
        self._busy = False
        if self._closing:
            return
        closes = bool(request.error or request.connection_close or self.server.stopping.is_set())
        lines = [f"{name}: {value}\r\n" for name, value in headers]
        if closes or request.version == "1.0":
            lines.append(f"Connection: {'close' if closes else 'keep-alive'}\r\n")
        head = f"HTTP/{request.version} {status}\r\n{''.join(lines)}date: {_date(int(time.time()))}\r\n\r\n"
        self._used = self._loop.time()
        self.transport.write(head.encode("latin-1") + body)
        if closes:
            self._close()
        elif self._requests:
            # Other clients come first.
            self._loop.call_soon(self.start_next)
        else:
            self.start_next()

    def _close(self) -> None:
        """Closes when the client does, or after LINGER_SECONDS."""
        self._closing = True
        self._requests.clear()
        if self._half_closed or self.transport.is_closing():
            self.transport.close()
        else:
            self.transport.resume_reading()
            self.transport.write_eof()
            self._loop.call_later(LINGER_SECONDS, self.transport.close)

    def _check_time(self) -> None:
        """The timer of incomplete requests and of idle connections."""
        now = self._loop.time()
        if self._partial and self._partial.arrived + self.server.seconds <= now:
            self._partial.refuse(408, "The request did not arrive in time.")
            self._requests.append(self._partial)
            self._partial = None
            self.start_next()
        elif self._used + IDLE_SECONDS <= now and not self._busy:
            self.transport.abort()
        self._timer = self._loop.call_at(max(now + 1, self._used + IDLE_SECONDS), self._check_time)
