"""The Redis clusters and the instances of a rehearsal, started and stopped by requests of the emulator over HTTP."""

from __future__ import annotations

import hmac
import http.server
import itertools
import json
import secrets
import shutil
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import redis

from generator.errors import GeneratorError
from rehearsal.processes import ADDRESS, answers, free_ports
from rehearsal.services.certificates import certificates
from rehearsal.services.redis_cluster import Cluster, ClusterError, User

# App Runner and ECS wait for minutes. An instance that ended is not waited for.
HEALTHY_SECONDS = 120
# The methods that the emulator may call.
REQUESTS = (
    *("create_cluster", "delete_cluster", "set_users", "create_snapshot", "delete_snapshot"),
    *("start_instance", "stop_instance", "route", "minutes", "answers", "log"),
)


class Instance(Protocol):
    """A running instance of the service."""

    def alive(self) -> bool: ...
    def lines(self) -> list[str]: ...
    def stop(self) -> None: ...


@dataclass(frozen=True)
class Launch:
    """An instance to start. It trusts the certificate authority in the file `authority`; `credentials` are for the
    registry; `build`, unless empty, replaces the build that the image reports, and `command` the image's command."""

    image: str
    environment: Mapping[str, str]
    authority: Path
    credentials: str
    build: str
    command: Sequence[str]


Runner: TypeAlias = Callable[[Launch], Instance]


@dataclass
class _Running:
    instance: Instance
    port: int


def short_minutes() -> float:
    """How many minutes of 0.2 seconds have passed: a deployment is watched for six of the load balancer's."""
    return time.monotonic() / 0.2


@dataclass
class LocalServices:
    """A context manager that stops everything at its end; `environment` is how the emulator reaches it. `clock` returns
    the minutes by which the load balancer's metrics are counted."""

    directory: Path
    runner: Runner
    clock: Callable[[], float] = short_minutes
    clusters: dict[str, Cluster] = field(default_factory=dict)
    instances: dict[str, _Running] = field(default_factory=dict)
    # By host: the IDs of the instances behind it, one for each connection. By endpoint: the cluster's name.
    routes: dict[str, Iterator[str]] = field(default_factory=dict)
    endpoints: dict[str, str] = field(default_factory=dict)
    # What the last instance wrote that did not become healthy, and what it did not answer, if it runs.
    unhealthy: list[str] = field(default_factory=list)
    unanswered: str = ""
    # In which minute, by the instance at which port, with which status.
    answered: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=100_000))

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.tls = certificates(self.directory)
        self.token = secrets.token_urlsafe(30)
        self._lock = threading.Lock()
        self._ended = False
        services = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, body = services._answer(self.path[1:], self.headers.get("Authorization", ""), content)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer((ADDRESS, 0), Handler)

    def _answer(self, name: str, authorization: str, arguments: bytes) -> tuple[int, bytes]:
        """Status and body; one request at a time."""
        if not hmac.compare_digest(authorization.encode(), f"Bearer {self.token}".encode()):
            return 401, b"not authorized"
        with self._lock:
            if name not in REQUESTS or self._ended:
                return 404, b"no such request"
            try:
                return 200, json.dumps(getattr(self, name)(**json.loads(arguments)) or {}).encode()
            except (GeneratorError, redis.RedisError, OSError) as error:
                return 500, str(error).encode()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "REHEARSAL_SERVICES": f"http://{ADDRESS}:{self._server.server_address[1]}",
            "REHEARSAL_TOKEN": self.token,
        }

    def __enter__(self) -> LocalServices:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        # An instance that is being started is stopped too, and nothing is started afterwards. If one cannot be stopped,
        # the others still are.
        with self._lock, ExitStack() as stack:
            self._ended = True
            for cluster in self.clusters.values():
                stack.callback(cluster.stop)
            for running in self.instances.values():
                stack.callback(running.instance.stop)

    def port(self, host: str) -> int | None:
        """The loopback port of the instance behind a host name for the next connection."""
        running = self.instances.get(next(self.routes.get(host, iter(())), ""))
        return running.port if running else None

    def count(self, port: int, data: bytes) -> None:
        """Counts an answer if the data begin one: a client that sends one request after the other gets each answer
        in data of its own."""
        if data.startswith(b"HTTP/1."):
            self.answered.append((self.clock(), port, int(data[9:12])))

    def suspend_redis(self, number: signal.Signals = signal.SIGSTOP) -> None:
        """Suspends every node, as when a zone fails."""
        for cluster in self.clusters.values():
            for node in cluster.nodes:
                node.send(number)

    def resume_redis(self) -> None:
        self.suspend_redis(signal.SIGCONT)

    # In place of MemoryDB.

    def create_cluster(
        self, name: str, endpoint: str, shards: int, replicas: int, users: list[dict[str, Any]], snapshot: str
    ) -> None:
        # A node's first configuration takes one password of a user, who may have two.
        initial = [User(user["name"], user["passwords"][0], user["access"]) for user in users if user["passwords"]]
        if not initial:
            raise ClusterError(
                "Redis checks passwords, not IAM tokens, and no user of this cluster has a password: rehearse with "
                "Authentication=password."
            )
        files = sorted(self._snapshot(snapshot).iterdir()) if snapshot else []
        if snapshot and len(files) != shards:
            raise ClusterError(f"A rehearsal restores a snapshot of {len(files)} shards into as many, not {shards}.")
        cluster = self.clusters[name] = Cluster(
            self.directory / name, user=initial[0], others=initial[1:], shards=shards, replicas=replicas, tls=self.tls
        )
        try:
            for node, file in zip(cluster.primaries, files, strict=False):
                shutil.copy(file, node.directory / "dump.rdb")
            cluster.start()
            cluster.wait()
            self.set_users(name, users)
        except BaseException:
            self.delete_cluster(name)
            raise
        self.endpoints[endpoint] = name

    def delete_cluster(self, name: str) -> None:
        self.clusters.pop(name).stop()
        shutil.rmtree(self.directory / name, ignore_errors=True)

    def set_users(self, cluster: str, users: list[dict[str, Any]]) -> None:
        """Users that are not listed are removed. Connections that are authenticated stay so (MemoryDB developer guide,
        "Authenticating users with Access Control Lists")."""
        for node in self.clusters[cluster].nodes:
            with self.clusters[cluster].client(node) as client:
                for user in users:
                    rules = (*user["access"].split(), *(f">{password}" for password in user["passwords"]))
                    client.execute_command("ACL", "SETUSER", user["name"], "reset", *rules)
                for removed in set(client.acl_users()) - {"default", *(user["name"] for user in users)}:
                    client.acl_deluser(removed)

    def create_snapshot(self, name: str, cluster: str) -> None:
        """The file that SAVE writes for each shard; a server without an append-only file reads it when it starts."""
        self._snapshot(name).mkdir(parents=True)
        for number, node in enumerate(self.clusters[cluster].primaries):
            with self.clusters[cluster].client(node) as client:
                client.save()
            shutil.copy(node.directory / "dump.rdb", self._snapshot(name) / f"shard-{number:03}.rdb")

    def delete_snapshot(self, name: str) -> None:
        shutil.rmtree(self._snapshot(name), ignore_errors=True)

    def _snapshot(self, name: str) -> Path:
        return self.directory / "snapshots" / name

    # In place of App Runner and ECS.

    def start_instance(self, id: str, path: str, environment: dict[str, str], **launch: Any) -> dict[str, Any]:
        """`launch` are the other fields of Launch."""
        (port,) = free_ports(1)
        # There is no DNS of a VPC: a cluster's endpoint is replaced by the address of its node.
        local = {name: self._address(value) for name, value in environment.items()}
        variables = {**local, "HOST": ADDRESS, "PORT": str(port)}
        instance = self.runner(Launch(environment=variables, authority=self.tls.authority, **launch))
        self.instances[id] = _Running(instance, port)
        healthy = answers(port, path, instance.alive, HEALTHY_SECONDS)
        if not healthy:
            self.unhealthy = instance.lines()
            request = f"GET {path} with 2xx" if path else "a connection"
            running = f"The service runs, but does not answer {request} on the port that its variable PORT says."
            self.unanswered = running if instance.alive() else ""
        return {"healthy": healthy, "alive": healthy or instance.alive(), "port": port}

    def _address(self, value: str) -> str:
        name = self.endpoints.get(value)
        return self.clusters[name].endpoint if name in self.clusters else value

    def route(self, host: str, ids: list[str]) -> None:
        """Connections to the host go to these instances in turn."""
        self.routes[host] = itertools.cycle(ids)

    def minutes(self) -> dict[str, Any]:
        return {"passed": self.clock()}

    def answers(self, ports: list[int], minutes: int) -> dict[str, Any]:
        """How many answers with 4xx, with 5xx and in all instances gave in each of the last minutes, the newest
        first."""
        now = self.clock()
        counted = [[0, 0, 0] for _ in range(minutes)]
        for moment, port, status in tuple(self.answered):
            ago = int(now - moment)
            if port in ports and ago < minutes:
                counted[ago] = [
                    n + (status // 100 == kind) for n, kind in zip(counted[ago], (4, 5, status // 100), strict=True)
                ]
        return {"counted": counted}

    def log(self, id: str, since: int) -> dict[str, Any]:
        running = self.instances.get(id)
        return {"lines": running.instance.lines()[since:] if running else []}

    def stop_instance(self, id: str) -> None:
        """Does nothing for an instance that did not start."""
        if running := self.instances.pop(id, None):
            running.instance.stop()
