"""A stand-in for what MemoryDB does with the tokens of IAM users: TLS proxies in front of a cluster's nodes.

Facts, of the MemoryDB developer guide, "Authenticating with IAM": a token stands in the password's place in AUTH or
HELLO; it is a presigned GET of `<cluster name>/?Action=connect&User=<user>` for service memorydb, good for 15 minutes;
a connection is cut 12 hours after it has logged in, and AUTH with a new token prolongs it by as much; it does not work
inside MULTI and EXEC. Assumptions, because nothing is documented: a refused AUTH sounds as Redis's own, whoever was
logged in stays so, and a cut closes both directions.

Redis itself knows only fixed passwords: a proxy checks the token, and logs in to the node with the one of the stand-in.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from rehearsal.processes import ADDRESS
from rehearsal.services.redis_cluster import HOST, Cluster, Node, Tls
from tests.sigv4 import ALGORITHM, signature

T = TypeVar("T")

EXPIRY = 900


@dataclass(frozen=True)
class Keys:
    """Credentials that AWS has given a role."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass
class Login:
    """One connection of the service: when it was made, when it logged in, when it was cut."""

    made: float
    times: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    cut: bool = False
    ended: float | None = None


@dataclass
class Iam:
    """What IAM knows: which credentials may connect as which user to which cluster."""

    cluster_name: str
    region: str
    keys: list[Keys]

    def objection(self, username: str, token: str) -> str | None:
        """Why the token is not accepted, or None."""
        host, _, text = token.partition("/?")
        query = dict(parse_qsl(text, keep_blank_values=True))
        given = query.pop("X-Amz-Signature", "")
        access_key, _, scope = query.get("X-Amz-Credential", "").partition("/")
        date = query.get("X-Amz-Date", "")
        try:
            age = (datetime.now(UTC) - datetime.strptime(f"{date}+0000", "%Y%m%dT%H%M%SZ%z")).total_seconds()
            expires = int(query["X-Amz-Expires"])
        except (ValueError, KeyError):
            return "no date"
        found = [keys for keys in self.keys if keys.access_key == access_key]
        if not found:
            return "unknown access key"
        (keys,) = found
        facts = {
            "host": host == self.cluster_name,
            "algorithm": query.get("X-Amz-Algorithm") == ALGORITHM,
            "scope": scope == f"{date[:8]}/{self.region}/memorydb/aws4_request",
            "expiry": 0 < expires <= EXPIRY and -1 <= age < expires,
            "headers": query.get("X-Amz-SignedHeaders") == "host",
            "action": query.get("Action") == "connect",
            "user": query.get("User") == username,
            "session": query.get("X-Amz-Security-Token") == keys.session_token,
            "signature": given
            == signature(host, query, secret_key=keys.secret_key, region=self.region, service="memorydb"),
        }
        return next((name for name, holds in facts.items() if not holds), None)


class StandIn:
    """A cluster that takes tokens. `seconds` stand for MemoryDB's 12 hours; without `renewals` it refuses who is in."""

    def __init__(self, iam: Iam, tls: Tls, seconds: float, nodes: int) -> None:
        self.iam = iam
        self.seconds = seconds
        self.renewals = True
        self.logins: list[Login] = []
        self.cluster: Cluster | None = None
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._servers = [self._call(self._listen(number)) for number in range(nodes)]

    @property
    def ports(self) -> list[int]:
        return [server.sockets[0].getsockname()[1] for server in self._servers]

    @property
    def open(self) -> list[Login]:
        return [login for login in self.logins if login.ended is None]

    def stop(self) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    async def _listen(self, number: int) -> asyncio.Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._tls.certificate, self._tls.key)

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert self.cluster
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
                await self._serve(self.cluster.nodes[number], reader, writer)

        return await asyncio.start_server(accept, ADDRESS, 0, ssl=context)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, node: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        login = Login(time.monotonic())
        self.logins.append(login)
        context = ssl.create_default_context(cafile=str(self._tls.authority))
        from_node, to_node = await asyncio.open_connection(HOST, node.port, ssl=context)
        answers = asyncio.create_task(relay(from_node, writer))
        questions = asyncio.create_task(self._check(login, reader, to_node))
        try:
            while not (answers.done() or questions.done()):
                left = (login.times[-1] if login.times else login.made) + self.seconds - time.monotonic()
                if left <= 0:
                    login.cut = True
                    break
                await asyncio.wait((answers, questions), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            login.ended = time.monotonic()
            for task in (answers, questions):
                task.cancel()
            await asyncio.gather(answers, questions, return_exceptions=True)
            for end in (writer, to_node):
                end.transport.abort()

    async def _check(self, login: Login, reader: asyncio.StreamReader, to_node: asyncio.StreamWriter) -> None:
        """Passes commands on, and looks at those that log in."""
        assert self.cluster
        user = self.cluster.user
        in_transaction = False
        while True:
            raw, words = await command(reader)
            name = words[0].upper()
            if name == b"HELLO" and len(words) > 2:
                raise AssertionError("The service speaks RESP2 and logs in with AUTH.")
            if name == b"AUTH":
                username, token = words[1].decode(), words[2].decode()
                objection = "in a transaction" if in_transaction else self.iam.objection(username, token)
                if login.times and not self.renewals:
                    objection = "no renewals"
                # Redis itself refuses, so that the answer keeps its place among those to what was asked before.
                password = "refused"
                if objection or username != user.name:
                    login.refused.append(objection or "no such user")
                else:
                    login.times.append(time.monotonic())
                    password = user.password
                raw = packed(b"AUTH", user.name.encode(), password.encode())
            in_transaction = name == b"MULTI" or (in_transaction and name not in (b"EXEC", b"DISCARD"))
            to_node.write(raw)
            await to_node.drain()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()


async def command(reader: asyncio.StreamReader) -> tuple[bytes, list[bytes]]:
    """One command as it came, and its words: an array of bulk strings (https://redis.io/docs/latest/develop/reference/)."""
    raw = await reader.readuntil(b"\r\n")
    words = []
    for _ in range(int(raw[1:])):
        length = await reader.readuntil(b"\r\n")
        word = await reader.readexactly(int(length[1:]) + 2)
        raw += length + word
        words.append(word[:-2])
    return raw, words


def packed(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


@contextmanager
def stand_in(iam: Iam, tls: Tls, seconds: float, nodes: int) -> Iterator[StandIn]:
    """Listens; the caller puts a cluster behind it that announces its ports."""
    running = StandIn(iam, tls, seconds, nodes)
    try:
        yield running
    finally:
        running.stop()
