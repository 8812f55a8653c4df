"""What stands for the internet: a proxy on the loopback interface that knows a few host names, each with real TLS.

Whoever has HTTPS_PROXY and SSL_CERT_FILE set to it speaks to services and to ECR's registry by their own names,
verifies their certificates, and never leaves this machine: other names are refused.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from types import TracebackType

from rehearsal.cluster import Tls
from rehearsal.processes import ADDRESS

CHUNK = 65536


class Internet:
    """`ports` tells on which loopback port a host is served in plain HTTP, None for a host that is not known; `hear` is
    told the first bytes of each connection. A context manager."""

    def __init__(
        self, tls: Tls, ports: Callable[[str], int | None], hear: Callable[[bytes], None] = lambda data: None
    ) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(tls.certificate, tls.key)
        self._ports = ports
        self._hear = hear
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.url = ""

    def __enter__(self) -> Internet:
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    async def _run(self) -> None:
        """Serves until it is ended; connections that are open then are cut."""
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
            port = self._ports(target.rpartition(b":")[0].decode("latin-1")) if method == b"CONNECT" else None
            if port is None:
                writer.write(b"HTTP/1.1 502 Not a host of this rehearsal\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
            else:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await writer.drain()
                await writer.start_tls(self._tls)
                await self._forward(reader, writer, port)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        first = await reader.read(CHUNK)
        self._hear(first)
        inner_reader, inner_writer = await asyncio.open_connection(ADDRESS, port)
        with closing(inner_writer):
            inner_writer.write(first)
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    # Half of a connection cannot be closed over TLS: the end of one direction is the end of both.
    writer.close()
