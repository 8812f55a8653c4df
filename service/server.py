"""waitress, with what it lacks: the moment a request arrived, the path as it is, an end that finishes what runs."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

from service.app import ARRIVED

log = logging.getLogger("service.server")

# Load balancers keep a connection for about a minute, and should be the ones who close it.
IDLE_SECONDS = 120
MAX_CONNECTIONS = 1000
# More than the API takes, so that the API says so; beyond this waitress does, before it has read it all.
MAX_BODY = 1024 * 1024
MAX_HEADER = 16 * 1024
SEND_BYTES = 18_000


class Server(TcpWSGIServer):
    """Listens from the moment it is made; `run` serves until SIGTERM or SIGINT."""

    def __init__(self, app: Callable[..., Any], host: str, port: int, threads: int) -> None:
        adjustments = Adjustments(
            host=host,
            port=port,
            threads=threads,
            backlog=1024,
            channel_timeout=IDLE_SECONDS,
            connection_limit=MAX_CONNECTIONS,
            max_request_body_size=MAX_BODY,
            max_request_header_size=MAX_HEADER,
            # select() ends at 1,024 files.
            asyncore_use_poll=True,
            # Nothing here looks at proxy headers.
            clear_untrusted_proxy_headers=False,
            ident=None,
        )
        # Sending is the main loop's: a thread that sends by itself wakes it anyway. waitress calls the keyword
        # deprecated; should the attribute go, the service is only slower (docs/decisions/0022).
        adjustments.send_bytes = SEND_BYTES
        self.channel_class = _Channel
        self._sockets: dict[int, Any] = {}
        self._stopping = False
        super().__init__(app, self._sockets, adj=adjustments, dispatcher=_Dispatcher(threads))

    def run(self, grace: float = 5.0) -> None:
        """Serves until SIGTERM or SIGINT; then stops listening, and returns when all is answered, or after `grace`
        seconds. A second signal ends the process.

        The handlers matter beyond politeness: the kernel lets process 1 ignore what it has no handler for.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while not self._stopping:
            self._turn(timeout=30)
        wasyncore.dispatcher.close(self)
        end = time.monotonic() + grace
        while self.active_channels and time.monotonic() < end:
            channels: Any = self.active_channels
            for channel in tuple(channels.values()):
                if not (channel.requests or channel.request or channel.total_outbufs_len):
                    channel.will_close = True
            self._turn(timeout=0.1)
        self.task_dispatcher.shutdown(timeout=1)

    def _turn(self, timeout: float) -> None:
        wasyncore.loop(timeout=timeout, use_poll=True, map=self._sockets, count=1)

    def _stop(self, number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        self._stopping = True
        self.pull_trigger()


class _Dispatcher(ThreadedTaskDispatcher):
    """Hands requests to threads through a queue in C; waitress's own takes a lock and counts idle threads each time."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._tasks: SimpleQueue[Any] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def add_task(self, task: Any) -> None:
        """Called by waitress for each request."""
        self._tasks.put(task)

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """Lets the threads finish what is waiting, and waits for that no longer than `timeout` seconds."""
        for _ in self._threads:
            self._tasks.put(None)
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task.service()
            except BaseException:
                log.exception("Exception when servicing a request")


class _Parser(HTTPRequestParser):
    arrived = 0.0

    def received(self, data: bytes) -> int:
        consumed = super().received(data)
        if self.completed:
            self.arrived = time.monotonic()
        return consumed


class _Task(WSGITask):
    request: Any

    def get_environment(self) -> dict[str, Any]:
        # waitress leaves one of several leading slashes, but an e-mail may begin with one.
        return {**super().get_environment(), "PATH_INFO": self.request.path, ARRIVED: self.request.arrived}


class _Channel(HTTPChannel):
    parser_class = _Parser
    task_class = _Task
