"""The service beside equally written peers, against one TLS cluster: `python -m benchmarks.service`.

Server on the first core; Redis, wrk and this program on the second. Only "two processes" has both cores, and shares
the second; what each used of them is printed. Every server is up all the time and one is asked at a time, in short
rounds that take turns, so that a slow minute of the machine affects all of them. Figures are medians of the rounds,
with the lowest and the highest.

With `--held 30` it compares one process with two instead, each held to 30 % of a CPU by a cgroup. All are on the first
core, so Redis and wrk have the second for themselves. This needs root.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import resource
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import psutil

from rehearsal.services.certificates import certificates
from rehearsal.services.redis_cluster import Cluster, User
from tests.running import access_string, environment

HERE = Path(__file__).parent
ROOT = HERE.parent
CONNECTIONS = 32
USERS = 1000
PORT = 18400
VERBS = ("GET", "POST")


class Server(NamedTuple):
    """What runs: its arguments, with its port as {port}; further variables; whether it has both cores; the number of
    its processes that are held to a share of a CPU."""

    command: str
    variables: Mapping[str, str] = MappingProxyType({})
    both_cores: bool = False
    held: int = 0


SERVICE, INFO, TWO = "this service", "this service, LOG_LEVEL=INFO", "this service, two processes"
ONE_HELD, TWO_HELD = "one process, held", "two processes, held"
FASTAPI, FLASK = "FastAPI", "Flask"
SERVERS = {
    SERVICE: Server("-m service", {"WORKERS": "1", "LOG_LEVEL": "WARNING"}),
    INFO: Server("-m service", {"WORKERS": "1", "LOG_LEVEL": "INFO"}),
    TWO: Server("-m service", {"WORKERS": "2", "LOG_LEVEL": "WARNING"}, both_cores=True),
    FASTAPI: Server(
        "-m uvicorn benchmarks.peers.fastapi_app:app --host 127.0.0.1 --port {port} --loop uvloop --http httptools "
        "--no-access-log --log-level warning"
    ),
    FLASK: Server(
        "-m gunicorn benchmarks.peers.flask_app:app --bind 127.0.0.1:{port} --workers 1 --worker-class gthread "
        "--threads 8 --log-level warning"
    ),
}
HELD = {
    ONE_HELD: Server("-m service", {"WORKERS": "1", "LOG_LEVEL": "WARNING"}, held=1),
    TWO_HELD: Server("-m service", {"WORKERS": "2", "LOG_LEVEL": "WARNING"}, held=2),
}


class Case(NamedTuple):
    """One line of the report."""

    server: str
    verb: str
    connections: int


CASES = [
    *(Case(server, verb, CONNECTIONS) for verb in VERBS for server in SERVERS),
    *(Case(server, "GET", number) for number in (1, 8, 256) for server in (SERVICE, INFO, TWO, FASTAPI)),
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each round, for each case")
    parser.add_argument("--held", type=int, metavar="PERCENT", help="compare one process with two, held to this share")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "benchmark-service.json")
    arguments = parser.parse_args()
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        print("This benchmark pins processes: it needs Linux and two cores.", file=sys.stderr)
        return 1
    if not shutil.which("wrk"):
        print("wrk is missing: sudo apt-get install wrk", file=sys.stderr)
        return 1
    first, second, *_ = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {second})
    servers, cases, baseline = SERVERS, CASES, FASTAPI
    if arguments.held:
        servers, baseline = HELD, ONE_HELD
        cases = [Case(name, verb, CONNECTIONS) for verb in VERBS for name in HELD]
    ports = {name: PORT + number for number, name in enumerate(servers)}
    load_before = os.getloadavg()[0]

    with ExitStack() as stack:
        variables = stack.enter_context(redis_cluster())
        redis = psutil.Process().children(recursive=True)
        running = {}
        for name, made in servers.items():
            groups = [stack.enter_context(cgroup(arguments.held)) for _ in range(made.held)]
            cores = {first, second} if made.both_cores else {first}
            running[name] = stack.enter_context(server(made, ports[name], cores, variables))
            hold(running[name], groups)
        seed(next(iter(ports.values())))
        measured: dict[Case, list[dict[str, float]]] = {case: [] for case in cases}
        for turn in range(arguments.rounds + 1):
            for case in cases:
                measuring = {"cpu": family(running[case.server]), "redis": redis}
                before = {name: processor_time(members) for name, members in measuring.items()}
                figures = wrk(ports[case.server], case, arguments.seconds if turn else 1)
                # The first turn only warms up.
                if turn:
                    for name, members in measuring.items():
                        figures[name] = (processor_time(members) - before[name]) / figures["seconds"]
                    measured[case].append(figures)
                    print(
                        f"round {turn} {case.verb} {case.connections} {case.server}: {figures['rate']:,.0f}/s",
                        file=sys.stderr,
                    )
        memory = {
            name: sum(member.memory_info().rss for member in family(process)) for name, process in running.items()
        }
    load_after = os.getloadavg()[0]
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load average": [load_before, load_after],
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "held to percent": arguments.held,
        "memory": memory,
        "cases": [{**case._asdict(), "rounds": rounds} for case, rounds in measured.items()],
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    print(f"Medians of {arguments.rounds} rounds of {arguments.seconds} s.")
    print(f"Load average {load_before:.2f} before and {load_after:.2f} after, this benchmark included.\n")
    print(table(measured, baseline))
    # Pages that processes share count for each.
    print("\nMemory in MB: " + ", ".join(f"{name} {size / 1e6:.0f}" for name, size in memory.items()))
    print("\nCores used (CPU seconds a second):\n")
    print(shares(measured, [case for case in cases if arguments.held or servers[case.server].both_cores]))
    for case in cases:
        # Each server has a core for itself, and keeps it busy.
        share = statistics.median(figures["cpu"] for figures in measured[case])
        if share < 0.85 and case.connections == CONNECTIONS and servers is SERVERS and case.server != TWO:
            print(f"{case} had {share:.0%} of its core: something else ran, so go by µs of CPU.", file=sys.stderr)
    return 0 if not any(figures["failed"] for rounds in measured.values() for figures in rounds) else 1


@contextmanager
def cgroup(percent: int) -> Iterator[Path]:
    """A cgroup whose processes together get this share of one CPU."""
    old = Path("/sys/fs/cgroup/cpu")
    path = (old if old.exists() else old.parent) / f"benchmark-{secrets.token_hex(4)}"
    path.mkdir()
    try:
        # A short period, so that a process that has used its share pauses for at most 10 ms.
        if old.exists():
            (path / "cpu.cfs_period_us").write_text("10000")
            (path / "cpu.cfs_quota_us").write_text(f"{percent * 100}")
        else:
            (path / "cpu.max").write_text(f"{percent * 100} 10000")
        yield path
    finally:
        path.rmdir()


def hold(process: subprocess.Popen[bytes], groups: Sequence[Path]) -> None:
    """Moves each process that serves, which the supervisor does not, to a group of its own."""
    while len(groups) > 1 and len(family(process)) <= len(groups):
        time.sleep(0.05)
    for member, group in zip(family(process)[-len(groups) :], groups, strict=False):
        (group / "cgroup.procs").write_text(str(member.pid))


@contextmanager
def redis_cluster() -> Iterator[dict[str, str]]:
    """The environment of a server: three shards with TLS, and the user whose rights the data layer's template gives.

    The peers' client, redis-py's own for clusters, asks for COMMAND as well; the service does without.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        user = User("service", secrets.token_urlsafe(), f"{access_string()} +command")
        with Cluster(directory, user=user, shards=3, tls=certificates(directory)) as cluster:
            yield environment(cluster)


@contextmanager
def server(made: Server, port: int, cores: set[int], variables: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    pinned = ["taskset", "--cpu-list", ",".join(map(str, cores))]
    process = subprocess.Popen(
        [*pinned, sys.executable, *made.command.format(port=port).split()],
        env={**os.environ, **variables, "HOST": "127.0.0.1", "PORT": str(port), **made.variables},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                ask(port, "GET", "/health")
                break
            except OSError:
                if process.poll() is not None:
                    raise
                time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def ask(port: int, verb: str, path: str, body: str | None = None) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(verb, path, body)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{verb} {path}: {answer.status}")
    finally:
        connection.close()


def seed(port: int) -> None:
    for number in range(USERS):
        user = {"email": f"user{number}@example.com", "name": "A user of the benchmark"}
        ask(port, "POST", "/", json.dumps(user))


def wrk(port: int, case: Case, seconds: int) -> dict[str, float]:
    """Requests per second (`rate`), milliseconds (`p50`, `p99`), how many answers were no 2xx or 3xx (`failed`), and
    CPU seconds of wrk a second (`wrk`)."""
    command = [
        "wrk",
        "--threads",
        "1",
        "--connections",
        str(case.connections),
        "--duration",
        f"{seconds}s",
        "--latency",
    ]
    command += ["--script", str(HERE / "wrk.lua"), f"http://127.0.0.1:{port}", "--", case.verb]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    figures: dict[str, float] = json.loads(printed.splitlines()[-1])
    return {"rate": figures["requests"] / figures["seconds"], "wrk": used / figures["seconds"], **figures}


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """A process and its children's."""
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def processor_time(processes: Sequence[psutil.Process]) -> float:
    """Seconds, the kernel's included. Unlike the rate it hardly changes when something else runs on the machine."""
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


def shares(measured: Mapping[Case, list[dict[str, float]]], cases: Sequence[Case]) -> str:
    """What the service, Redis and wrk used."""
    lines = ["| | connections | service | Redis | wrk |", "|---|--:|--:|--:|--:|"]
    for case in cases:
        cells = [spread([figures[name] for figures in measured[case]], ".2f") for name in ("cpu", "redis", "wrk")]
        lines.append(f"| {case.verb}, {case.server} | {case.connections} | {' | '.join(cells)} |")
    return "\n".join(lines)


def table(measured: Mapping[Case, list[dict[str, float]]], baseline: str) -> str:
    """Each figure is followed by its lowest and highest."""
    lines = [
        f"| | connections | requests/s | p50 ms | p99 ms | µs of CPU | times {baseline} |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for case, rounds in measured.items():
        peer = measured[case._replace(server=baseline)]
        ratios = [ours["rate"] / max(1, theirs["rate"]) for ours, theirs in zip(rounds, peer, strict=True)]
        cells = [
            spread([figures["rate"] for figures in rounds], ",.0f"),
            *(spread([figures[name] for figures in rounds], ".1f") for name in ("p50", "p99")),
            spread([figures["cpu"] / max(1, figures["rate"]) * 1e6 for figures in rounds], ".0f"),
            "" if case.server == baseline else spread(ratios, ".2f"),
        ]
        lines.append(f"| {case.verb}, {case.server} | {case.connections} | {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    sys.exit(main())
