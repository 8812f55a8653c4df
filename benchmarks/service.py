"""The service beside equally written peers, against one TLS cluster: `python -m benchmarks.service`.

Server on the first core; Redis, wrk and this program on the second. Only "two processes" has both cores, and shares
the second. Every server is up all the time and one is asked at a time, in short rounds that take turns, so that a slow
minute of the machine affects all of them. Figures are medians of the rounds, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

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
    """What runs: its arguments, with its port as {port}; further variables; whether it has both cores."""

    command: str
    variables: Mapping[str, str] = MappingProxyType({})
    both_cores: bool = False


SERVICE, INFO, TWO = "this service", "this service, LOG_LEVEL=INFO", "this service, two processes"
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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each round, for each case")
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
    ports = {name: PORT + number for number, name in enumerate(SERVERS)}
    load_before = os.getloadavg()[0]

    with ExitStack() as stack:
        variables = stack.enter_context(redis_cluster())
        running = {}
        for name, made in SERVERS.items():
            cores = {first, second} if made.both_cores else {first}
            running[name] = stack.enter_context(server(made, ports[name], cores, variables))
        seed(ports[SERVICE])
        measured: dict[Case, list[dict[str, float]]] = {case: [] for case in CASES}
        for turn in range(arguments.rounds + 1):
            for case in CASES:
                before = processor_time(running[case.server].pid)
                figures = wrk(ports[case.server], case, arguments.seconds if turn else 1)
                figures["cpu"] = (processor_time(running[case.server].pid) - before) / max(1, figures["requests"]) * 1e6
                # The first turn only warms up.
                if turn:
                    measured[case].append(figures)
                    print(
                        f"round {turn} {case.verb} {case.connections} {case.server}: {figures['rate']:,.0f}/s",
                        file=sys.stderr,
                    )
        memory = {name: resident(process.pid) for name, process in running.items()}
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load average before": load_before,
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "memory": memory,
        "cases": [{**case._asdict(), "rounds": rounds} for case, rounds in measured.items()],
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    print(f"Load average before: {load_before:.2f}. Medians of {arguments.rounds} rounds of {arguments.seconds} s.\n")
    print(table(measured))
    print("\nMemory in MB: " + ", ".join(f"{name} {size / 1e6:.0f}" for name, size in memory.items()))
    for case in CASES:
        # Each server has a core for itself, and keeps it busy.
        share = statistics.median(figures["rate"] * figures["cpu"] for figures in measured[case]) / 1e6
        if share < 0.85 and case.connections == CONNECTIONS and not SERVERS[case.server].both_cores:
            print(f"{case} had {share:.0%} of its core: something else ran, so go by µs of CPU.", file=sys.stderr)
    return 0 if not any(figures["failed"] for rounds in measured.values() for figures in rounds) else 1


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
    """Requests per second (`rate`), milliseconds (`p50`, `p99`), and how many answers were no 2xx or 3xx (`failed`)."""
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
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures: dict[str, float] = json.loads(printed.splitlines()[-1])
    return {"rate": figures["requests"] / figures["seconds"], **figures}


def family(pid: int) -> list[int]:
    """A process and its children's."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in family(int(child)))]


def resident(pid: int) -> int:
    """Bytes in memory. Pages that processes share count for each."""
    statuses = [Path(f"/proc/{member}/status").read_text() for member in family(pid)]
    return sum(
        int(line.split()[1]) * 1024 for text in statuses for line in text.splitlines() if line.startswith("VmRSS")
    )


def processor_time(pid: int) -> float:
    """Seconds, the kernel's included. Unlike the rate it hardly changes when something else runs on the machine."""
    ticks = 0
    for member in family(pid):
        # proc(5): utime and stime are fields 14 and 15; the name, field 2, may contain anything but ends with ")".
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def table(measured: Mapping[Case, list[dict[str, float]]]) -> str:
    """Each figure is followed by its lowest and highest."""
    lines = [
        "| | connections | requests/s | p50 ms | p99 ms | µs of CPU | times FastAPI |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for case, rounds in measured.items():
        peer = measured[case._replace(server=FASTAPI)]
        ratios = [ours["rate"] / max(1, theirs["rate"]) for ours, theirs in zip(rounds, peer, strict=True)]
        cells = [
            spread([figures["rate"] for figures in rounds], ",.0f"),
            *(spread([figures[name] for figures in rounds], ".1f") for name in ("p50", "p99")),
            spread([figures["cpu"] for figures in rounds], ".0f"),
            "" if case.server == FASTAPI else spread(ratios, ".2f"),
        ]
        lines.append(f"| {case.verb}, {case.server} | {case.connections} | {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    sys.exit(main())
