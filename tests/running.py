"""The service as a process of its own, as a container runs it, and HTTP clients that add nothing."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rehearsal.processes import ADDRESS, answers, free_ports
from rehearsal.services.redis_cluster import Cluster, User
from service.logs import Writer
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
        if self._output:
            answers(self.port, "/health", lambda: self.process.poll() is None, 10)
            return self
        for _ in range(500):
            if '"started"' in self._log.read_text():
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.__exit__()
        raise RuntimeError(self._log.read_text())

    def __exit__(self, *_: object) -> None:
        self.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.port}"

    @property
    def log(self) -> list[dict[str, Any]]:
        """What it has logged; a thread of its own writes it, a moment later."""
        time.sleep(5 * Writer.GATHER_SECONDS)
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


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


def eventually(fact: Callable[[], bool], seconds: float = 10.0) -> None:
    """Waits until it is so."""
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.02)
