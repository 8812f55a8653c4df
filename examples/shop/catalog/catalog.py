"""The catalog: PUT /products/ID stores a product, GET returns it."""

from __future__ import annotations

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from redis.cluster import RedisCluster

HOST, _, PORT = os.environ["MEMORYDB_CLUSTER_ENDPOINT"].rpartition(":")
CLUSTER = RedisCluster(
    host=HOST,
    port=int(PORT),
    username=os.environ["MEMORYDB_USERNAME"],
    password=os.environ["MEMORYDB_PASSWORD"],
    ssl=True,
    # Set in a rehearsal only. Without it, the system's authorities are trusted.
    ssl_ca_certs=os.environ.get("MEMORYDB_TLS_CA_FILE"),
)
PRODUCTS = "/products/"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(200)
        elif self.path == "/ready":
            CLUSTER.get("product:")
            self.answer(200, os.environ["PICTURES"].encode())
        elif self.path.startswith(PRODUCTS) and isinstance(product := CLUSTER.get(self.key), bytes):
            self.answer(200, product)
        else:
            self.answer(404)

    def do_PUT(self) -> None:
        if self.path.startswith(PRODUCTS):
            CLUSTER.set(self.key, self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(204)
        else:
            self.answer(404)

    @property
    def key(self) -> str:
        return f"product:{self.path.removeprefix(PRODUCTS)}"

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    address = os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8080"))
    ThreadingHTTPServer(address, Handler).serve_forever()
