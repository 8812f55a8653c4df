"""Deployments of both computes: start an instance, check its health, move the traffic, stop the old one; logs.

Facts, the same of App Runner and ECS: a deployment whose instance does not become healthy fails, and the one before
still runs (App Runner developer guide, "Configuring health checks"; ECS developer guide, "Updating an Amazon ECS
Express Mode service"); secrets are read when a deployment starts (App Runner developer guide, "Referencing environment
variables"; ECS developer guide, "Pass Secrets Manager secrets through environment variables").
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ministack.app
from ministack.services import cloudwatch_logs, secretsmanager

from rehearsal.emulator.extensions import faults, local_services
from rehearsal.emulator.extensions.ecr import CREDENTIALS

DRAIN_SECONDS = 1
# Why ECS stops a task whose container ended (developer guide, "Stopped tasks error messages").
EXITED = "Essential container in task exited"
# A canary gets one of so many connections.
CANARY_OF = 20


@dataclass
class Log:
    """Where an instance's output goes, and how many lines have been copied."""

    group: str
    stream: str
    shipped: int = 0


# The running instance of each service, by the service's ARN; the log of each instance.
running: dict[str, str] = {}
logs: dict[str, Log] = {}
shipping = threading.Lock()


class Unhealthy(Exception):
    """The new instance does not become healthy; the one before still runs. The text is the reason, as far as there is
    one besides the health check."""


@dataclass(frozen=True)
class Revision:
    """What to run: `secrets` are variables with the ARN of their value, `path` is the health check's, `command`
    replaces the image's. The output goes to `log_group`, into a stream whose name begins with `log_stream`."""

    service_arn: str
    host: str
    image: str
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    path: str
    log_group: str
    log_stream: str
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Canary:
    """A deployment in two steps. `register` gets the port of the new instance; `watch` is called after 5 % and after
    all of the traffic was shifted, and raises Unhealthy to shift it back."""

    register: Callable[[int], None]
    watch: Callable[[], None]


def install() -> None:
    if not local_services.available():
        return
    handler = ministack.app.SERVICE_HANDLERS["logs"]

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        # In a thread, because an instance that is starting calls the registry in this process.
        await asyncio.to_thread(ship_all)
        return await handler(method, path, headers, body, query)

    ministack.app.SERVICE_HANDLERS["logs"] = handle


def deploy(revision: Revision, logical_id: str, canary: Canary | None = None) -> None:
    """Puts a new instance behind the service's host name; with `canary`, in place of another, in two steps.

    Raises Unhealthy, or ValueError if the instance does not start; the one before then has all requests again.
    """
    for fault in faults.due(logical_id, "start"):
        faults.hold(fault)
        if fault["reason"]:
            raise Unhealthy(fault["reason"])
    if not local_services.available():
        return
    spoiled = next((fault["spoils"] for fault in faults.due(logical_id, "start") if fault["spoils"]), "")
    secrets = {name: secret(arn) for name, arn in revision.secrets.items()}
    instance = uuid.uuid4().hex
    before = running.get(revision.service_arn)
    logs[instance] = Log(revision.log_group, f"{revision.log_stream}/{instance}")
    try:
        started = local_services.request(
            "start_instance",
            id=instance,
            image=revision.image,
            credentials=CREDENTIALS,
            environment={**revision.environment, **({} if spoiled == "secrets" else secrets)},
            build="another" if spoiled == "build" else "",
            path=revision.path,
            command=revision.command,
        )
        ship(instance)
        if not started["healthy"]:
            raise Unhealthy("" if started["alive"] else EXITED)
        if canary:
            canary.register(started["port"])
        if canary and before:
            route(revision.host, *(CANARY_OF - 1) * (before,), instance)
            canary.watch()
        route(revision.host, instance)
        if canary and before:
            canary.watch()
    except Exception:
        if before:
            route(revision.host, before)
        stop(instance)
        raise
    running[revision.service_arn] = instance
    if before:
        # Current requests finish on the old instance.
        time.sleep(DRAIN_SECONDS)
        stop(before)


def route(host: str, *instances: str) -> None:
    local_services.request("route", host=host, ids=instances)


def remove(service_arn: str) -> None:
    instance = running.pop(service_arn, None)
    if instance:
        stop(instance)


def stop(instance: str) -> None:
    ship(instance)
    local_services.request("stop_instance", id=instance)
    logs.pop(instance, None)


def secret(name: str) -> str:
    """The current value of a secret. Raises ValueError if there is none."""
    status, _, body = secretsmanager._get_secret_value({"SecretId": name})
    answer = json.loads(body)
    if status != 200:
        raise ValueError(answer["message"])
    return str(answer["SecretString"])


def ship_all() -> None:
    for instance in list(logs):
        ship(instance)


def ship(instance: str) -> None:
    """Copies an instance's new output to its log group."""
    with shipping:
        if target := logs.get(instance):
            lines = local_services.request("log", id=instance, since=target.shipped)["lines"]
            target.shipped += len(lines)
            if lines:
                log(target.group, target.stream, *lines)


def log(group: str, stream: str, *lines: str) -> None:
    """Writes to a log group, which is created if it does not exist."""
    cloudwatch_logs._create_log_group({"logGroupName": group})
    cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines]
    cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})
