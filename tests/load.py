"""Load from many connections at once, and what came of each request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.running import Client, Lateness, body, path

CONNECTIONS = 16


@dataclass(frozen=True)
class Request:
    """One request: when it began and ended, on `time.monotonic()`'s clock, and its answer; status 0 is a broken one."""

    began: float
    ended: float
    method: str
    email: str
    status: int

    @property
    def seconds(self) -> float:
        return self.ended - self.began


Send = Callable[[str, str, bytes | None], "tuple[int, bytes]"]


class Load:
    """Threads with a connection each, which all do `work` again and again until the load is stopped."""

    def __init__(self, port: int, work: Callable[[int, int, Send], None]) -> None:
        self._port = port
        self._work = work
        self._stop = threading.Event()
        self._machine = Lateness()
        self.requests: list[Request] = []
        self.errors: list[BaseException] = []

    @property
    def slowest(self) -> float:
        """The seconds that the slowest request took, without those that a busy machine may have added."""
        return max(request.seconds for request in self.requests) - self._machine.allowed

    def _run(self, worker: int) -> None:
        client = Client(self._port)

        def send(method: str, email: str, content: bytes | None = None) -> tuple[int, bytes]:
            began = time.monotonic()
            status, answered = 0, b""
            try:
                answer = client(method, "/" if method == "POST" else path(email), content)
                status, answered = answer.status, answer.body
            finally:
                self.requests.append(Request(began, time.monotonic(), method, email, status))
            return status, answered

        turn = 0
        try:
            while not self._stop.is_set():
                self._work(worker, turn, send)
                turn += 1
        except Exception as error:
            self.errors.append(error)
        finally:
            client.close()

    @contextmanager
    def running(self) -> Iterator[Load]:
        threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        try:
            with self._machine:
                yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()


def write(worker: int, turn: int, send: Send) -> None:
    """Stores a user nobody else stores; after a refusal, waits as a client would that reads Retry-After, but less."""
    email = f"load-{worker}-{turn}@foo.com"
    status, _ = send("POST", email, body(email))
    time.sleep(0.02 if status == 200 else 0.05)


def live(emails: list[str], worker: int, turn: int, send: Send) -> None:
    """The life of a user that only this worker touches; whatever is read must be what was written last."""
    mine = emails[worker::CONNECTIONS]
    email = mine[turn % len(mine)]
    create, merge, replace = ({"email": email, "name": f"{turn} {step}"} for step in ("a", "b", "c"))

    def answered(status: int, method: str, fields: dict[str, str] | None = None) -> bytes:
        found, content = send(method, email, json.dumps(fields).encode() if fields else None)
        assert found == status, f"{method} is answered {found}, not {status}: {content!r}"
        return content

    answered(201, "PUT", create | {"old": "x"})
    assert json.loads(answered(200, "GET")) == create | {"old": "x"}
    answered(200, "POST", merge | {"new": "y"})
    assert json.loads(answered(200, "GET")) == merge | {"old": "x", "new": "y"}
    answered(200, "PUT", replace)
    assert json.loads(answered(200, "GET")) == replace
    answered(204, "DELETE")
    answered(404, "GET")
