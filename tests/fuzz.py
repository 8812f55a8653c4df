"""Valid requests, changed at the level of bytes, and what a service answers: `python -m tests.fuzz [number] [seed]`.

No answer may be a fault of the server, none may take longer than the deadline, and nothing may be stored or deleted but
what a request names that is still valid: those are about users of their own, so the rest of the store stays as it was.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import socket
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote_to_bytes

import h11

from rehearsal.processes import ADDRESS, START_SECONDS
from rehearsal.services.certificates import certificates
from rehearsal.services.redis_cluster import Cluster
from tests.running import DEADLINE, LATE, Lateness, Service, body, environment, path, user

PART = 500
# 501 and 505 say that a client asks for what HTTP servers need not have.
NOT_THE_SERVERS_FAULT = {501, 505}
STATUS = re.compile(rb"(?:^|(?<=\n)|(?<=\}))HTTP/1\.[01] ([2-5][0-9][0-9]) ")

NEIGHBOURS = tuple(
    {"fuzz@b.c"[:at] + "fuzz@b.c"[until:] for at in range(8) for until in range(at, 9)} - {""}
    | {"fuzz@b.c.d", "/fuzz@b.c", "victim@b.c"}
)
FUZZED = body("fuzz@b.c", "n", plan="free")
LENGTH = b"Host: x\r\nContent-Length: %d\r\n\r\n%b" % (len(FUZZED), FUZZED)
CHUNKED = b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%b\r\n0\r\nT: u\r\n\r\n" % (len(FUZZED), FUZZED)
VALID = (
    b"GET /fuzz@b.c HTTP/1.1\r\nHost: x\r\nX-Request-Id: a-1\r\n\r\n",
    b"GET http://[::1]:80/fuzz%40b.c?a=b HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    b"HEAD /fuzz@b.c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + LENGTH,
    b"POST / HTTP/1.1\r\n" + CHUNKED,
    b"POST / HTTP/1.1\r\nExpect: 100-continue\r\n" + LENGTH,
    b"PUT /fuzz@b.c HTTP/1.1\r\nIf-None-Match: *\r\n" + LENGTH,
    b"PUT /fuzz@b.c HTTP/1.1\r\nExpect: 100-continue\r\n" + CHUNKED,
    b"DELETE /fuzz@b.c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
    b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\nGET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"OPTIONS / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n folded\r\n\r\n",
)
# What parsers stumble over.
PIECES = (
    *(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b"\t", b" ", b"\x0b", b"\x85", b"\xa0", b"\xff", b":", b",", b";"),
    *(b"/", b"//", b"?", b"#", b"%", b"%00", b"%0d%0a", b"%ff", b"[", b"]", b"@", b"*", b"-1", b"0", b"0x1", b"+1"),
    *(b"9" * 30, b"HTTP/1.1", b"HTTP/2.0", b"http://", b"Host: x\r\n", b"Content-Length: 3\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n"),
    *(b"Connection: keep-alive\r\n", b"0\r\n\r\n", b"\xc2\x85"),
)  # fmt: skip


@dataclass(frozen=True)
class Exchange:
    """What came back, and whether the server closed."""

    data: bytes
    closed: bool


def exchange(port: int, raw: bytes, answers: int | None = None) -> Exchange:
    """Sends `raw`; reads until the server closes or `answers` have come."""
    data, closed = b"", False
    with socket.create_connection((ADDRESS, port), timeout=START_SECONDS) as client:
        try:
            client.sendall(raw)
            while answers is None or len(statuses(data)) < answers or not whole(data):
                more = client.recv(65536)
                if not more:
                    closed = True
                    break
                data += more
            else:
                client.settimeout(0.02)
                more = client.recv(65536)
                data, closed = data + more, not more
        except TimeoutError:
            pass
        except ConnectionError:
            closed = True
    return Exchange(data, closed)


def statuses(data: bytes) -> list[int]:
    """Of all final answers."""
    return [int(status) for status in STATUS.findall(data)]


def whole(data: bytes) -> bool:
    """Whether the last answer has arrived with its body."""
    head, _, rest = data.rpartition(b"HTTP/1.")[2].partition(b"\r\n\r\n")
    length = re.search(rb"(?i)Content-Length: ([0-9]+)", head)
    return not length or len(rest) >= int(length[1])


def mutated(rng: random.Random) -> bytes:
    raw = bytearray(b"".join(rng.choices(VALID, k=rng.choice((1, 1, 1, 2)))))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(raw) + 1)
        until = min(len(raw), at + rng.choice((0, 1, 1, 2, 5, 20)))
        kind = rng.randrange(6)
        if kind == 0:
            raw[at:until] = b""
        elif kind == 1:
            raw[at:at] = rng.choice(PIECES)
        elif kind == 2:
            raw[at:until] = rng.choice(PIECES)
        elif kind == 3:
            raw[at:until] = bytes(rng.randrange(256) for _ in range(until - at))
        elif kind == 4:
            raw[at:at] = raw[at:until] * rng.choice((1, 2, 50))
        elif at < len(raw):
            raw[at] ^= 1 << rng.randrange(8)
    return bytes(raw)


def mutations(port: int, seed: int, number: int) -> tuple[list[tuple[bytes, str]], set[str]]:
    """The failures among `number` mutated requests, what was sent and what is wrong about the answer; and whom those of
    them that are valid may have changed.

    The client says that it has sent all, so that a request that is not complete needs no waiting for its deadline.
    """
    rng = random.Random(seed)
    failures: list[tuple[bytes, str]] = []
    named: set[str] = set()
    took: list[tuple[bytes, float]] = []
    with Lateness() as machine:
        for _ in range(number):
            raw = mutated(rng)
            named |= changed_by(raw)
            began = time.monotonic()
            data = b""
            # An answer that does not come raises TimeoutError, and a request may be refused before all of it is sent.
            with socket.create_connection((ADDRESS, port), timeout=START_SECONDS) as client, suppress(ConnectionError):
                client.sendall(raw)
                client.shutdown(socket.SHUT_WR)
                while more := client.recv(65536):
                    data += more
            took.append((raw, time.monotonic() - began))
            if wrong := [status for status in statuses(data) if status >= 500 and status not in NOT_THE_SERVERS_FAULT]:
                failures.append((raw, str(wrong)))
    late = [(raw, "late") for raw, seconds in took if seconds > DEADLINE + LATE + machine.allowed]
    return failures + late, named


def changed_by(raw: bytes) -> set[str]:
    """Whom the requests in `raw` change, as another parser reads them."""
    named: set[str] = set()
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(raw)
    request, content = None, b""
    try:
        while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                request, content = event, b""
            elif isinstance(event, h11.Data):
                content += event.data
            elif isinstance(event, h11.EndOfMessage) and request:
                if request.method in (b"POST", b"PUT"):
                    with suppress(ValueError, KeyError, TypeError):
                        named.add(json.loads(content)["email"])
                elif request.method == b"DELETE":
                    path = re.sub(rb"(?i)^https?://[^/?]*", b"", request.target).partition(b"?")[0]
                    if path.startswith(b"/"):
                        named.add(unquote_to_bytes(path)[1:].decode(errors="replace"))
                if request.http_version == b"1.0":
                    # h11 keeps no connection of HTTP/1.0 open; the service does if it is asked to.
                    rest, _ = connection.trailing_data
                    if not rest:
                        # To h11 no bytes are the end of the connection, which it then reports without end.
                        break
                    connection = h11.Connection(h11.SERVER)
                    connection.receive_data(rest)
                    continue
                connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()
    except (h11.RemoteProtocolError, h11.LocalProtocolError):
        # It ends here.
        pass
    return named


def content(cluster: Cluster) -> dict[str, dict[str, str]]:
    """All users by e-mail."""
    found: dict[str, dict[str, str]] = {}
    for node in cluster.nodes:
        with cluster.client(node) as client:
            for key in client.scan_iter("user:*", count=1000):
                if client.type(key) == "hash":
                    found[key.removeprefix("user:")] = client.hgetall(key)
    return found


def unexpected(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]], named: set[str]) -> set[str]:
    """Who has changed without being named."""
    return {email for email in {*before, *after} - named if before.get(email) != after.get(email)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("number", type=int, nargs="?", default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    failures: list[tuple[bytes, str]] = []
    strangers: set[str] = set()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with (
            Cluster(directory, user=user(), shards=3, tls=certificates(directory)) as cluster,
            Service(environment(cluster), directory) as service,
            ProcessPoolExecutor(2) as pool,
        ):
            seeds = range(arguments.seed, arguments.seed + -(-arguments.number // PART))
            for pair in zip(seeds[::2], seeds[1::2] or seeds, strict=False):
                for email in NEIGHBOURS:
                    service("PUT", path(email), body(email))
                before = content(cluster)
                parts = list(pool.map(partial(mutations, service.port, number=PART), pair))
                failures += [failure for found, _ in parts for failure in found]
                strangers |= unexpected(before, content(cluster), set().union(*(named for _, named in parts)))
            alive = service("GET", "/ready").status == 200
    for raw, wrong in failures[:20]:
        print(wrong, raw)
    print(
        f"{arguments.number:,} mutations in {time.monotonic() - began:.0f} s: {len(failures)} failures, "
        f"{len(strangers)} users changed that no valid request names {sorted(strangers)}, ready: {alive}"
    )
    return 1 if failures or strangers or not alive else 0


if __name__ == "__main__":
    sys.exit(main())
