"""What the store does with a node that does not speak Redis's protocol."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from rehearsal.processes import ADDRESS
from service.connection import Sign
from service.queries import Query, query_for
from service.settings import Settings
from service.store import Store
from service.users import UnavailableError

DEADLINE = 1.0
READ, DELETE = (query_for(method, "/a@b.c", {}, b"")[0] for method in ("GET", "DELETE"))
POST = query_for("POST", "/", {}, b'{"email":"a@b.c","name":"a"}')[0]
SLOTS = b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n"


async def asked(query: Query, answer: bytes, sign: Sign | None = None) -> tuple[Any, int]:
    """The outcome of a query to a node that gives this answer to all but logins and slots; how often it was asked."""
    times = 0
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal times
        writers.append(writer)
        while data := await reader.read(4096):
            if b"AUTH" in data:
                writer.write(b"+OK\r\n")
            elif b"SLOTS" in data:
                writer.write(SLOTS % port)
            else:
                times += 1
                writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, ADDRESS, 0)
    port = server.sockets[0].getsockname()[1]
    outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    store = Store(Settings(f"{ADDRESS}:{port}", "a", "b", memorydb_tls=False, request_deadline=DEADLINE), sign)
    store.ask(query, time.monotonic() + DEADLINE, outcome.set_result)
    found = await outcome
    server.close()
    # The store's connections end when their peer closes them.
    for writer in writers:
        writer.close()
    await asyncio.sleep(0.1)
    return found, times


def run(coroutine: Coroutine[Any, Any, tuple[Any, int]]) -> tuple[Any, int]:
    return asyncio.run(coroutine)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$x\r\n", b"*-7\r\n", b"\x00\x01\r\n"])
@pytest.mark.parametrize("query", [POST, DELETE])
def test_a_write_whose_answer_cannot_be_read_is_not_sent_again(query: Query, answer: bytes) -> None:
    outcome, times = run(asked(query, answer))
    assert isinstance(outcome, UnavailableError)
    assert times == 1


def test_a_read_whose_answer_cannot_be_read_is_sent_again() -> None:
    outcome, times = run(asked(READ, b"$x\r\n"))
    assert isinstance(outcome, UnavailableError)
    assert times > 1


def test_the_reason_at_the_deadline_is_the_last_error() -> None:
    def sign(until: float) -> str:
        """The first login is refused; the second is still in progress at the deadline."""
        if tried.is_set():
            time.sleep(DEADLINE)
        tried.set()
        raise ConnectionRefusedError

    tried = threading.Event()
    outcome, _ = run(asked(READ, b"", sign))
    assert str(outcome) == "Redis cannot be reached."


def test_an_answer_that_can_be_read_is_the_outcome() -> None:
    assert run(asked(DELETE, b":1\r\n")) == ([1], 1)
