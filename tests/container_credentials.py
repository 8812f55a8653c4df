"""A stand-in for the endpoint from which a container gets its role's credentials.

Source: botocore, ContainerProvider: AWS_CONTAINER_CREDENTIALS_FULL_URI may name a loopback address; the answer is JSON
with AccessKeyId, SecretAccessKey, Token and Expiration. Containers of Amazon ECS are given theirs so; App Runner's
developer guide only says that the SDKs find them.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rehearsal.processes import ADDRESS
from tests.memorydb_iam import Keys


class Endpoint(ThreadingHTTPServer):
    """Gives what `give` returns, with credentials that last `lasting` seconds; None is a failure, and it waits `slow`
    seconds before it answers."""

    daemon_threads = True

    def __init__(self, give: Callable[[int], Keys | None], lasting: float) -> None:
        super().__init__((ADDRESS, 0), Handler)
        self.give = give
        self.lasting = lasting
        self.slow = 0.0
        self.asked = 0

    @property
    def environment(self) -> dict[str, str]:
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{ADDRESS}:{self.server_port}/credentials"}


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_GET(self) -> None:
        self.server.asked += 1
        keys = self.server.give(self.server.asked)
        time.sleep(self.server.slow)
        ends = datetime.now(UTC) + timedelta(seconds=self.server.lasting)
        answer = keys and {
            "AccessKeyId": keys.access_key,
            "SecretAccessKey": keys.secret_key,
            "Token": keys.session_token,
            "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self.send_response(200 if answer else 500)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def endpoint(give: Callable[[int], Keys | None], lasting: float = 6 * 3600) -> Iterator[Endpoint]:
    with Endpoint(give, lasting) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
