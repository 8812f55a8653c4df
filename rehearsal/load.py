"""Users written and read over HTTPS, one by one or from 16 clients at once."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import quote, urlsplit

CONNECTIONS = 16
# Between two turns of a client, so that the load leaves this machine time to deploy. After a slow turn the pause is
# SLOWER times as long as the turn: on a busy machine all clients at once pass the deadlines of the service's requests
# (with a twentieth of a CPU, 11 of 375 requests were answered 503).
PAUSE_SECONDS, SLOW_SECONDS, SLOWER = 0.02, 0.5, 4
TIMEOUT_SECONDS = 60

User = Mapping[str, str]


class Client:
    """Requests to one URL, each over a connection of its own. Proxy and authorities are those of the environment when
    it is created, which other threads may change afterwards."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._proxy = urlsplit(os.environ["HTTPS_PROXY"])
        self._trust = ssl.create_default_context()

    def __call__(self, method: str, path: str, body: User | None = None) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError, HTTPException."""
        proxy = self._proxy.hostname or ""
        connection = http.client.HTTPSConnection(proxy, self._proxy.port, timeout=TIMEOUT_SECONDS, context=self._trust)
        connection.set_tunnel(urlsplit(self.url).netloc, 443)
        with closing(connection):
            connection.request(method, path, json.dumps(body) if body else None)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def fault(
        self, method: str, path: str, body: User | None = None, *, reads: User | None = None, status: int = 200
    ) -> str:
        """What is wrong with the answer: it has another status, or is not the user `reads`; empty if nothing is."""
        try:
            found, content = self(method, path, body)
            if found != status:
                return f"{method} {path} is answered {found}"
            if reads is not None and json.loads(content) != reads:
                return f"{method} {path} returns another user"
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"{method} {path}: {error!r}"
        return ""

    def write(self, user: User) -> str:
        return self.fault("POST", "/", user)

    def read(self, user: User) -> str:
        return self.fault("GET", f"/{quote(user['email'], safe='@')}", reads=user)


def users(prefix: str, number: int) -> list[User]:
    """Different users, whose names need more than ASCII."""
    return [{"email": f"{prefix}-{place}@foo.com", "name": f"Zoë {place}"} for place in range(number)]


def at_once(work: Callable[[User], str], several: Sequence[User]) -> list[str]:
    """Writes or reads all of them; what went wrong."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return [fault for fault in pool.map(work, several) if fault]


@dataclass
class Load:
    """What became of the requests. `failed` has a line for each that failed."""

    sent: int = 0
    failed: list[str] = field(default_factory=list)


@contextmanager
def load(client: Client, known: Sequence[User] = (), paths: Mapping[str, int] = MappingProxyType({})) -> Iterator[Load]:
    """Until the `with` block ends, 16 clients write a new user each, read it, and read one of the users `known`.

    The last turn of each begins after the block: it meets what the block leaves, also where the pauses are long. With
    `paths` they get these instead, which are answered with the statuses given.
    """
    ended = threading.Event()
    # What is wrong with each answer; a thread adds each of its own at once.
    answers: list[str] = []

    def requests(number: int, turn: int) -> Iterator[str]:
        """A turn of a client: what is wrong with each answer."""
        if paths:
            yield from (client.fault("GET", path, status=status) for path, status in paths.items())
            return
        user = {"email": f"load-{number}-{turn}@foo.com", "name": "a"}
        yield client.write(user)
        yield client.read(user)
        if known:
            yield client.read(known[(number + CONNECTIONS * turn) % len(known)])

    def work(number: int) -> None:
        for turn in itertools.count():
            last, started = ended.is_set(), time.monotonic()
            answers.extend(requests(number, turn))
            if last:
                return
            took = time.monotonic() - started
            ended.wait(PAUSE_SECONDS if took < SLOW_SECONDS else SLOWER * took)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CONNECTIONS)]
    total = Load()
    for thread in threads:
        thread.start()
    try:
        yield total
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        total.sent, total.failed = len(answers), [fault for fault in answers if fault]
