"""The service as a process of its own, as a container runs it, and HTTP clients that add nothing."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rehearsal.processes import ADDRESS, START_SECONDS, answers, free_ports
from rehearsal.services.redis_cluster import Cluster, User
from service.settings import Settings

ROOT = Path(__file__).parents[1]
DEADLINE = Settings("localhost:6379", "user").request_deadline
LATE = 0.5


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


# The service closes a connection that was idle for longer (service/server.py).
FRESH_SECONDS = 60.0


class Client:
    """One connection, kept open while it is used."""

    def __init__(self, port: int, timeout: float = 30) -> None:
        self.port = port
        self._connection = http.client.HTTPConnection(ADDRESS, port, timeout=timeout)
        self._used = time.monotonic()

    def __call__(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if time.monotonic() - self._used > FRESH_SECONDS:
            self._connection.close()
        self._used = time.monotonic()
        self._connection.request(method, path, body=body, headers=named)
        response = self._connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def close(self) -> None:
        self._connection.close()


class Service(Client):
    """`python -m service`, a context manager; calling it makes a request."""

    def __init__(self, environment: dict[str, str], directory: Path, output: int | None = None) -> None:
        """Its log is a file in `directory`, or goes to the descriptor `output`."""
        (port,) = free_ports(1)
        self._output = output
        super().__init__(port)
        self._log = directory / f"service-{port}.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MEMORYDB_", "AWS_"))}
        self._environment = {**inherited, "HOST": ADDRESS, "PORT": str(port), **environment}

    def __enter__(self) -> Service:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service"],
                cwd=ROOT,
                env=self._environment,
                stdout=self._output or log,
                stderr=log,
            )
        if not answers(self.port, "/health", lambda: self.process.poll() is None):
            self.__exit__()
            raise RuntimeError(self._log.read_text())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.port}"

    @property
    def written(self) -> list[dict[str, Any]]:
        """The lines of its log that have been written: a thread of its own does it, a moment later."""
        return [json.loads(line) for line in self._log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    @property
    def log(self) -> list[dict[str, Any]]:
        """Its log up to now, of the worker that serves this client: that of one more request is the last line."""
        last = uuid.uuid4().hex
        self("GET", "/health", X_Request_Id=last)
        eventually(lambda: last in self._log.read_text())
        return self.written[:-1]

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_SECONDS)


def access_string() -> str:
    """What the data layer's template lets the service's user do."""
    template = json.loads((ROOT / "templates" / "data-layer.json").read_text())
    access: str = template["Resources"]["MemoryDbUser"]["Properties"]["AccessString"]
    return access


def user() -> User:
    """The service's user."""
    return User("service", "a-password-that-no-log-may-hold", access_string())


def environment(cluster: Cluster, **more: str) -> dict[str, str]:
    """What the App Runner layer sets, and the tests' own authority."""
    assert cluster.tls
    return {
        "MEMORYDB_CLUSTER_ENDPOINT": cluster.endpoint,
        "MEMORYDB_USERNAME": cluster.user.name,
        "MEMORYDB_PASSWORD": cluster.user.password,
        "MEMORYDB_TLS_CA_FILE": str(cluster.tls.authority),
        **more,
    }


def path(email: str) -> str:
    return "/" + quote(email, safe="")


def body(email: str, name: str = "a name", **attributes: str) -> bytes:
    return json.dumps({"email": email, "name": name, **attributes}).encode()


def curl(*arguments: str) -> tuple[int, dict[str, str], str]:
    """Status, headers in lower case, body."""
    ran = subprocess.run(["curl", "--silent", "--show-error", "--include", *arguments], check=True, capture_output=True)
    head, _, body = ran.stdout.decode().partition("\r\n\r\n")
    status, *headers = head.split("\r\n")
    named = {name.lower(): value for name, _, value in (header.partition(": ") for header in headers)}
    return int(status.split()[1]), named, body


def assert_unavailable(answer: Answer, reason: str) -> None:
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {"title": "Service Unavailable", "status": 503, "detail": reason}


class Lateness:
    """A context manager. `allowed`: what a busy machine may add to a limit, ten times as long as it meanwhile woke a
    thread too late: a request wakes a client, a worker and nodes, more than once each."""

    def __enter__(self) -> Lateness:
        self.allowed = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(0.01):
            before, last = time.monotonic(), before
            self.allowed = max(self.allowed, 10 * (before - last - 0.01))


@contextmanager
def within(seconds: float, at_least: float = 0.0) -> Iterator[None]:
    """The `with` block takes so long."""
    began = time.monotonic()
    with Lateness() as machine:
        yield
    assert at_least <= time.monotonic() - began <= seconds + machine.allowed


def eventually(fact: Callable[[], bool]) -> None:
    """Waits until it is so. The limit is for what hangs, also on a busy machine."""
    end = time.monotonic() + START_SECONDS
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.02)
