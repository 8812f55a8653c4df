"""HTTP at the socket. waitress reads the requests and makes the answers; asyncio moves the bytes; nothing has a thread.

A channel is the connection of one client, and answers its requests one after the other:

    bytes -> waitress's parser, strict (service/requests.py) -> what has to be asked (`service.app.foresee`)
          -> the store, which answers later (service/store.py) -> the application, which never waits -> bytes

What is refused, or asks nothing, is answered at once. Each step in the loop is bounded: a read by READ_BYTES, a body by
MAX_BODY, one request a turn for each client, and no next one before the client has taken the last answer. A request has
one deadline, which begins with its first byte: a slow client, a slow store, all of it.
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
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import InternalServerError, build_http_date

from service.app import ANSWERS, ARRIVED, USER, foresee, refusal
from service.requests import Request, RequestTimeout
from service.store import Store, Values

# Load balancers keep a connection for about a minute, and should be the ones who close it.
IDLE_SECONDS = 120.0
# How long a client may go on sending after its last answer; closing earlier could take that from it (RFC 9112 9.6).
LINGER_SECONDS = 1.0
MAX_CONNECTIONS = 1000
READ_BYTES = 16 * 1024
# Of a body with its chunks' sizes. waitress writes to disk beyond 512 KiB.
MAX_CHUNKED = 256 * 1024
MAX_HEADER = 16 * 1024


log = logging.getLogger("service.server")


def listen(host: str, port: int) -> socket.socket:
    """Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


class Server:
    """Serves what connects to `listener`, until SIGTERM or SIGINT."""

    def __init__(
        self,
        app: Callable[..., Any],
        store: Store,
        listener: socket.socket,
        seconds: float,
        supervisor: int | None = None,
    ):
        self.application = app
        self.seconds = seconds
        self.adj = Adjustments(max_request_body_size=MAX_CHUNKED, max_request_header_size=MAX_HEADER, ident=None)
        # What waitress's tasks put into the environment.
        self.server_name, self.effective_port = self.adj.server_name, listener.getsockname()[1]
        self.channels: set[_Channel] = set()
        self.buffer = bytearray(READ_BYTES)
        self.stopping = False
        self.store = store
        self._listener = listener
        self._supervisor = supervisor
        self._accepting: set[asyncio.Task[Any]] = set()

    def run(self, grace: float) -> None:
        """Stops listening at the first signal, and returns when all is answered, or after `grace` seconds. A second
        signal ends the process."""
        asyncio.run(self._run(grace))

    async def _run(self, grace: float) -> None:
        self.loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self.stop, number)
        if self._supervisor is not None:
            # It can be read when the supervisor is gone.
            self.loop.add_reader(self._supervisor, self.stop)
        self._listener.setblocking(False)
        self.listen()
        await self._stopped.wait()
        end = self.loop.time() + grace
        while (self.channels or self._accepting) and self.loop.time() < end:
            await asyncio.sleep(0.02)

    def stop(self, number: int = 0) -> None:
        if number:
            self.loop.remove_signal_handler(number)
        if self._supervisor is not None:
            self.loop.remove_reader(self._supervisor)
        if self.stopping:
            return
        self.stopping = True
        self.loop.remove_reader(self._listener)
        self._listener.close()
        for channel in tuple(self.channels):
            channel.rest()
        self._stopped.set()

    def listen(self) -> None:
        """Also when there is room again."""
        if not self.stopping and len(self.channels) < MAX_CONNECTIONS:
            self.loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        # One at a time, so that processes that share the listener share its clients.
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:
            # No more files, for example: it would fail again at once.
            self.loop.remove_reader(self._listener)
            self.loop.call_later(0.1, self.listen)
            return
        if len(self.channels) + len(self._accepting) >= MAX_CONNECTIONS:
            self.loop.remove_reader(self._listener)
        made = self.loop.create_task(self.loop.connect_accepted_socket(partial(_Channel, self), connection))
        self._accepting.add(made)
        made.add_done_callback(self._accepting.discard)


class _Channel(asyncio.BufferedProtocol):
    """One client. What waitress's tasks expect of a channel are `adj`, `server`, `addr` and the last two methods."""

    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self.server, self.adj = server, server.adj
        self._reading: Request | None = None
        self._requests: deque[Request] = deque()
        self._written: list[bytes] = []
        self._busy = self._full = self._ending = self._closing = False
        self._late: asyncio.TimerHandle | None = None

    # The transport calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.addr = transport.get_extra_info("peername") or ("", 0)
        self.server.channels.add(self)
        self._used = self.server.loop.time()
        self._idle = self.server.loop.call_later(IDLE_SECONDS, self._check_idle)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.channels.discard(self)
        self.server.listen()
        self._idle.cancel()
        if self._late:
            self._late.cancel()
        self._closing = True
        self._requests.clear()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._next()

    def eof_received(self) -> bool:
        """Whether the client is still owed an answer."""
        self._ending = True
        return bool(self._busy or self._requests)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.server.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._closing:
            return
        data = bytes(memoryview(self.server.buffer)[:nbytes])
        self._used = self.server.loop.time()
        request: Request | None
        while data:
            request = self._reading = self._reading or Request(self.adj)
            data = data[request.received(data) :]
            if request.completed:
                self._completed(request)
                if request.error:
                    break
        request = self._reading
        if request and request.arrived and not self._late:
            left = request.arrived + self.server.seconds - time.monotonic()
            self._late = self.server.loop.call_later(left, self._too_late, request)
        if len(self._requests) > 1:
            self.transport.pause_reading()
        self._next()

    # What becomes of requests.

    def _completed(self, request: Request) -> None:
        self._reading = None
        self._requests.append(request)
        if self._late:
            self._late.cancel()
            self._late = None

    def _too_late(self, request: Request) -> None:
        self._late = None
        request.refuse(RequestTimeout("The request was not there in time."))
        self._completed(request)
        self._next()

    def _next(self) -> None:
        """Begins with the next request, when it is its turn."""
        if self._busy or self._full or self._closing:
            return
        if self._requests:
            self._busy = True
            self._begin(self._requests.popleft())
            return
        self.transport.resume_reading()
        if self._ending or (self.server.stopping and not self._reading):
            self._closing = True
            self.transport.close()
        elif self._reading and self._reading.expect_continue:
            self._reading.expect_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    rest = _next

    def _begin(self, request: Request) -> None:
        if request.error:
            self._finish(self._perform(_Refusal(self, request)))
            return
        body = request.get_body_stream().read()
        query, user = foresee(request.command, request.path, request.headers, body)
        extra: dict[str, Any] = {ARRIVED: request.arrived, USER: user, ANSWERS: []}
        if query.commands:
            deadline = request.arrived + self.server.seconds
            self.server.store.ask(query, deadline, partial(self._answered, request, extra))
        else:
            self._answered(request, extra, [])

    def _answered(self, request: Request, extra: dict[str, Any], answers: Values) -> None:
        extra[ANSWERS] = answers
        self._finish(self._perform(_Task(self, request, extra)))

    def _perform(self, task: _Task | _Refusal) -> _Task | _Refusal:
        if self.server.stopping:
            task.set_close_on_finish()
        try:
            task.service()
        except Exception:
            log.exception("defect")
            self._written.clear()
            task.request.error = InternalServerError("")
            return self._perform(_Refusal(self, task.request))
        return task

    def _finish(self, task: _Task | _Refusal) -> None:
        task.request.close()
        self._busy = False
        if self._closing:
            return
        self._used = self.server.loop.time()
        self.transport.write(b"".join(self._written))
        self._written.clear()
        if task.close_on_finish:
            self._end()
        elif self._requests:
            # Not at once: other clients are waiting too.
            self.server.loop.call_soon(self._next)
        else:
            self._next()

    def _end(self) -> None:
        """Closes, after what is written has left and the client has closed too, or a moment later."""
        self._closing = True
        self._requests.clear()
        if self._ending or self.transport.is_closing():
            self.transport.close()
            return
        self.transport.resume_reading()
        self.transport.write_eof()
        self.server.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _check_idle(self) -> None:
        left = self._used + IDLE_SECONDS - self.server.loop.time()
        if left <= 0 and not self._busy:
            self.transport.abort()
        else:
            self._idle = self.server.loop.call_later(max(1.0, left), self._check_idle)

    # waitress's tasks call these.

    def write_soon(self, data: bytes) -> int:
        self._written.append(data)
        return len(data)

    def check_client_disconnected(self) -> bool:
        return self._closing


class _Refusal(ErrorTask):
    """Answers what is not worth asking the application, in its manner."""

    request: Any

    def __init__(self, channel: Any, request: Any) -> None:
        super().__init__(channel, request)

    def execute(self) -> None:
        error = self.request.error
        self.status = f"{error.code} {error.reason}"
        self.response_headers, body = refusal(error.code, error.body, self.request.arrived)
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Task(WSGITask):
    request: Any

    def __init__(self, channel: Any, request: Any, extra: dict[str, Any]) -> None:
        super().__init__(channel, request)
        self._extra = extra

    def get_environment(self) -> dict[str, Any]:
        # waitress leaves one of several leading slashes, but an e-mail may begin with one.
        environment: dict[str, Any] = super().get_environment()
        environment["PATH_INFO"] = self.request.path.encode().decode("latin-1")
        environment |= self._extra
        return environment


@lru_cache(2)
def _date(second: int) -> str:
    return build_http_date(second)
