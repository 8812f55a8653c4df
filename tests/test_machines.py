"""What the rehearsal starts on this machine: it waits without haste, and whatever happens it leaves nothing running."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path

import pytest

from rehearsal.cluster import Cluster, Node, User
from rehearsal.processes import ADDRESS, answers

USER = User("service", "a-password-of-some-length", "on ~user:* -@all +hgetall")


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


def test_a_cluster_of_which_a_node_cannot_be_started_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(node: Node, server: str) -> None:
        if node is second:
            raise OSError("no more processes")
        real(node, server)

    real = Node.start
    cluster = Cluster(tmp_path, user=USER, shards=2)
    first, second = cluster.nodes
    monkeypatch.setattr(Node, "start", start)
    with pytest.raises(OSError, match="no more processes"), cluster:
        pass
    assert first.process is None
