"""A service of another kind: /health writes an order and reads it, as the cluster's user that its environment names."""

from __future__ import annotations

import http.server
import os

from redis.cluster import RedisCluster
from redis.exceptions import RedisClusterException, RedisError

HOST, _, PORT = os.environ["MEMORYDB_CLUSTER_ENDPOINT"].rpartition(":")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" and works() else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()


def works() -> bool:
    try:
        with RedisCluster(
            host=HOST,
            port=int(PORT),
            username=os.environ["MEMORYDB_USERNAME"],
            password=os.environ["MEMORYDB_PASSWORD"],
            ssl=True,
            ssl_ca_certs=os.environ["MEMORYDB_TLS_CA_FILE"],
        ) as cluster:
            cluster.hset("order:1", "state", "new")
            return bool(cluster.hgetall("order:1") == {b"state": b"new"})
    except (RedisError, RedisClusterException) as error:
        print(error, flush=True)
        return False


if __name__ == "__main__":
    http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
