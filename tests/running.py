"""The service as a process of its own, as a container runs it, and an HTTP client that adds nothing."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rehearsal.cluster import Cluster
from service import settings

ROOT = Path(__file__).parents[1]
ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection, kept open."""

    def __init__(self, port: int, timeout: float = 30) -> None:
        self.port = port
        self._connection = http.client.HTTPConnection(ADDRESS, port, timeout=timeout)

    def __call__(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body=body, headers=named)
        response = self._connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def close(self) -> None:
        self._connection.close()


class Service(Client):
    """`python -m service`, a context manager; calling it makes a request."""

    def __init__(self, environment: dict[str, str], directory: Path) -> None:
        with socket.socket() as probe:
            probe.bind((ADDRESS, 0))
            port: int = probe.getsockname()[1]
        super().__init__(port)
        self._log = directory / f"service-{port}.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MEMORYDB_", "AWS_"))}
        self._environment = {**inherited, settings.HOST: ADDRESS, settings.PORT: str(port), **environment}

    def __enter__(self) -> Service:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service"], cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )
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
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def environment(cluster: Cluster, **more: str) -> dict[str, str]:
    """What the App Runner layer sets, and the tests' own authority."""
    assert cluster.tls
    return {
        settings.CLUSTER_ENDPOINT: cluster.endpoint,
        settings.USERNAME: cluster.user.name,
        settings.PASSWORD: cluster.user.password,
        settings.TLS_CA_FILE: str(cluster.tls.authority),
        **more,
    }


def path(email: str) -> str:
    return "/" + quote(email, safe="")


def body(email: str, name: str = "a name", **attributes: str) -> bytes:
    return json.dumps({"email": email, "name": name, **attributes}).encode()
