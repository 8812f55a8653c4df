"""An HTTPS proxy on the loopback interface that serves AWS's host names from this machine, with verified TLS.

Clients use it through HTTPS_PROXY and SSL_CERT_FILE. Every name that the rehearsal does not serve is refused.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial

from rehearsal.processes import ADDRESS
from rehearsal.services.redis_cluster import Tls

CHUNK = 65536


class HttpsProxy:
    """A context manager. `ports` returns the loopback port that serves a host in plain HTTP, None for an unknown host;
    `observe` is called with the first bytes of each connection, `answered` with the port and each part of an answer."""

    def __init__(
        self,
        tls: Tls,
        ports: Callable[[str], int | None],
        observe: Callable[[bytes], None] = lambda data: None,
        answered: Callable[[int, bytes], None] = lambda port, data: None,
    ) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(tls.certificate, tls.key)
        self._ports = ports
        self._observe = observe
        self._answered = answered
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.url = ""

    def __enter__(self) -> HttpsProxy:
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    async def _run(self) -> None:
        """Serves until `__exit__`, which closes the connections that are still open."""
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, ADDRESS, 0)
        self.url = f"http://{ADDRESS}:{server.sockets[0].getsockname()[1]}"
        self._listening.set()
        await self._ended.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
            host = target.rpartition(b":")[0].decode("latin-1")
            port = self._ports(host) if method == b"CONNECT" else None
            if port is None:
                writer.write(b"HTTP/1.1 502 Not a host of this rehearsal\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
            else:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await writer.drain()
                await writer.start_tls(self._tls)
                await self._forward(reader, writer, host, port)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        first = await reader.read(CHUNK)
        self._observe(first)
        try:
            inner_reader, inner_writer = await asyncio.open_connection(ADDRESS, port)
        except ConnectionRefusedError:
            # The instance was replaced after the client had connected; a load balancer chooses one for each request.
            port = self._ports(host) or port
            inner_reader, inner_writer = await asyncio.open_connection(ADDRESS, port)
        with closing(inner_writer):
            inner_writer.write(first)
            answered = partial(self._answered, port)
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer, answered))


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Callable[[bytes], None] = lambda data: None
) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            seen(data)
            writer.write(data)
            await writer.drain()
    # Half of a connection cannot be closed over TLS: the end of one direction is the end of both.
    writer.close()
