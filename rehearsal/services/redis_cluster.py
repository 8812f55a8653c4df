"""A real Redis or Valkey cluster on the loopback interface, ready in about two seconds.

Each node starts with a nodes.conf that assigns the slots, so that the nodes need not negotiate them first. The two
seconds are Redis's own: a node takes no writes before (CLUSTER_WRITABLE_DELAY in cluster.c). The rehearsal, `serve`,
the tests and the benchmark use it.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import redis

from generator.errors import GeneratorError
from rehearsal.processes import ADDRESS, START_SECONDS, free_ports, wait_or_kill

SLOTS = 16384
HOST = "localhost"


class ClusterError(GeneratorError):
    """The cluster cannot run; the text gives the reason."""


@dataclass(frozen=True)
class User:
    """A user of the cluster; `access` is an access string in MemoryDB's form."""

    name: str
    password: str = field(repr=False)
    access: str


@dataclass(frozen=True)
class Tls:
    """Files: a certificate for `localhost`, its key, and the authority that signed it."""

    certificate: Path
    key: Path
    authority: Path


class Node:
    """One server process and its directory. It announces the port `announced` to clients, by default its own."""

    def __init__(self, directory: Path, port: int, bus_port: int, announced: int | None = None) -> None:
        self.directory = directory
        self.port = port
        self.bus_port = bus_port
        self.announced = announced or port
        self.id = hashlib.sha1(str(port).encode()).hexdigest()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, server: str) -> None:
        # In its own session, so that Ctrl-C in a terminal does not end it before `stop`.
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [server, self.directory / "redis.conf"], stdout=log, stderr=log, start_new_session=True
            )

    def send(self, number: signal.Signals) -> None:
        if self.process:
            self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends the process, a suspended one too."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.send_signal(signal.SIGCONT)
            wait_or_kill(self.process)
        self.process = None


class Cluster:
    """`shards` primaries with `replicas` each; a context manager. The first `shards` of `nodes` begin as primaries."""

    def __init__(
        self,
        directory: Path,
        *,
        user: User,
        others: Sequence[User] = (),
        shards: int = 1,
        replicas: int = 0,
        tls: Tls | None = None,
        server: str = "redis-server",
        administered: bool = True,
        durable: bool = False,
        announced: Sequence[int] = (),
    ) -> None:
        """`administered` leaves the default user all rights, without a password; otherwise there is only `user`.
        `durable` keeps the data in `directory` when the cluster stops. `announced` are ports of proxies, one for each
        node; only primaries can have proxies, because replicas connect to announced ports too."""
        self.user = user
        self._users = (user, *others)
        self.tls = tls
        self._server = server
        self._administered = administered
        ports = free_ports(2 * shards * (1 + replicas))
        self.nodes = [
            Node(directory / f"node-{number}", ports.pop(), ports.pop(), port)
            for number, port in zip(range(shards * (1 + replicas)), chain(announced, repeat(None)), strict=False)
        ]
        self._shards = shards
        for node in self.nodes:
            node.directory.mkdir(parents=True, exist_ok=True)
            _write(node.directory / "redis.conf", "".join(f"{line}\n" for line in self._settings(node, durable)))
            if not (node.directory / "nodes.conf").exists():
                _write(node.directory / "nodes.conf", self._assignment(node))

    @property
    def primaries(self) -> list[Node]:
        """The nodes that began as primaries, one a shard."""
        return self.nodes[: self._shards]

    @property
    def endpoint(self) -> str:
        return f"{HOST}:{self.nodes[0].announced}"

    def __enter__(self) -> Cluster:
        try:
            self.start()
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the nodes that do not run; `wait` waits until they are ready."""
        for node in self.nodes:
            if node.process is None:
                node.start(self._server)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        for node in self.nodes:
            node.send(signal.SIGCONT)
            node.send(number)
        for node in self.nodes:
            node.stop()

    def wait(self, seconds: float = START_SECONDS) -> None:
        """Returns when every node is in a complete cluster; raises ClusterError with the end of a node's log."""
        end = time.monotonic() + seconds
        for node in self.nodes:
            while not self._ready(node):
                if time.monotonic() > end or (node.process and node.process.poll() is not None):
                    log = (node.directory / "log").read_text(errors="replace").splitlines()
                    raise ClusterError("\n".join(["A node does not start:", *log[-5:]]))
                time.sleep(0.02)

    def client(self, node: Node, **options: Any) -> redis.Redis:
        """A connection to one node, as the default user if there is one, otherwise as the service's."""
        if self.tls:
            options |= {"ssl": True, "ssl_ca_certs": str(self.tls.authority)}
        if not self._administered:
            options |= {"username": self.user.name, "password": self.user.password}
        return redis.Redis(
            host=HOST, port=node.port, protocol=2, driver_info=None, socket_timeout=30, decode_responses=True, **options
        )

    def _ready(self, node: Node) -> bool:
        with self.client(node) as client:
            try:
                if not self._administered:
                    client.hgetall("user:")
                    return True
                state: Any = client.execute_command("CLUSTER INFO")
                replication: Any = client.info("replication")
            except redis.RedisError:
                return False
        return (state["cluster_state"], replication.get("master_link_status", "up")) == ("ok", "up")

    def _settings(self, node: Node, durable: bool) -> Iterator[str]:
        yield f"bind {ADDRESS}"
        yield f'dir "{node.directory}"'
        yield "cluster-enabled yes"
        yield f"cluster-port {node.bus_port}"
        yield f"cluster-announce-hostname {HOST}"
        if node.announced != node.port:
            yield f"cluster-announce-{'tls-' if self.tls else ''}port {node.announced}"
        yield "cluster-preferred-endpoint-type hostname"
        # One second until a node counts as failed.
        yield "cluster-node-timeout 1000"
        yield "repl-diskless-sync-delay 0"
        # A replica is not listed before it has received something; without writes that is only this ping.
        yield "repl-ping-replica-period 1"
        yield 'save ""'
        yield f"appendonly {'yes' if durable else 'no'}"
        if self.tls:
            yield "port 0"
            yield f"tls-port {node.port}"
            yield f'tls-cert-file "{self.tls.certificate}"'
            yield f'tls-key-file "{self.tls.key}"'
            yield f'tls-ca-cert-file "{self.tls.authority}"'
            yield "tls-auth-clients no"
            yield "tls-cluster yes"
            yield "tls-replication yes"
        else:
            yield f"port {node.port}"
        for user in self._users:
            digest = hashlib.sha256(user.password.encode()).hexdigest()
            yield f"user {user.name} #{digest} {user.access}"
        if not self._administered:
            yield "user default off"

    def _assignment(self, me: Node) -> str:
        """nodes.conf of the node `me` (https://redis.io/docs/latest/commands/cluster-nodes/)."""
        lines = []
        for number, node in enumerate(self.nodes):
            shard = number % self._shards
            primary = self.nodes[shard]
            flags = "master" if node is primary else "slave"
            first, after = (SLOTS * edge // self._shards for edge in (shard, shard + 1))
            lines.append(
                f"{node.id} {ADDRESS}:{node.announced}@{node.bus_port},{HOST} {'myself,' if node is me else ''}{flags} "
                f"{'-' if node is primary else primary.id} 0 0 {shard + 1} connected"
                + (f" {first}-{after - 1}" if node is primary else "")
            )
        return "\n".join([*lines, f"vars currentEpoch {self._shards} lastVoteEpoch 0", ""])


def _write(path: Path, text: str) -> None:
    """Readable by the owner only: the configuration contains a password's digest."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
