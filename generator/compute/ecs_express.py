"""Amazon ECS Express Mode.

Facts: ECS API reference, DescribeExpressGatewayService, ListServiceDeployments, UpdateService. Not tried on an account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generator import contract
from generator.aws.calls import pages
from generator.compute import Outcome, Running, error_rate

# The states of a service deployment that are not its last (API reference, ServiceDeployment).
IN_PROGRESS = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
SUCCESSFUL = "SUCCESSFUL"


@dataclass(frozen=True)
class EcsExpressCompute:
    """A service of ECS Express Mode, which is an ECS service with an API of its own."""

    repository: str = contract.REPOSITORY_URI
    context: str = "."
    users_api: bool = True
    client_name: str = "ecs"
    resource_type: str = "AWS::ECS::ExpressGatewayService"
    actions: tuple[str, ...] = ("ecs:DescribeExpressGatewayService", "ecs:ListServiceDeployments")
    redeploy_actions: tuple[str, ...] = ("ecs:UpdateService",)
    metric_actions: tuple[str, ...] = error_rate.ACTIONS

    @property
    def usual_minutes(self) -> Mapping[str, int]:
        """An update is a canary deployment that waits twice for three minutes (developer guide, "Updating an Amazon ECS
        Express Mode service")."""
        return {self.resource_type: 8}

    def running(self, client: Any, service_arn: str) -> Running:
        """What DescribeExpressGatewayService and ListServiceDeployments return."""
        # Read before the service, so that the configurations are not older than the deployment's end.
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
            outcome=_outcome(state),
            image=configuration.get("primaryContainer", {}).get("image", ""),
            url=endpoint,
            public=public,
            advice="Look at it in the console.",
            operation_id=last.get("serviceDeploymentArn", ""),
        )

    def redeploy(self, client: Any, service_arn: str) -> None:
        """UpdateService with forceNewDeployment, "to start a new deployment with no service definition changes".

        That Express services accept it is not documented, and neither is that UpdateExpressGatewayService deploys when
        nothing changes. The caller checks that a deployment has started.
        """
        cluster, name = service_arn.split("/")[1:3]
        client.update_service(cluster=cluster, service=name, forceNewDeployment=True)

    def rollback_reason(self, cloudwatch: Any, service_arn: str) -> str:
        """By the alarm that judges every deployment."""
        return error_rate.rollback_reason(cloudwatch, service_arn)

    def log_groups(self, client: Any, service_arn: str) -> tuple[str, ...]:
        """The group that the service is configured to write to. ECS's messages about deployments are in none."""
        service = client.describe_express_gateway_service(serviceArn=service_arn)["service"]
        found = [
            configuration.get("primaryContainer", {}).get("awsLogsConfiguration", {}).get("logGroup")
            for configuration in service.get("activeConfigurations", ())
        ]
        return tuple(dict.fromkeys(group for group in found if group))

    def leaves(self, service_arn: str) -> tuple[str, ...]:
        """Nothing: the log group is deleted with the stack."""
        return ()

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


def _last_deployment(client: Any, service_arn: str) -> Mapping[str, Any]:
    """The newest deployment of the service. The order of the list is not documented."""
    cluster = service_arn.split("/")[1]
    listed = pages(client.list_service_deployments, service=service_arn, cluster=cluster)
    found = [deployment for page in listed for deployment in page["serviceDeployments"]]
    return max(found, key=lambda deployment: deployment["createdAt"], default={})


def _outcome(state: str) -> Outcome:
    if state in IN_PROGRESS:
        return Outcome.IN_PROGRESS
    return Outcome.SUCCEEDED if state in (SUCCESSFUL, "") else Outcome.FAILED


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
