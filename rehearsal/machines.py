"""What stands for AWS's machines: for MemoryDB's nodes a real cluster with TLS, for instances the service.

The emulator keeps the books in a process of its own and asks for all this over HTTP (rehearsal.fillers.machines). An
instance runs as a container where `runner` is one, otherwise as a process. Nothing outlives the context.
"""

from __future__ import annotations

import hmac
import http.server
import json
import secrets
import shutil
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import redis

from generator.errors import GeneratorError
from rehearsal.certificates import certificates
from rehearsal.cluster import Cluster, ClusterError, User
from rehearsal.processes import ADDRESS, answers, free_ports

HEALTHY_SECONDS = 20


class Instance(Protocol):
    """A running instance of the service."""

    def alive(self) -> bool: ...
    def lines(self) -> list[str]: ...
    def stop(self) -> None: ...


class Runner(Protocol):
    """Starts instances. `trusted` is the file of an authority, of which the runner tells the instance; `credentials`
    open the registry; `build`, where it is not empty, is what the instance says in place of its image's own."""

    def __call__(
        self, image: str, environment: Mapping[str, str], *, trusted: Path, credentials: str, build: str
    ) -> Instance: ...


@dataclass
class _Running:
    instance: Instance
    port: int


@dataclass
class Machines:
    """A context manager; `environment` is what the emulator needs to reach it."""

    directory: Path
    runner: Runner
    clusters: dict[str, Cluster] = field(default_factory=dict)
    instances: dict[str, _Running] = field(default_factory=dict)
    # By host: the ID of the instance behind it. By endpoint: the cluster's name.
    routes: dict[str, str] = field(default_factory=dict)
    endpoints: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.tls = certificates(self.directory)
        self.token = secrets.token_urlsafe(30)
        self._lock = threading.Lock()
        machines = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, body = machines._answer(self.path[1:], self.headers.get("Authorization", ""), content)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer((ADDRESS, 0), Handler)
        self._wishes: dict[str, Callable[..., dict[str, Any] | None]] = {
            "cluster": self._cluster,
            "cluster-gone": self._cluster_gone,
            "users": self._users,
            "snapshot": self._snapshot,
            "snapshot-gone": self._snapshot_gone,
            "start": self._start,
            "route": self._route,
            "log": self._log,
            "stop": self._stop,
        }

    def _answer(self, name: str, authorization: str, details: bytes) -> tuple[int, bytes]:
        """Fulfils a wish, one after the other."""
        if not hmac.compare_digest(authorization.encode(), f"Bearer {self.token}".encode()):
            return 401, b"not authorized"
        with self._lock:
            if name not in self._wishes:
                return 404, b"no such wish"
            try:
                return 200, json.dumps(self._wishes[name](**json.loads(details)) or {}).encode()
            except (GeneratorError, redis.RedisError, OSError) as error:
                return 500, str(error).encode()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "REHEARSAL_MACHINES": f"http://{ADDRESS}:{self._server.server_address[1]}",
            "REHEARSAL_TOKEN": self.token,
        }

    def __enter__(self) -> Machines:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        # What is being started now is stopped too, and nothing is started after it. One that cannot be stopped keeps
        # no other from it.
        with self._lock, ExitStack() as stack:
            self._wishes.clear()
            for cluster in self.clusters.values():
                stack.callback(cluster.stop)
            for running in self.instances.values():
                stack.callback(running.instance.stop)

    def port(self, host: str) -> int | None:
        """The loopback port on which a host's instance listens."""
        running = self.instances.get(self.routes.get(host, ""))
        return running.port if running else None

    def lose_redis(self) -> None:
        """Suspends every node, as when a zone goes dark."""
        for cluster in self.clusters.values():
            for node in cluster.nodes:
                node.send(signal.SIGSTOP)

    def find_redis(self) -> None:
        """Lets suspended nodes go on."""
        for cluster in self.clusters.values():
            for node in cluster.nodes:
                node.send(signal.SIGCONT)

    # MemoryDB.

    def _cluster(
        self, name: str, endpoint: str, shards: int, replicas: int, users: list[dict[str, Any]], snapshot: str
    ) -> None:
        # A node's first configuration takes one password of a user, who may have two.
        known = [User(user["name"], user["passwords"][0], user["access"]) for user in users if user["passwords"]]
        if not known:
            raise ClusterError(
                "The rehearsal's clusters know passwords only, and no user of this one has any: "
                "deploy with Authentication=password."
            )
        kept = sorted(self._kept(snapshot).iterdir()) if snapshot else []
        if snapshot and len(kept) != shards:
            raise ClusterError(f"The rehearsal restores a snapshot of {len(kept)} shards into as many, not {shards}.")
        cluster = self.clusters[name] = Cluster(
            self.directory / name, user=known[0], others=known[1:], shards=shards, replicas=replicas, tls=self.tls
        )
        try:
            for node, file in zip(cluster.primaries, kept, strict=False):
                shutil.copy(file, node.directory / "dump.rdb")
            cluster.start()
            cluster.wait()
            self._users(name, users)
        except BaseException:
            self._cluster_gone(name)
            raise
        self.endpoints[endpoint] = name

    def _cluster_gone(self, name: str) -> None:
        self.clusters.pop(name).stop()
        shutil.rmtree(self.directory / name, ignore_errors=True)

    def _users(self, cluster: str, users: list[dict[str, Any]]) -> None:
        """MemoryDB guide, "Authenticating users with Access Control Lists": connections that are authenticated stay
        so. Whoever is not among `users` is let in no longer."""
        made = self.clusters[cluster]
        for node in made.nodes:
            with made.client(node) as client:
                for user in users:
                    words = (*user["access"].split(), *(f">{password}" for password in user["passwords"]))
                    client.execute_command("ACL", "SETUSER", user["name"], "reset", *words)
                names = {"default", *(user["name"] for user in users)}
                for gone in set(client.acl_users()) - names:
                    client.acl_deluser(gone)

    def _snapshot(self, name: str, cluster: str) -> None:
        """What SAVE writes of each shard; a server that starts without an append-only file reads it."""
        made = self.clusters[cluster]
        self._kept(name).mkdir(parents=True)
        for number, node in enumerate(made.primaries):
            with made.client(node) as client:
                client.save()
            shutil.copy(node.directory / "dump.rdb", self._kept(name) / f"shard-{number:03}.rdb")

    def _snapshot_gone(self, name: str) -> None:
        shutil.rmtree(self._kept(name), ignore_errors=True)

    def _kept(self, snapshot: str) -> Path:
        return self.directory / "snapshots" / snapshot

    # Instances.

    def _start(
        self, id: str, image: str, credentials: str, environment: dict[str, str], build: str, path: str
    ) -> dict[str, Any]:
        (port,) = free_ports(1)
        # Instances have no DNS of a VPC: what names a cluster's endpoint is made to name where that listens.
        here = {name: self._here(value) for name, value in environment.items()}
        settings = {**here, "HOST": ADDRESS, "PORT": str(port)}
        instance = self.runner(image, settings, trusted=self.tls.authority, credentials=credentials, build=build)
        self.instances[id] = _Running(instance, port)
        return {"healthy": answers(port, path, instance.alive, HEALTHY_SECONDS)}

    def _here(self, value: str) -> str:
        name = self.endpoints.get(value)
        return self.clusters[name].endpoint if name in self.clusters else value

    def _route(self, host: str, id: str) -> None:
        self.routes[host] = id

    def _log(self, id: str, since: int) -> dict[str, Any]:
        running = self.instances.get(id)
        return {"lines": running.instance.lines()[since:] if running else []}

    def _stop(self, id: str) -> None:
        """Also what did not get so far as to run."""
        if running := self.instances.pop(id, None):
            running.instance.stop()
