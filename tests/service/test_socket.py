"""Requests at the socket: what RFC 9112 forbids is refused before a handler sees it; what is odd but right is served.

Each case is sent as it stands, the client closes nothing, and the store is compared before and after.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser

from rehearsal.processes import ADDRESS, START_SECONDS
from rehearsal.services.redis_cluster import Cluster
from service.users import MAX_BODY
from tests.fuzz import NEIGHBOURS, content, exchange, mutations, statuses, unexpected
from tests.running import DEADLINE, LATE, Service, body, environment, path, within

Store = dict[str, dict[str, str]]

VICTIM = b"victim@b.c"
USER = body("new@b.c")
LENGTH = b"Content-Length: %d\r\n\r\n" % len(USER)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(USER), USER)


def get(target: bytes, *, verb: bytes = b"GET", version: bytes = b"HTTP/1.1", fields: bytes = b"Host: x\r\n") -> bytes:
    return verb + b" " + target + b" " + version + b"\r\n" + fields + b"\r\n"


def delete(target: bytes) -> bytes:
    return get(target, verb=b"DELETE")


def post(fields: bytes, content: bytes = USER) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\n" + fields + content


# Each is answered with this status, and ends the connection; no user is touched.
REFUSED = {
    # Targets (3.2): a path or a URL, and only one reading of it.
    "no slash": (400, delete(b"xvictim@b.c")),
    "no slash, get": (400, get(b"victim@b.c")),
    "mailto": (400, delete(b"mailto:victim@b.c")),
    "another scheme": (400, delete(b"ftp://x/victim@b.c")),
    "scheme without slashes": (400, delete(b"http:/victim@b.c")),
    "scheme without host": (400, delete(b"http:///victim@b.c")),
    "scheme with a port alone": (400, delete(b"http://:80/victim@b.c")),
    "asterisk": (400, get(b"*", verb=b"OPTIONS")),
    "authority": (400, get(b"b.c:80", verb=b"CONNECT")),
    "userinfo": (400, delete(b"http://victim@b.c/victim@b.c")),
    "half an IPv6 address": (400, get(b"http://[::1/victim@b.c")),
    "no IPv6 address": (400, get(b"http://[x]/victim@b.c")),
    "fragment": (400, delete(b"/victim@b.c#x")),
    "tab": (400, delete(b"/vic\ttim@b.c")),
    "NUL": (400, delete(b"/victim@b.c\0")),
    "delete character": (400, delete(b"/victim@b.c\x7f")),
    "bytes beyond ASCII": (400, delete("/victim\u00e9@b.c".encode())),
    "half an escape": (400, delete(b"/victim%4@b.c")),
    "no escape": (400, delete(b"/victim%zz@b.c")),
    "escaped bytes that are not UTF-8": (400, delete(b"/victim%ff@b.c")),
    "escaped surrogate": (400, delete(b"/victim%ed%a0%80@b.c")),
    "space in the target": (400, delete(b"/victim @b.c")),
    # Request lines (3).
    "no version": (400, b"GET /victim@b.c\r\nHost: x\r\n\r\n"),
    "HTTP/0.9": (505, get(b"/victim@b.c", version=b"HTTP/0.9")),
    "HTTP/2.0": (505, get(b"/victim@b.c", version=b"HTTP/2.0")),
    "HTTP/1.2": (505, get(b"/victim@b.c", version=b"HTTP/1.2")),
    "the preface of HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "lower case version": (400, get(b"/victim@b.c", version=b"http/1.1")),
    "two spaces": (400, b"DELETE  /victim@b.c HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a tab for a space": (400, b"DELETE\t/victim@b.c HTTP/1.1\r\nHost: x\r\n\r\n"),
    "space at the end": (400, b"DELETE /victim@b.c HTTP/1.1 \r\nHost: x\r\n\r\n"),
    "space in front": (400, b" DELETE /victim@b.c HTTP/1.1\r\nHost: x\r\n\r\n"),
    "lower case method": (400, get(b"/victim@b.c", verb=b"delete")),
    "no method": (400, b" /victim@b.c HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a line feed alone": (400, b"DELETE /victim@b.c HTTP/1.1\nHost: x\r\n\r\n"),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    # Header fields (5).
    "no Host": (400, get(b"/victim@b.c", fields=b"")),
    "two Hosts": (400, get(b"/victim@b.c", fields=b"Host: x\r\nHost: y\r\n")),
    "two equal Hosts": (400, get(b"/victim@b.c", fields=b"Host: x\r\nHost: x\r\n")),
    "Host is a path": (400, get(b"/victim@b.c", fields=b"Host: x/y\r\n")),
    "Host with userinfo": (400, get(b"/victim@b.c", fields=b"Host: a@b\r\n")),
    "HTTP/1.0 with two Hosts": (400, get(b"/victim@b.c", version=b"HTTP/1.0", fields=b"Host: x\r\nHost: y\r\n")),
    "space before the colon": (400, get(b"/victim@b.c", fields=b"Host : x\r\n")),
    "a field without a colon": (400, get(b"/victim@b.c", fields=b"Host: x\r\nnothing\r\n")),
    "a field without a name": (400, get(b"/victim@b.c", fields=b"Host: x\r\n: nothing\r\n")),
    "folding at the start": (400, get(b"/victim@b.c", fields=b" folded\r\nHost: x\r\n")),
    "NUL in a field": (400, get(b"/victim@b.c", fields=b"Host: x\r\nA: \0\r\n")),
    "a carriage return in a field": (400, get(b"/victim@b.c", fields=b"Host: x\r\nA: a\rb\r\n")),
    "too many fields": (431, get(b"/victim@b.c", fields=b"Host: x\r\n" + b"A: b\r\n" * 4000)),
    # Framing (6).
    "length and chunks": (400, post(b"Content-Length: 6\r\n" + CHUNKED + b"\r\n", b"0\r\n\r\n" + delete(VICTIM))),
    "chunks and length": (400, post(CHUNKED + LENGTH, CHUNKS)),
    "chunked in HTTP/1.0": (400, b"POST / HTTP/1.0\r\nConnection: keep-alive\r\n" + CHUNKED + b"\r\n" + CHUNKS),
    "chunked twice": (400, post(b"Transfer-Encoding: chunked, chunked\r\n\r\n", CHUNKS)),
    "chunked in two fields": (400, post(CHUNKED + CHUNKED + b"\r\n", CHUNKS)),
    "another coding": (501, post(b"Transfer-Encoding: gzip, chunked\r\n\r\n", CHUNKS)),
    "a coding that looks like chunked": (400, post(b"Transfer-Encoding: \x0bchunked\r\n\r\n", CHUNKS)),
    "identity": (501, post(b"Transfer-Encoding: identity\r\n" + LENGTH)),
    "two lengths": (400, post(b"Content-Length: 5\r\n" + LENGTH)),
    "two equal lengths": (400, post(LENGTH[:-2] + LENGTH)),
    "a list of lengths": (400, post(b"Content-Length: 5, 5\r\n\r\n")),
    "a negative length": (400, post(b"Content-Length: -1\r\n\r\n")),
    "a length with a plus": (400, post(b"Content-Length: +1\r\n\r\n")),
    "a hexadecimal length": (400, post(b"Content-Length: 0x10\r\n\r\n")),
    "no length in the length": (400, post(b"Content-Length:\r\n\r\n")),
    "a length of 5,000 digits": (400, post(b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n")),
    "a body that is too large": (413, post(b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1), b"")),
    "too large a body, and Expect": (413, post(b"Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n", b"")),
    "a chunk without a size": (400, post(CHUNKED + b"\r\n", b"x\r\n" + USER)),
    "a negative chunk": (400, post(CHUNKED + b"\r\n", b"-1\r\n" + USER)),
    "a chunk longer than its size": (400, post(CHUNKED + b"\r\n", b"1\r\n" + USER + b"\r\n0\r\n\r\n")),
    "a chunk's size before a line feed": (400, post(CHUNKED + b"\r\n", CHUNKS.replace(b"\r\n", b"\n\r\n", 1))),
    "a blank line before a chunk": (400, post(CHUNKED + b"\r\n", b"\r\n" + CHUNKS)),
    "a quoted chunk extension": (400, post(CHUNKED + b"\r\n", CHUNKS.replace(b"\r\n", b';a="\r\n', 1))),
    "half a quoted extension behind another": (
        400,
        post(CHUNKED + b"\r\n", CHUNKS.replace(b"\r\n", b';b=c;a="x\r\n', 1)),
    ),
    "an extension before a line feed": (400, post(CHUNKED + b"\r\n", CHUNKS.replace(b"\r\n", b";a\n\r\n", 1))),
    "a trailer without a colon": (400, post(CHUNKED + b"\r\n", CHUNKS[:-2] + b"nothing\r\n\r\n")),
    "chunks that are too large": (413, post(CHUNKED + b"\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (70_000, b" " * 70_000))),
}

# Each is answered with these, in order, and the connection stays open, unless the last is None.
SERVED: dict[str, tuple[tuple[int | None, ...], bytes]] = {
    "a path": ((200,), get(b"/victim@b.c")),
    "a URL": ((200,), get(b"http://x/victim@b.c")),
    "a URL of another case": ((200,), get(b"HTTPS://X:443/victim@b.c")),
    "a URL with an IPv6 address": ((200,), get(b"http://[::1]:80/victim@b.c")),
    "a URL without a path": ((405,), get(b"http://x")),
    "a query": ((200,), get(b"/victim@b.c?x=1&y=/z@b.c")),
    "an escaped path": ((200,), get(b"/%76ictim%40b.c")),
    "two slashes": ((404,), get(b"//victim@b.c")),
    "a route behind two slashes": ((404,), get(b"//health")),
    "an escaped slash before a route": ((404,), get(b"/%2Fhealth")),
    "dots": ((404,), get(b"/x/../victim@b.c")),
    "a backslash": ((404,), get(b"/\\victim@b.c")),
    "braces": ((404,), get(b"/{victim}|^`@b.c")),
    "an escaped NUL": ((404,), get(b"/victim@b.c%00")),
    "an escaped control character": ((404,), get(b"/victim%C2%85@b.c")),
    "an empty Host": ((200,), get(b"/health", fields=b"Host:\r\n")),
    "HTTP/1.0": ((200, None), get(b"/health", version=b"HTTP/1.0", fields=b"")),
    "HTTP/1.0, kept": ((200,), get(b"/health", version=b"HTTP/1.0", fields=b"Connection: Keep-Alive\r\n")),
    "close": ((200, None), get(b"/health", fields=b"Host: x\r\nConnection: close\r\n")),
    "blank lines in front": ((200,), b"\r\n\r\n" + get(b"/health")),
    "blank lines between": ((200, 200), get(b"/health") + b"\r\n" + get(b"/health")),
    "pipelined": ((200, 200, 404, 405), b"".join(map(get, (b"/victim@b.c", b"/health", b"/none@b.c", b"/")))),
    "a hundred at once": ((200,) * 100, get(b"/health") * 50 + get(b"/victim@b.c") * 50),
    "rubbish behind": ((200, 400, None), get(b"/health") + b"rubbish\r\n\r\n"),
    "a body for GET": (
        (200, 200),
        get(b"/health", fields=b"Host: x\r\nContent-Length: 3\r\n") + b"abc" + get(b"/health"),
    ),
    "Expect without a body": ((404,), get(b"/none@b.c", verb=b"DELETE", fields=b"Host: x\r\nExpect: 100-continue\r\n")),
    "Expect with a length of 0": ((400,), post(b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", b"")),
    "Expect for health": ((200,), get(b"/health", fields=b"Host: x\r\nExpect: 100-Continue\r\n")),
    "an expectation nobody knows": ((200,), get(b"/health", fields=b"Host: x\r\nExpect: miracles\r\n")),
    "no user": ((400,), post(b"Content-Length: 2\r\n\r\n", b"{}")),
    "no length": ((400,), post(b"\r\n", b"")),
    "chunks that are no user": ((400,), post(CHUNKED + b"\r\n", b"2;a=b\r\n{}\r\n0\r\nTrailer: x\r\n\r\n")),
    "an unknown method": ((400,), get(b"/victim@b.c", verb=b"BREW")),
    "a fold": ((200,), get(b"/health", fields=b"Host: x\r\nA: b\r\n c\r\n")),
    "a field with an underscore": ((200,), get(b"/health", fields=b"Host: x\r\nContent_Length: 9\r\n")),
}


@pytest.fixture(scope="module")
def store(cluster: Cluster, service: Service) -> Store:
    """What is stored, with a user whom the cases are after."""
    assert service("POST", "/", body(VICTIM.decode())).status == 200
    return content(cluster)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_malformed_is_refused_and_closed(service: Service, cluster: Cluster, store: Store, name: str) -> None:
    status, raw = REFUSED[name]
    answer = exchange(service.port, raw)
    assert (statuses(answer.data), answer.closed) == ([status], True)
    assert b"Connection: close\r\n" in answer.data
    assert b"content-type: application/problem+json\r\n" in answer.data
    assert b"100 Continue" not in answer.data
    assert content(cluster) == store


@pytest.mark.parametrize("name", SERVED)
def test_what_is_only_odd_is_served(service: Service, cluster: Cluster, store: Store, name: str) -> None:
    expected, raw = SERVED[name]
    closes = expected[-1] is None
    wanted = [status for status in expected if status]
    answer = exchange(service.port, raw, answers=None if closes else len(wanted))
    assert (statuses(answer.data), answer.closed) == (wanted, closes)
    assert b"100 Continue" not in answer.data
    assert content(cluster) == store


@pytest.mark.parametrize("spelling", [b"100-continue", b"100-Continue", b"x, 100-CONTINUE"])
def test_a_client_that_expects_100_is_told_to_continue(service: Service, spelling: bytes) -> None:
    with socket.create_connection((ADDRESS, service.port), timeout=START_SECONDS) as client:
        client.sendall(b"PUT /e@b.c HTTP/1.1\r\nHost: x\r\nExpect: " + spelling + b"\r\n")
        user = body("e@b.c")
        client.sendall(b"Content-Length: %d\r\n\r\n" % len(user))
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(user)
        assert statuses(client.recv(1000)) == [201]
    assert service("DELETE", "/e@b.c").status == 204


@pytest.mark.parametrize(
    "started",
    [
        b"GET /vic",
        b"GET /victim@b.c HTTP/1.1\r\nHost: x\r\n",
        post(LENGTH, USER[:5]),
        post(b"Expect: 100-continue\r\n" + LENGTH, b""),
        post(CHUNKED + b"\r\n", b"5\r\nab"),
    ],
    ids=["line", "fields", "body", "expect", "chunk"],
)
def test_a_request_that_is_slow_to_come_is_408_at_its_deadline(service: Service, started: bytes) -> None:
    with within(DEADLINE + LATE, at_least=DEADLINE - 0.1):
        answer = exchange(service.port, started)
    assert (statuses(answer.data), answer.closed) == ([408], True)


def test_one_byte_after_the_other_is_a_request_too(service: Service) -> None:
    with socket.create_connection((ADDRESS, service.port), timeout=START_SECONDS) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post(CHUNKED + b"\r\n", CHUNKS):
            client.sendall(bytes([byte]))
        assert statuses(client.recv(1000)) == [200]
    assert service("DELETE", "/new@b.c").status == 204


def test_a_client_that_waits_between_requests_is_not_cut_at_the_deadline(service: Service) -> None:
    with socket.create_connection((ADDRESS, service.port), timeout=START_SECONDS) as client:
        client.sendall(get(b"/health") + b"\r\n")
        assert statuses(client.recv(1000)) == [200]
        time.sleep(DEADLINE + LATE)
        client.sendall(get(b"/health"))
        assert statuses(client.recv(1000)) == [200]


def test_a_client_that_has_said_all_gets_its_answers(service: Service) -> None:
    with socket.create_connection((ADDRESS, service.port), timeout=START_SECONDS) as client:
        client.sendall(get(b"/victim@b.c") * 3)
        client.shutdown(socket.SHUT_WR)
        data = b""
        while more := client.recv(10_000):
            data += more
    assert statuses(data) == [200, 200, 200]


def test_a_client_that_sends_too_much_still_reads_why_it_is_refused(service: Service) -> None:
    with socket.create_connection((ADDRESS, service.port), timeout=START_SECONDS) as client:
        client.sendall(post(b"Content-Length: 2000000\r\n\r\n", b""))
        for _ in range(20):
            client.sendall(b" " * 100_000)
        assert statuses(client.recv(1000)) == [413]


def test_a_client_that_never_reads_stops_being_served_and_harms_nobody(service: Service) -> None:
    with socket.create_connection((ADDRESS, service.port), timeout=1) as client:
        many = get(b"/openapi.json") * 1_000_000
        with pytest.raises(TimeoutError):
            client.sendall(many)
        assert service("GET", "/health").status == 200


def test_clients_that_leave_in_the_middle_harm_nobody(service: Service) -> None:
    for started in (b"GET", post(LENGTH, USER[:5]), get(b"/victim@b.c"), get(b"/openapi.json") * 50):
        for _ in range(5):
            with socket.create_connection((ADDRESS, service.port)) as client:
                # Closes with RST.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.sendall(started)
    assert service("GET", "/victim@b.c").status == 200


def test_what_is_refused_is_in_the_log(cluster: Cluster, tmp_path: Path) -> None:
    with Service(environment(cluster, WORKERS="1"), tmp_path) as service:
        exchange(service.port, REFUSED["no slash"][1])
        exchange(service.port, b"GET /vic")
        lines = [line for line in service.log if line.get("status", 200) != 200]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [(None, None, 400), (None, None, 408)]
    assert lines[1]["ms"] >= 1000 * DEADLINE - 100


@pytest.mark.parametrize("seed", range(4))
def test_whatever_bytes_are_sent_nothing_breaks(service: Service, cluster: Cluster, seed: int) -> None:
    """A part of what `python -m tests.fuzz` does with 50,000."""
    for email in NEIGHBOURS:
        service("PUT", path(email), body(email))
    before = content(cluster)
    failures, named = mutations(service.port, seed, 500)
    assert failures == []
    assert unexpected(before, content(cluster), named) == set()


# A newer waitress that does these by itself makes a part of service/requests.py unnecessary: then these fail.


def parsed(raw: bytes) -> HTTPRequestParser:
    parser = HTTPRequestParser(Adjustments())
    while raw and not parser.completed:
        raw = raw[parser.received(raw) :]
    return parser


@pytest.mark.parametrize(
    "name",
    [
        "no slash", "mailto", "fragment", "tab", "no Host", "two Hosts", "length and chunks", "chunked in HTTP/1.0",
        "chunked twice", "space at the end", "HTTP/2.0", "half an escape", "space in front",
        "a chunk's size before a line feed", "a blank line before a chunk", "a trailer without a colon",
    ],
)  # fmt: skip
def test_waitress_still_lets_this_through(name: str) -> None:
    assert parsed(REFUSED[name][1]).error is None


@pytest.mark.parametrize("name", ["half an IPv6 address", "a length of 5,000 digits"])
def test_waitress_still_raises_what_it_does_not_catch(name: str) -> None:
    with pytest.raises(ValueError, match=r"IPv6|digits"):
        parsed(REFUSED[name][1])


def test_waitress_still_expects_more_of_a_request_without_a_body() -> None:
    request = parsed(SERVED["Expect without a body"][1])
    assert (request.completed, request.expect_continue) == (True, True)
    # Its channel then takes the request for one whose body is yet to come.
    assert "self.request.completed = False" in Path(str(HTTPChannel.send_continue.__code__.co_filename)).read_text()
