"""The access string of the emitted template, judged by a real Redis: what it lets through and what not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rehearsal.services.redis_cluster import Cluster

PERMITTED = "OK"


@pytest.fixture
def server(cluster: Cluster) -> Iterator[Any]:
    with cluster.client(cluster.nodes[0]) as client:
        yield client


@pytest.mark.parametrize(
    "command",
    [
        "HSET user:a@example.com name a",
        "HGETALL user:a@example.com",
        "DEL user:a@example.com",
        "MULTI",
        "EXEC",
        "CLUSTER SLOTS",
        "PING",
        "ASKING",
    ],
)
def test_what_the_service_needs_is_permitted(server: Any, command: str) -> None:
    assert server.execute_command("ACL", "DRYRUN", "service", *command.split()) == PERMITTED


@pytest.mark.parametrize(
    "command",
    [
        "HSET order:1 name a",
        "HGETALL users",
        "GET user:a@example.com",
        "SET user:a@example.com a",
        "EXISTS user:a@example.com",
        "READONLY",
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
    assert server.execute_command("ACL", "DRYRUN", "service", *command.split()) != PERMITTED
