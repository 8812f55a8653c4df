"""Several processes on one port: who is served by whom, what happens when one dies, and how all end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from rehearsal.processes import START_SECONDS
from rehearsal.services.redis_cluster import Cluster
from service.workers import usable_cpus
from tests.load import Load, write
from tests.running import ROOT, Client, Service, body, environment, eventually, within


def workers(service: Service) -> list[int]:
    return [child.pid for child in psutil.Process(service.process.pid).children()]


def started(service: Service) -> int:
    return sum(line["message"] == "started" for line in service.written)


def test_every_worker_answers_health_and_ready(cluster: Cluster, tmp_path: Path) -> None:
    with Service(environment(cluster, WORKERS="3"), tmp_path) as service:
        eventually(lambda: started(service) == 3)
        answered: set[int] = set()
        for _ in range(200):
            client = Client(service.port)
            assert [client("GET", path).status for path in ("/health", "/ready")] == [200, 200]
            answered |= {worker for worker in workers(service) if clients(worker, service.port)}
            client.close()
            if len(answered) == 3:
                break
        assert answered == set(workers(service))


def clients(worker: int, port: int) -> int:
    found = psutil.Process(worker).net_connections()
    return sum(each.status == psutil.CONN_ESTABLISHED and each.laddr.port == port for each in found)


def test_a_worker_that_dies_is_replaced_and_the_others_serve_on(cluster: Cluster, tmp_path: Path) -> None:
    with Service(environment(cluster, WORKERS="2"), tmp_path) as service:
        eventually(lambda: started(service) == 2)
        before = workers(service)
        os.kill(before[0], signal.SIGKILL)
        with within(3):
            eventually(lambda: len(set(workers(service)) - set(before)) == 1)
        assert before[1] in workers(service)
        eventually(lambda: started(service) == 3)
        assert [line["code"] for line in service.written if line["message"] == "a worker died"] == [-signal.SIGKILL]
        assert service("GET", "/ready").status == 200


def test_a_worker_that_dies_again_and_again_is_replaced_less_and_less_often(cluster: Cluster, tmp_path: Path) -> None:
    with Service(environment(cluster, WORKERS="2"), tmp_path) as service:
        eventually(lambda: started(service) == 2)
        survivor = workers(service)[1]
        first = psutil.Process(workers(service)[0]).create_time()
        for _ in range(4):
            (victim,) = set(workers(service)) - {survivor}
            os.kill(victim, signal.SIGKILL)
            eventually(lambda gone=victim: len(set(workers(service)) - {survivor, gone}) == 1)  # type: ignore[misc]
        (last,) = set(workers(service)) - {survivor}
        # Pauses of 0.1, 0.3, 0.7 and 1.5 s.
        assert psutil.Process(last).create_time() - first > 2.5


def test_under_load_a_killed_worker_loses_no_acknowledged_write(cluster: Cluster, tmp_path: Path) -> None:
    with Service(environment(cluster, WORKERS="2"), tmp_path) as service:
        eventually(lambda: started(service) == 2)
        with Load(service.port, write).running() as load:
            time.sleep(0.5)
            os.kill(workers(service)[0], signal.SIGKILL)
            time.sleep(0.5)
        stored = [request.email for request in load.requests if request.status == 200]
        assert {request.status for request in load.requests} <= {0, 200}
        assert len(load.errors) < 16
        assert all(service("GET", f"/{email}").status == 200 for email in stored)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_in_order(cluster: Cluster, tmp_path: Path, number: signal.Signals) -> None:
    with Service(environment(cluster, WORKERS="2"), tmp_path) as service:
        eventually(lambda: started(service) == 2)
        members = workers(service)
        with Load(service.port, write).running() as load:
            time.sleep(0.5)
            service.process.send_signal(number)
            assert service.process.wait(START_SECONDS) == 0
        assert not [member for member in members if psutil.pid_exists(member)]
        assert sum(line["message"] == "stopped" for line in service.written) == 2
        assert {request.status for request in load.requests} <= {0, 200}


def test_what_is_stuck_is_killed_after_the_grace(cluster: Cluster, tmp_path: Path) -> None:
    with Service(environment(cluster, WORKERS="2", REQUEST_DEADLINE="0.5"), tmp_path) as service:
        eventually(lambda: started(service) == 2)
        os.kill(workers(service)[0], signal.SIGSTOP)
        with within(5, at_least=2):
            assert service.terminate() == 0


def test_without_its_supervisor_a_worker_ends(cluster: Cluster, tmp_path: Path) -> None:
    with Service(environment(cluster, WORKERS="2"), tmp_path) as service:
        eventually(lambda: started(service) == 2)
        members = workers(service)
        service.process.kill()
        eventually(lambda: not [member for member in members if psutil.pid_exists(member)])


def test_one_worker_is_the_process_itself(cluster: Cluster, tmp_path: Path) -> None:
    with Service(environment(cluster, WORKERS="1"), tmp_path) as service:
        assert service("POST", "/", body("one@foo.com")).status == 200
        assert workers(service) == []


def test_a_port_in_use_is_said_once(cluster: Cluster, service: Service) -> None:
    variables = {**os.environ, **environment(cluster), "WORKERS": "2", "HOST": "127.0.0.1", "PORT": str(service.port)}
    made = subprocess.run([sys.executable, "-m", "service"], cwd=ROOT, env=variables, capture_output=True, text=True)
    assert (made.returncode, made.stdout) == (1, "")
    assert made.stderr == f"Cannot listen on 127.0.0.1:{service.port}: Address already in use.\n"


@pytest.mark.parametrize(("limit", "expected"), [("max 100000", None), ("50000 100000", 1), ("100000 100000", 1)])
def test_a_process_for_each_cpu_that_may_be_used(tmp_path: Path, limit: str, expected: int | None) -> None:
    (tmp_path / "cpu.max").write_text(limit + "\n")
    all_of_them = usable_cpus(tmp_path / "nowhere")
    assert usable_cpus(tmp_path) == (expected or all_of_them)


def test_a_standard_output_that_nobody_reads_holds_nothing_up(cluster: Cluster, tmp_path: Path) -> None:
    reads, writes = os.pipe()
    with Service(environment(cluster, WORKERS="2", LOG_LEVEL="INFO"), tmp_path, output=writes) as service:
        for number in range(3000):
            assert service("GET", "/health", X_Request_Id=f"blocked-{number}").status == 200
        assert service("GET", "/ready").status == 200
        with within(5):
            assert service.terminate() == 0
    os.close(writes)
    os.close(reads)


def test_dropped_lines_are_counted(tmp_path: Path) -> None:
    program = (
        "import os, sys, time; from service.logs import Writer; reads, writes = os.pipe(); Writer.LINES = 50;"
        "writer = Writer(writes); wait = 'while writer._lines: time.sleep(0.01)';"
        "[writer.put(b'x' * 99) for _ in range(50)]; exec(wait); [writer.put(b'y' * 99_999) for _ in range(2)];"
        "exec(wait); [writer.put(b'z') for _ in range(70)];"
        "text = b'';"
        "exec('while b\"dropped\" not in text: text += os.read(reads, 65536)'); print(text.splitlines()[-1].decode())"
    )
    made = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=START_SECONDS
    )
    assert '"message":"dropped","lines":20' in made.stdout, made.stderr
