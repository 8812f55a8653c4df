"""The service beside equally written peers, on one core, against one TLS cluster: `python -m benchmarks.service`.

Server on the first core; Redis, wrk and this program on the second. Every server is up all the time and only one is
asked, in short rounds that take turns, so that a slow minute of the machine is everybody's. Figures are medians.
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
from typing import Any

from rehearsal.services.certificates import certificates
from rehearsal.services.redis_cluster import Cluster, User
from tests.running import access_string, environment

HERE = Path(__file__).parent
ROOT = HERE.parent
CONNECTIONS = 32
USERS = 1000
PORT = 18400
VERBS = ("GET", "POST")
SERVICE = "this service"
# Each gets its port as {port}. One process each: the service scales by instances, and so would these.
SERVERS = {
    SERVICE: "-m service",
    "FastAPI": "-m uvicorn benchmarks.peers.fastapi_app:app --host 127.0.0.1 --port {port} --loop uvloop "
    "--http httptools --no-access-log --log-level warning",
    "Flask": "-m gunicorn benchmarks.peers.flask_app:app --bind 127.0.0.1:{port} --workers 1 --worker-class gthread "
    "--threads 8 --log-level warning",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each round, for each server and verb")
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

    with ExitStack() as stack:
        variables = stack.enter_context(redis_cluster())
        servers = {}
        for number, (name, command) in enumerate(SERVERS.items()):
            servers[name] = stack.enter_context(server(command, PORT + number, first, variables))
        seed(PORT)
        measured: dict[str, dict[str, list[dict[str, float]]]] = {
            name: {verb: [] for verb in VERBS} for name in SERVERS
        }
        for turn in range(arguments.rounds + 1):
            for verb in VERBS:
                for number, name in enumerate(SERVERS):
                    before = processor_time(servers[name].pid)
                    figures = wrk(PORT + number, verb, arguments.seconds if turn else 1)
                    figures["cpu"] = (processor_time(servers[name].pid) - before) / figures["requests"] * 1e6
                    # The first turn only warms up.
                    if turn:
                        measured[name][verb].append(figures)
                        print(f"round {turn} {verb} {name}: {figures['rate']:,.0f}/s", file=sys.stderr)
        result = {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "load average": os.getloadavg()[0],
            "connections": CONNECTIONS,
            "rounds": arguments.rounds,
            "seconds": arguments.seconds,
            "servers": {
                name: {
                    **{verb: medians(measured[name][verb]) for verb in VERBS},
                    "memory": resident(process.pid),
                }
                for name, process in servers.items()
            },
            "each round": measured,
        }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    print(table(result["servers"]))
    for name in SERVERS:
        # Each server has a core for itself, and keeps it busy.
        share = (
            min(medians(measured[name][verb])["rate"] * medians(measured[name][verb])["cpu"] for verb in VERBS) / 1e6
        )
        if share < 0.85:
            print(f"{name} had {share:.0%} of its core: something else ran, so go by µs of CPU.", file=sys.stderr)
    return 0 if not any(f["failed"] for rounds in measured.values() for verb in rounds.values() for f in verb) else 1


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
def server(command: str, port: int, core: int, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        ["taskset", "--cpu-list", str(core), sys.executable, *command.format(port=port).split()],
        env={**os.environ, **variables, "HOST": "127.0.0.1", "PORT": str(port), "LOG_LEVEL": "WARNING"},
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


def wrk(port: int, verb: str, seconds: int) -> dict[str, float]:
    """Requests per second (`rate`), milliseconds (`p50`, `p99`), and how many answers were no 2xx or 3xx (`failed`)."""
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s", "--latency"]
    command += ["--script", str(HERE / "wrk.lua"), f"http://127.0.0.1:{port}", "--", verb]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures: dict[str, float] = json.loads(printed.splitlines()[-1])
    return {"rate": figures["requests"] / figures["seconds"], **figures}


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(figures[name] for figures in rounds) for name in ("rate", "p50", "p99", "cpu")}


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


def table(servers: Mapping[str, Any]) -> str:
    titles = [f"on one core, {CONNECTIONS} connections", "GET/s", "p50 ms", "p99 ms", "POST/s", "p50 ms", "p99 ms"]
    titles += ["memory MB", "GET µs of CPU", "GET, times as fast"]
    lines = [f"| {' | '.join(titles)} |", f"|---{'|--:' * (len(titles) - 1)}|"]
    ours = servers[SERVICE]["GET"]["rate"]
    for name, figures in servers.items():
        cells = [
            cell
            for verb in VERBS
            for cell in (f"{figures[verb]['rate']:,.0f}", f"{figures[verb]['p50']:.1f}", f"{figures[verb]['p99']:.1f}")
        ]
        times = "" if name == SERVICE else f"{ours / figures['GET']['rate']:.2f}"
        lines.append(
            f"| {name} | {' | '.join(cells)} | {figures['memory'] / 1e6:.0f} | {figures['GET']['cpu']:.0f} | {times} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
