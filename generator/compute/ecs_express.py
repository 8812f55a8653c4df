"""Amazon ECS Express Mode.

Facts: ECS API reference, DescribeExpressGatewayService, ListServiceDeployments, UpdateService, ListTasks,
DescribeTasks, DescribeServices. Not tried on an account.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from generator.aws.calls import pages
from generator.compute import Compute, ErrorRate, Outcome, Running, ServiceOperation, error_rate

# The states of a service deployment that are not its last (API reference, ServiceDeployment).
IN_PROGRESS = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
SUCCESSFUL = "SUCCESSFUL"
# What the messages of failures have in common (developer guide, "Viewing Amazon ECS service event messages").
FAILURE = re.compile(r"unable|unhealthy|fail|error|circuit breaker", re.IGNORECASE)
# The reason of a task that ECS stopped because another one took its place.
REPLACED = "Scaling activity initiated by"
# What DescribeTasks takes at once (API reference).
MOST_TASKS = 100


@dataclass(frozen=True)
class EcsExpressCompute(Compute):
    """A service of ECS Express Mode, which is an ECS service with an API of its own."""

    client_name = "ecs"
    resource_type = "AWS::ECS::ExpressGatewayService"
    actions = ("ecs:DescribeExpressGatewayService", "ecs:DescribeServices", "ecs:ListServiceDeployments")
    redeploy_actions = ("ecs:UpdateService",)
    # The resource type of ListTasks is a container instance (Service Authorization Reference).
    actions_elsewhere = MappingProxyType({"ecs:DescribeTasks": "arn:aws:ecs:*:*:task/default/*", "ecs:ListTasks": "*"})
    metric_actions = error_rate.ACTIONS
    # An update is a canary deployment that waits twice for three minutes (developer guide, "Updating an Amazon ECS
    # Express Mode service").
    usual_minutes = MappingProxyType({"AWS::ECS::ExpressGatewayService": 8})
    deletes_logs = True

    def running(self, client: Any, service_arn: str) -> Running:
        """What DescribeExpressGatewayService and ListServiceDeployments return."""
        # Read before the service, so that the configurations are not older than the deployment's end.
        last = next(iter(_deployments(client, service_arn)), None)
        service = client.describe_express_gateway_service(serviceArn=service_arn)["service"]
        operation = _operation(last) if last else None
        configuration = _in_use(service, last.get("targetServiceRevisionArn", "") if last else "")
        status = service["status"]["statusCode"]
        endpoint, public = _ingress(configuration)
        return Running(
            status=status,
            ready=status == "ACTIVE",
            operation=operation.text if operation else "none",
            outcome=operation.outcome if operation else Outcome.SUCCEEDED,
            image=configuration.get("primaryContainer", {}).get("image", ""),
            url=endpoint,
            public=public,
            advice="Look at it in the console.",
            operation_id=operation.id if operation else "",
        )

    def operations(self, client: Any, service_arn: str) -> Sequence[ServiceOperation]:
        """The service's deployments."""
        return [_operation(found) for found in _deployments(client, service_arn)]

    def reasons(self, client: Any, service_arn: str, since: datetime, until: datetime) -> tuple[str, ...]:
        """Why the first task failed, which ECS keeps for about an hour; without one, the first event that is about a
        failure."""
        cluster, name = service_arn.split("/")[1:3]
        listed = pages(client.list_tasks, cluster=cluster, serviceName=name, desiredStatus="STOPPED")
        arns = [arn for page in listed for arn in page["taskArns"]][:MOST_TASKS]
        tasks = client.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        stopped = [
            task
            for task in sorted(tasks, key=lambda task: task["createdAt"])
            if since <= task["createdAt"] <= until and not task.get("stoppedReason", "").startswith(REPLACED)
        ]
        if stopped:
            return (_why_stopped(stopped[0]),)
        services = client.describe_services(cluster=cluster, services=[name])["services"]
        events = [
            event["message"].rstrip(".")
            for service in services
            for event in service.get("events", ())
            if since <= event["createdAt"] <= until and FAILURE.search(event["message"])
        ]
        # The newest comes first.
        return tuple(events[-1:])

    def redeploy(self, client: Any, service_arn: str) -> None:
        """UpdateService with forceNewDeployment, "to start a new deployment with no service definition changes".

        That Express services accept it is not documented, and neither is that UpdateExpressGatewayService deploys when
        nothing changes. The caller checks that a deployment has started.
        """
        cluster, name = service_arn.split("/")[1:3]
        client.update_service(cluster=cluster, service=name, forceNewDeployment=True)

    def error_rate(self, cloudwatch: Any, service_arn: str) -> ErrorRate:
        """By the alarm that judges every deployment."""
        return error_rate.error_rate(cloudwatch, service_arn)

    def log_groups(self, client: Any, service_arn: str) -> tuple[str, ...]:
        """The group that the service is configured to write to. ECS's messages about deployments are in none."""
        service = client.describe_express_gateway_service(serviceArn=service_arn)["service"]
        found = [
            configuration.get("primaryContainer", {}).get("awsLogsConfiguration", {}).get("logGroup")
            for configuration in service.get("activeConfigurations", ())
        ]
        return tuple(dict.fromkeys(group for group in found if group))

    def draining(self, client: Any, service_arn: str) -> bool:
        """A deleted service is DRAINING, and INACTIVE when it is gone (terraform-provider-aws PR 47568)."""
        try:
            service = client.describe_express_gateway_service(serviceArn=service_arn)["service"]
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("ResourceNotFoundException", "ServiceNotFoundException"):
                return False
            raise
        return bool(service["status"]["statusCode"] == "DRAINING")

    def domain(self, region: str) -> str:
        """Seen of deployed services: <two letters>-<32 hexadecimal digits>.ecs.<Region>.on.aws."""
        return f"ecs.{region}.on.aws"

    def resources(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        """Any service of the default cluster: ECS names an unnamed one after its image's repository, which is a
        parameter; the form is not documented."""
        return ("arn:aws:ecs:*:*:service/default/*",)

    def log_group_names(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        """The log group belongs to the stack and has its name."""
        return (f"{stack_name}-*",)


def _deployments(client: Any, service_arn: str) -> list[Mapping[str, Any]]:
    """The deployments of the service, the newest first. The order of the list is not documented."""
    cluster = service_arn.split("/")[1]
    listed = pages(client.list_service_deployments, service=service_arn, cluster=cluster)
    found = [deployment for page in listed for deployment in page["serviceDeployments"]]
    return sorted(found, key=lambda deployment: deployment["createdAt"], reverse=True)


def _operation(deployment: Mapping[str, Any]) -> ServiceOperation:
    state, why = deployment["status"], deployment.get("statusReason", "").rstrip(".")
    outcome = Outcome.IN_PROGRESS if state in IN_PROGRESS else Outcome.FAILED
    return ServiceOperation(
        id=deployment["serviceDeploymentArn"],
        text=f"deployment {state}{f' ({why})' if why and state != SUCCESSFUL else ''}",
        outcome=Outcome.SUCCEEDED if state == SUCCESSFUL else outcome,
        started=deployment["createdAt"],
        ended=deployment.get("finishedAt"),
    )


def _why_stopped(task: Mapping[str, Any]) -> str:
    """The reason of a task, and that of its container, or the container's exit code."""
    containers = {
        container["name"]: container.get("reason") or f"exit code {container['exitCode']}"
        for container in task.get("containers", ())
        if container.get("reason") or container.get("exitCode")
    }
    reason = task.get("stoppedReason", "").rstrip(".") or "no reason"
    return f"a task stopped: {', '.join([reason, *(f'{name}: {why}' for name, why in containers.items())])}"


def _in_use(service: Mapping[str, Any], revision: str) -> Mapping[str, Any]:
    """The configuration of the last deployment, or, if that was rolled back, the newest that is active."""
    active = service.get("activeConfigurations", ())
    last = [configuration for configuration in active if configuration.get("serviceRevisionArn") == revision]
    return max(last or active, key=lambda configuration: configuration["createdAt"], default={})


def _ingress(configuration: Mapping[str, Any]) -> tuple[str, bool]:
    """The URL, and whether it is public."""
    paths = sorted(configuration.get("ingressPaths", ()), key=lambda path: path["accessType"] != "PUBLIC")
    if not paths:
        return "", True
    host = paths[0]["endpoint"].removeprefix("https://").rstrip("/")
    return f"https://{host}", paths[0]["accessType"] == "PUBLIC"
