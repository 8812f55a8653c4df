"""App Runner. Facts: its API reference, DescribeService, ListOperations, StartDeployment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from generator.compute import Compute, Outcome, Running, ServiceOperation
from generator.regions import ECS_REGIONS, REGIONS

# Statuses of an operation, and of a service that has one.
IN_PROGRESS = ("PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "OPERATION_IN_PROGRESS")


@dataclass(frozen=True)
class AppRunnerCompute(Compute):
    """A service of App Runner, which checks the health of new instances, not its answers to requests."""

    client_name = "apprunner"
    resource_type = "AWS::AppRunner::Service"
    actions = ("apprunner:DescribeService", "apprunner:ListOperations")
    redeploy_actions = ("apprunner:StartDeployment",)
    usual_minutes = MappingProxyType({"AWS::AppRunner::Service": 4, "AWS::AppRunner::VpcConnector": 2})

    def running(self, client: Any, service_arn: str) -> Running:
        """What DescribeService and ListOperations return."""
        # Asked before the service, so that the status is not older than the operation's end.
        last = next(iter(self.operations(client, service_arn)), None)
        service = client.describe_service(ServiceArn=service_arn)["Service"]
        status = service["Status"]
        repository = service["SourceConfiguration"].get("ImageRepository", {})
        ingress = service.get("NetworkConfiguration", {}).get("IngressConfiguration", {})
        return Running(
            status=status,
            ready=status == "RUNNING",
            operation=last.text if last else "none",
            outcome=Outcome.IN_PROGRESS if status in IN_PROGRESS else last.outcome if last else Outcome.SUCCEEDED,
            image=repository.get("ImageIdentifier", ""),
            url=f"https://{service['ServiceUrl']}" if service.get("ServiceUrl") else "",
            public=ingress.get("IsPubliclyAccessible", True),
            advice=f"Resume it: aws apprunner resume-service --service-arn {service_arn}. Then deploy again."
            if status == "PAUSED"
            else "Look at its log.",
            operation_id=last.id if last else "",
        )

    def operations(self, client: Any, service_arn: str) -> Sequence[ServiceOperation]:
        """One page of ListOperations, which has the newest first."""
        return [
            ServiceOperation(
                id=found["Id"],
                text=f"{found['Type']} {found['Status']}",
                outcome=_outcome(found["Status"]),
                started=found["StartedAt"],
                ended=found.get("EndedAt"),
            )
            for found in client.list_operations(ServiceArn=service_arn)["OperationSummaryList"]
        ]

    def reasons(self, client: Any, service_arn: str, since: datetime, until: datetime) -> tuple[str, ...]:
        """The operation that failed. App Runner writes why into the service's log only."""
        failed = [
            found.text
            for found in self.operations(client, service_arn)
            if found.outcome is Outcome.FAILED and since <= found.started <= until
        ]
        return tuple(failed[-1:])

    def redeploy(self, client: Any, service_arn: str) -> None:
        """Starts a deployment of the same image. A deployment reads secrets when it starts (StartDeployment)."""
        client.start_deployment(ServiceArn=service_arn)

    def log_groups(self, client: Any, service_arn: str) -> tuple[str, ...]:
        """App Runner creates them (developer guide, "Viewing App Runner logs streamed to CloudWatch Logs")."""
        return tuple(f"{_logs_of(service_arn)}/{kind}" for kind in ("service", "application"))

    def leaves(self, service_arn: str) -> tuple[str, ...]:
        return (f"log groups {_logs_of(service_arn)}/*",)

    def unavailable(self, region: str) -> str:
        if region in REGIONS or region not in ECS_REGIONS:
            return ""
        return f"App Runner is not in {region}: choose another Region with --region, or --compute ecs-express."

    def domain(self, region: str) -> str:
        return f"{region}.awsapprunner.com"

    def resources(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        return (f"arn:aws:apprunner:*:*:service/{app_runner_name(logical_id)}/*",)

    def log_group_names(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        """They begin with the service's name."""
        return (f"/aws/apprunner/{app_runner_name(logical_id)}",)


def app_runner_name(logical_id: str) -> str:
    """A pattern for the name of an unnamed service, VPC connector or VPC ingress connection: the logical ID, cut to 27
    characters, a hyphen and 12 random ones, without the stack's name (`generateResourceIdentifier` in the
    handlers of the three types)."""
    return f"{logical_id[:27]}-*"


def _outcome(state: str) -> Outcome:
    if state in IN_PROGRESS:
        return Outcome.IN_PROGRESS
    return Outcome.SUCCEEDED if state == "SUCCEEDED" else Outcome.FAILED


def _logs_of(service_arn: str) -> str:
    return "/aws/apprunner/" + "/".join(service_arn.split("/")[1:])
