"""Amazon ECS Express Mode, as its own API tells it.

Facts: ECS API reference, DescribeExpressGatewayService, ListServiceDeployments, UpdateService. Not tried on an account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generator import contract
from generator.compute.compute import Running

# The states of a service deployment that are not its last (API reference, ServiceDeployment).
UNDER_WAY = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
SUCCESSFUL = "SUCCESSFUL"


@dataclass(frozen=True)
class EcsExpressCompute:
    """A service of ECS Express Mode, which is an ECS service with more of an API."""

    repository: str = contract.REPOSITORY_URI
    context: str = "."
    users_api: bool = True
    client_name: str = "ecs"
    resource_type: str = "AWS::ECS::ExpressGatewayService"
    actions: tuple[str, ...] = ("ecs:DescribeExpressGatewayService", "ecs:ListServiceDeployments")
    redeploy_actions: tuple[str, ...] = ("ecs:UpdateService",)

    @property
    def usual_minutes(self) -> Mapping[str, int]:
        """An update is a canary deployment that waits twice for three minutes (developer guide, "Updating an Amazon ECS
        Express Mode service")."""
        return {self.resource_type: 8}

    def running(self, client: Any, service_arn: str) -> Running:
        """What DescribeExpressGatewayService and ListServiceDeployments tell."""
        # Asked before the service, whose configurations are then not older than the deployment's end.
        last = _last_deployment(client, service_arn)
        service = client.describe_express_gateway_service(serviceArn=service_arn)["service"]
        state = last.get("status", "")
        reason = f" ({last['statusReason'].rstrip('.')})" if last.get("statusReason") and state != SUCCESSFUL else ""
        configuration = _in_use(service, last.get("targetServiceRevisionArn", ""))
        status = service["status"]["statusCode"]
        endpoint, public = _ingress(configuration)
        return Running(
            status=status,
            ready=status == "ACTIVE",
            operation=f"deployment {state}{reason}" if state else "none",
            ended=None if state in UNDER_WAY else state in (SUCCESSFUL, ""),
            image=configuration.get("primaryContainer", {}).get("image", ""),
            url=endpoint,
            public=public,
            then="Look at it in the console, and repeat.",
            operation_id=last.get("serviceDeploymentArn", ""),
        )

    def redeploy(self, client: Any, service_arn: str) -> None:
        """UpdateService with forceNewDeployment, "to start a new deployment with no service definition changes".

        That Express services take it is documented nowhere, and neither is that UpdateExpressGatewayService deploys
        where nothing changes: whoever calls makes sure that a deployment has begun.
        """
        cluster, name = service_arn.split("/")[1:3]
        client.update_service(cluster=cluster, service=name, forceNewDeployment=True)

    def log_groups(self, client: Any, service_arn: str) -> tuple[str, ...]:
        """The group that the service was told to write to, by default of the layer's own stack. What ECS says of
        deployments is in none."""
        service = client.describe_express_gateway_service(serviceArn=service_arn)["service"]
        found = [
            configuration.get("primaryContainer", {}).get("awsLogsConfiguration", {}).get("logGroup")
            for configuration in service.get("activeConfigurations", ())
        ]
        return tuple(dict.fromkeys(group for group in found if group))

    def leaves(self, service_arn: str) -> tuple[str, ...]:
        """Nothing: the log group goes with the stack."""
        return ()

    def domain(self, region: str) -> str:
        """Names as they are seen of deployed services: <two letters>-<32 hexadecimal digits>.ecs.<Region>.on.aws."""
        return f"ecs.{region}.on.aws"

    def resources(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        """Any service of the default cluster: how one without a name is called is not documented."""
        return ("arn:aws:ecs:*:*:service/default/*",)

    def log_group_names(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        """The log group is the stack's own, and called after it."""
        return (f"{stack_name}-*",)


def _last_deployment(client: Any, service_arn: str) -> Mapping[str, Any]:
    """The newest deployment of the service. In which order they are listed is not documented."""
    asked = {"service": service_arn, "cluster": service_arn.split("/")[1]}
    found: list[Mapping[str, Any]] = []
    token: dict[str, str] = {}
    # botocore has no paginator for this one.
    while True:
        page = client.list_service_deployments(**asked, **token)
        found += page["serviceDeployments"]
        if not page.get("nextToken"):
            return max(found, key=lambda deployment: deployment["createdAt"], default={})
        token = {"nextToken": page["nextToken"]}


def _in_use(service: Mapping[str, Any], revision: str) -> Mapping[str, Any]:
    """The configuration that the last deployment has made, or, where that was taken back, the newest that is left."""
    active = service.get("activeConfigurations", ())
    made = [configuration for configuration in active if configuration.get("serviceRevisionArn") == revision]
    return max(made or active, key=lambda configuration: configuration["createdAt"], default={})


def _ingress(configuration: Mapping[str, Any]) -> tuple[str, bool]:
    """The URL, and whether it can be reached from everywhere."""
    paths = sorted(configuration.get("ingressPaths", ()), key=lambda path: path["accessType"] != "PUBLIC")
    if not paths:
        return "", True
    host = paths[0]["endpoint"].removeprefix("https://").rstrip("/")
    return f"https://{host}", paths[0]["accessType"] == "PUBLIC"
