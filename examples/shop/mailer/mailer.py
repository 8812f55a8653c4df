"""The mailer: GET /unsubscribe/ADDRESS returns a link that only the holder of the key can make."""

from __future__ import annotations

import hmac
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = os.environ["SIGNING_KEY"].encode()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        signature = hmac.digest(KEY, self.path.encode(), "sha256").hex()
        body = b"" if self.path == "/health" else f"{os.environ['SHOP']}{self.path}?{signature}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    address = os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8080"))
    ThreadingHTTPServer(address, Handler).serve_forever()
