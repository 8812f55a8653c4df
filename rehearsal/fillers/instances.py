"""What App Runner does with instances: starts one from an image, watches its health, moves traffic, keeps its log.

Facts: developer guide, "Configuring health checks" (a deployment whose instance does not become healthy fails; a failed
update is rolled back to what ran before), "Viewing App Runner logs streamed to CloudWatch Logs" (the groups
/aws/apprunner/<name>/<id>/service and /application, streams events and instance/<id>; the sentences are those that
users quote from them, apprunner-roadmap issue 143), "Referencing environment variables" (secrets are read when a
deployment starts).
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import ministack.app
from ministack.services import cloudwatch_logs, secretsmanager

from rehearsal.fillers import faults, machines
from rehearsal.fillers.registry import CREDENTIALS

# The running instance of each service, by the service's ARN.
running: dict[str, str] = {}
# How much of each instance's output is in its log group.
shipped: dict[str, int] = {}
groups: dict[str, str] = {}


DRAIN_SECONDS = 1


class Unhealthy(Exception):
    """The new instance does not answer; what ran before still runs."""


def install() -> None:
    if not machines.attached():
        return
    handler = ministack.app.SERVICE_HANDLERS["logs"]

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        for instance in list(groups):
            ship(instance)
        return await handler(method, path, headers, body, query)

    ministack.app.SERVICE_HANDLERS["logs"] = handle


def deploy(service: dict[str, Any], source: dict[str, Any], health: dict[str, Any], logical_id: str) -> None:
    """Puts an instance of the image behind the service's URL; raises Unhealthy where it does not become healthy."""
    if not machines.attached():
        return
    arn = service["ServiceArn"]
    repository = source["ImageRepository"]
    image = repository["ImageConfiguration"]
    spoiled = next((fault["spoils"] for fault in faults.due(logical_id, "start") if fault["spoils"]), "")
    secrets = {name: secret(wanted) for name, wanted in image.get("RuntimeEnvironmentSecrets", {}).items()}
    instance = uuid.uuid4().hex
    log(arn, "service", "events", "[AppRunner] Deployment started.")
    shipped[instance] = 0
    groups[instance] = arn
    started = machines.ask(
        "start",
        id=instance,
        image=repository["ImageIdentifier"],
        credentials=CREDENTIALS,
        environment={**image.get("RuntimeEnvironmentVariables", {}), **({} if spoiled == "secrets" else secrets)},
        build="another" if spoiled == "build" else "",
        path=health.get("Path", "/"),
    )
    ship(instance)
    if not started["healthy"]:
        log(
            arn,
            "service",
            "events",
            f"[AppRunner] Health check failed on protocol `HTTP`[Path: '{health.get('Path', '/')}'], "
            f"[Port: '{image.get('Port', '8080')}']. Check your configured port number.",
        )
        log(arn, "service", "events", "[AppRunner] Deployment failed. Failure reason : Health check failed.")
        stop(instance)
        raise Unhealthy
    machines.ask("route", host=service["ServiceUrl"], id=instance)
    before, running[arn] = running.get(arn), instance
    if before:
        # Requests that are under way, or found the old instance a moment ago, are let finish.
        time.sleep(DRAIN_SECONDS)
        stop(before)
    log(arn, "service", "events", "[AppRunner] Deployment completed successfully.")


def remove(arn: str) -> None:
    instance = running.pop(arn, None)
    if instance:
        stop(instance)


def stop(instance: str) -> None:
    ship(instance)
    machines.ask("stop", id=instance)
    groups.pop(instance, None)


def secret(wanted: str) -> str:
    """The current value of a secret."""
    _, _, body = secretsmanager._get_secret_value({"SecretId": wanted})
    return str(json.loads(body)["SecretString"])


def ship(instance: str) -> None:
    """Moves what an instance has printed since the last time into its log group."""
    lines = machines.ask("log", id=instance, since=shipped[instance])["lines"]
    shipped[instance] += len(lines)
    if lines:
        log(groups[instance], "application", f"instance/{instance}", *lines)


def log(arn: str, kind: str, stream: str, *lines: str) -> None:
    """Writes to a log group of App Runner's, which it makes when there is something to write."""
    group = f"/aws/apprunner/{'/'.join(arn.split('/')[1:])}/{kind}"
    cloudwatch_logs._create_log_group({"logGroupName": group})
    cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines]
    cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})
