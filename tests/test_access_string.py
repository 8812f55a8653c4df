"""The access string of the emitted template, judged by a real Redis: what it lets through and what not."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

ROOT = Path(__file__).parents[1]
USER = "service"
PERMITTED = "OK"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    directory = tmp_path_factory.mktemp("redis")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {"port": port, "bind": "127.0.0.1", "save": "", "dir": directory, "cluster-enabled": "yes"}
    command = ["redis-server", *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    client: Any = redis.Redis(port=port, decode_responses=True)
    try:
        for _ in range(100):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                if process.poll() is not None:
                    raise
                time.sleep(0.05)
        template = json.loads((ROOT / "templates" / "data-layer.json").read_text())
        access_string = template["Resources"]["MemoryDbUser"]["Properties"]["AccessString"]
        client.execute_command("ACL", "SETUSER", USER, *access_string.split(), "nopass")
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize(
    "command",
    [
        "HSET user:a@example.com name a",
        "HGETALL user:a@example.com",
        "DEL user:a@example.com",
        "MULTI",
        "EXEC",
        "CLUSTER SLOTS",
        "READONLY",
        "PING",
        "ASKING",
    ],
)
def test_what_the_service_needs_is_permitted(server: Any, command: str) -> None:
    assert server.execute_command("ACL", "DRYRUN", USER, *command.split()) == PERMITTED


@pytest.mark.parametrize(
    "command",
    [
        "HSET order:1 name a",
        "HGETALL users",
        "GET user:a@example.com",
        "SET user:a@example.com a",
        "EXISTS user:a@example.com",
        "COMMAND",
        "KEYS *",
        "SCAN 0",
        "FLUSHALL",
        "CLUSTER RESET",
        "CLUSTER NODES",
        "CONFIG GET *",
        "ACL LIST",
        "EVAL return 0",
        "PUBLISH channel a",
        "SUBSCRIBE channel",
        "SHUTDOWN",
        "DEBUG SLEEP 1",
        "REPLICAOF NO ONE",
    ],
)
def test_everything_else_is_not(server: Any, command: str) -> None:
    assert server.execute_command("ACL", "DRYRUN", USER, *command.split()) != PERMITTED
