"""What the rehearsal starts on this machine: it waits without haste, and whatever happens it leaves nothing running."""

from __future__ import annotations

import http.server
import threading

from rehearsal.processes import ADDRESS, answers


def test_an_instance_that_is_not_healthy_yet_is_asked_again_after_a_pause() -> None:
    asked: list[str] = []

    class Starting(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(503)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((ADDRESS, 0), Starting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert not answers(server.server_port, "/health", lambda: True, 0.5)
        server.shutdown()
    assert 1 < len(asked) <= 10
