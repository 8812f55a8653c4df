"""What the rehearsal starts on this machine: it waits without haste, and whatever happens it leaves nothing running."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rehearsal.cluster import Cluster, ClusterError, Node, User
from rehearsal.machines import Machines
from rehearsal.processes import ADDRESS, answers, free_ports

USER = User("service", "a-password-of-some-length", "on ~user:* -@all +hgetall")


def test_an_instance_that_is_not_healthy_yet_is_asked_again_after_a_pause() -> None:
    asked: list[str] = []

    class Starting(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(503)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((ADDRESS, 0), Starting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert not answers(server.server_port, "/health", lambda: True, 0.5)
        server.shutdown()
    assert 1 < len(asked) <= 10


def test_a_port_is_not_given_to_two_who_have_yet_to_listen() -> None:
    ports = [*free_ports(500), *free_ports(500)]
    assert len(set(ports)) == 1000


def test_a_cluster_of_which_a_node_cannot_be_started_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(node: Node, server: str) -> None:
        if node is second:
            raise OSError("no more processes")
        real(node, server)

    real = Node.start
    cluster = Cluster(tmp_path, user=USER, shards=2)
    first, second = cluster.nodes
    monkeypatch.setattr(Node, "start", start)
    with pytest.raises(OSError, match="no more processes"), cluster:
        pass
    assert first.process is None


@dataclass
class Instance:
    """One that never answers; it stops, or fails to."""

    stuck: bool
    stopped: bool = False

    def alive(self) -> bool:
        return False

    def lines(self) -> list[str]:
        return []

    def stop(self) -> None:
        if self.stuck:
            raise ClusterError("podman stop: it is stuck")
        self.stopped = True


@dataclass
class Runner:
    """Makes an instance as soon as it may; the image "stuck" makes one that cannot be stopped."""

    instances: list[Instance] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    may: threading.Event = field(default_factory=threading.Event)

    def __call__(
        self, image: str, environment: Mapping[str, str], *, trusted: Path, credentials: str, build: str
    ) -> Instance:
        self.asked.set()
        self.may.wait(10)
        self.instances.append(Instance(image == "stuck"))
        return self.instances[-1]


def ask(machines: Machines, wish: str, **details: Any) -> Any:
    environment = machines.environment
    headers = {"Authorization": f"Bearer {environment['REHEARSAL_TOKEN']}"}
    url = f"{environment['REHEARSAL_MACHINES']}/{wish}"
    with urllib.request.urlopen(
        urllib.request.Request(url, json.dumps(details).encode(), headers), timeout=20
    ) as answer:
        return json.load(answer)


def start(machines: Machines, id: str, image: str = "") -> Any:
    return ask(machines, "start", id=id, image=image, credentials="", environment={}, build="", path="/health")


def test_an_instance_that_is_being_started_at_the_end_is_stopped(tmp_path: Path) -> None:
    runner = Runner()
    with Machines(tmp_path, runner) as machines:
        thread = threading.Thread(target=start, args=(machines, "late"))
        thread.start()
        assert runner.asked.wait(10)
        threading.Timer(0.5, runner.may.set).start()
    assert [instance.stopped for instance in runner.instances] == [True]
    thread.join()


def test_one_that_cannot_be_stopped_keeps_no_other_from_it(tmp_path: Path) -> None:
    runner = Runner()
    runner.may.set()
    machines = Machines(tmp_path, runner).__enter__()
    for id, image in (("1", "fine"), ("2", "stuck"), ("3", "fine")):
        assert start(machines, id, image) == {"healthy": False}
    with pytest.raises(ClusterError, match="it is stuck"):
        machines.__exit__(None, None, None)
    assert [instance.stopped for instance in runner.instances] == [True, False, True]


def test_a_cluster_that_nobody_has_a_password_for_is_refused_with_a_sentence(tmp_path: Path) -> None:
    user = {"name": "service", "access": USER.access, "passwords": []}
    with Machines(tmp_path, Runner()) as machines, pytest.raises(urllib.error.HTTPError) as refused:
        ask(machines, "cluster", name="one", endpoint="one:6379", shards=1, replicas=0, users=[user], snapshot="")
    with refused.value as error:
        assert "know passwords only" in error.read().decode()
