"""The local services: how they wait for an answer, and that they stop everything they started."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rehearsal.emulator.registry import Start
from rehearsal.processes import ADDRESS, START_SECONDS, answers, free_ports
from rehearsal.services import control
from rehearsal.services.control import Launch, LocalServices
from rehearsal.services.redis_cluster import Cluster, ClusterError, Node, User
from rehearsal.services.runners import Processes
from tests.running import ROOT, eventually

USER = User("service", "a-password-of-some-length", "on ~user:* -@all +hgetall")


def test_health_is_checked_again_after_a_pause() -> None:
    asked: list[str] = []

    class Starting(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(503)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((ADDRESS, 0), Starting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        began = time.monotonic()
        assert not answers(server.server_port, "/health", lambda: len(asked) < 3)
        assert time.monotonic() - began >= 0.1
        server.shutdown()
    assert asked == ["/health"] * 3


def test_a_port_is_returned_only_once() -> None:
    ports = [*free_ports(50), *free_ports(50)]
    assert len(set(ports)) == 100


def test_processes_that_look_for_ports_at_the_same_place_find_others() -> None:
    # Below the ports that other tests reserve meanwhile.
    program = (
        "import sys; from rehearsal import processes; processes.untried = iter(range(19000, 19200))\n"
        "print(*processes.free_ports(20), flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", program]
    with ExitStack() as stack:
        running = [stack.enter_context(subprocess.Popen(words, stdin=-1, stdout=-1, cwd=ROOT)) for _ in range(3)]
        ports = [port for process in running if process.stdout for port in process.stdout.readline().split()]
    assert (len(ports), len(set(ports))) == (60, 60)


def test_when_a_node_does_not_start_the_others_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    """One that never answers, and with `stuck` does not stop."""

    stuck: bool
    living: bool = False
    stopped: bool = False

    def alive(self) -> bool:
        return self.living

    def lines(self) -> list[str]:
        return ["a line"]

    def stop(self) -> None:
        if self.stuck:
            raise ClusterError("podman stop: it is stuck")
        self.stopped = True


@dataclass
class Runner:
    """Starts an instance when `may` is set; the image "stuck" starts one that does not stop."""

    living: bool = False
    instances: list[Instance] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    may: threading.Event = field(default_factory=threading.Event)

    def __call__(self, launch: Launch) -> Instance:
        self.asked.set()
        self.may.wait(START_SECONDS)
        self.instances.append(Instance(launch.image == "stuck", self.living))
        return self.instances[-1]


def request(services: LocalServices, name: str, /, **arguments: Any) -> Any:
    environment = services.environment
    headers = {"Authorization": f"Bearer {environment['REHEARSAL_TOKEN']}"}
    posted = urllib.request.Request(
        f"{environment['REHEARSAL_SERVICES']}/{name}", json.dumps(arguments).encode(), headers
    )
    with urllib.request.urlopen(posted) as answer:
        return json.load(answer)


def start(services: LocalServices, id: str, image: str = "", path: str = "/health") -> Any:
    return request(
        services,
        "start_instance",
        id=id,
        image=image,
        credentials="",
        environment={},
        build="",
        path=path,
        command=[],
    )


def test_an_instance_that_is_still_starting_at_the_end_is_stopped(tmp_path: Path) -> None:
    runner = Runner()
    with LocalServices(tmp_path, runner) as services:
        thread = threading.Thread(target=start, args=(services, "late"))
        thread.start()
        assert runner.asked.wait(START_SECONDS)
        threading.Timer(0.5, runner.may.set).start()
    assert [instance.stopped for instance in runner.instances] == [True]
    thread.join()


@pytest.mark.parametrize(
    ("alive", "path", "said"),
    [
        (True, "/health", "The service runs, but does not answer GET /health with 2xx on the port that its variable"),
        (True, "", "The service runs, but does not answer a connection on the port that its variable PORT says."),
        (False, "/health", ""),
    ],
)
def test_an_instance_that_runs_and_does_not_answer_is_told_from_one_that_ended(
    alive: bool, path: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "HEALTHY_SECONDS", 0.2)
    runner = Runner(living=alive)
    runner.may.set()
    with LocalServices(tmp_path, runner) as services:
        assert start(services, "1", path=path)["alive"] is alive
    assert services.unhealthy == ["a line"]
    assert services.unanswered.startswith(said)
    assert bool(services.unanswered) is alive


def test_when_an_instance_does_not_stop_the_others_are_stopped(tmp_path: Path) -> None:
    runner = Runner()
    runner.may.set()
    services = LocalServices(tmp_path, runner).__enter__()
    for id, image in (("1", "fine"), ("2", "stuck"), ("3", "fine")):
        assert start(services, id, image)["healthy"] is False
    with pytest.raises(ClusterError, match="it is stuck"):
        services.__exit__(None, None, None)
    assert [instance.stopped for instance in runner.instances] == [True, False, True]


def test_a_process_has_the_variables_of_its_image_and_template_and_no_others_of_this_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpack(image: str, credentials: str, folder: Path) -> Start:
        folder.mkdir()
        return Start({"BUILD_ID": "1", "PATH": "/app", "HOME": "/root", "TZ": "UTC"}, ("python", "-c", program))

    program = "import json, os; print(json.dumps({**os.environ, 'home': os.path.expanduser('~')}))"
    for name in ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "MEMORYDB_PASSWORD", "DATABASE_URL", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, "of the shell")
    for name, value in {"HTTPS_PROXY": "http://proxy.example", "LANG": "C.UTF-8", "TZ": "Asia/Tokyo"}.items():
        monkeypatch.setenv(name, value)
    launch = Launch("image", {"PORT": "1", "TOKEN": "of the template"}, tmp_path / "authority", "", "", ())
    process = Processes(unpack, tmp_path)(launch)
    eventually(lambda: not process.alive())
    (line,) = process.lines()
    found = json.loads(line)
    assert found.items() >= {"BUILD_ID": "1", "PORT": "1", "TOKEN": "of the template", "TZ": "UTC"}.items()
    assert (found["PATH"], found["HTTPS_PROXY"]) == (os.environ["PATH"], "http://proxy.example")
    assert Path(found["home"]).parent == tmp_path
    assert "of the shell" not in found.values()


def test_a_cluster_without_passwords_is_refused(tmp_path: Path) -> None:
    user = {"name": "service", "access": USER.access, "passwords": []}
    with LocalServices(tmp_path, Runner()) as services, pytest.raises(urllib.error.HTTPError) as refused:
        request(
            services, "create_cluster", name="one", endpoint="one:6379", shards=1, replicas=0, users=[user], snapshot=""
        )
    with refused.value as error:
        assert "Redis checks passwords, not IAM tokens" in error.read().decode()
