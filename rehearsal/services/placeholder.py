"""The program of an image that is built elsewhere: it answers the paths of the variable ANSWERS with their statuses.

It is a file of its own in an image that the rehearsal pushes, so it imports nothing of this project.
"""

from __future__ import annotations

import http.server
import json
import os

ANSWERS = json.loads(os.environ["ANSWERS"])


class Handler(http.server.BaseHTTPRequestHandler):
    """Any other path is answered 404."""

    def log_message(self, format: str, *arguments: object) -> None:
        print(format % arguments, flush=True)

    def do_GET(self) -> None:
        self.send_response(ANSWERS.get(self.path, http.HTTPStatus.NOT_FOUND))
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
