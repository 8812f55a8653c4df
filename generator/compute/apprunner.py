"""App Runner. Facts: its API reference, DescribeService, ListOperations, StartDeployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generator import contract
from generator.compute import Outcome, Running

# Statuses of an operation, and of a service that has one.
IN_PROGRESS = ("PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "OPERATION_IN_PROGRESS")


@dataclass(frozen=True)
class AppRunnerCompute:
    """A service of App Runner."""

    repository: str = contract.REPOSITORY_URI
    context: str = "."
    users_api: bool = True
    client_name: str = "apprunner"
    resource_type: str = "AWS::AppRunner::Service"
    actions: tuple[str, ...] = ("apprunner:DescribeService", "apprunner:ListOperations")
    redeploy_actions: tuple[str, ...] = ("apprunner:StartDeployment",)
    metric_actions: tuple[str, ...] = ()

    @property
    def usual_minutes(self) -> Mapping[str, int]:
        return {"AWS::AppRunner::Service": 4, "AWS::AppRunner::VpcConnector": 2}

    def running(self, client: Any, service_arn: str) -> Running:
        """What DescribeService and ListOperations return."""
        # The newest comes first. Asked before the service, so that the status is not older than the operation's end.
        operations = client.list_operations(ServiceArn=service_arn, MaxResults=1)["OperationSummaryList"]
        service = client.describe_service(ServiceArn=service_arn)["Service"]
        last = operations[0] if operations else {}
        kind, state = last.get("Type", ""), last.get("Status", "")
        status = service["Status"]
        repository = service["SourceConfiguration"].get("ImageRepository", {})
        ingress = service.get("NetworkConfiguration", {}).get("IngressConfiguration", {})
        return Running(
            status=status,
            ready=status == "RUNNING",
            operation=f"{kind} {state}".strip() or "none",
            outcome=_outcome(state, status),
            image=repository.get("ImageIdentifier", ""),
            url=f"https://{service['ServiceUrl']}" if service.get("ServiceUrl") else "",
            public=ingress.get("IsPubliclyAccessible", True),
            advice=f"Resume it: aws apprunner resume-service --service-arn {service_arn}. Then deploy again."
            if status == "PAUSED"
            else "Look at its log.",
            operation_id=last.get("Id", ""),
        )

    def redeploy(self, client: Any, service_arn: str) -> None:
        """Starts a deployment of the same image. A deployment reads secrets when it starts (StartDeployment)."""
        client.start_deployment(ServiceArn=service_arn)

    def rollback_reason(self, cloudwatch: Any, service_arn: str) -> str:
        """None: App Runner checks the health of new instances, not the answers to requests."""
        return ""

    def log_groups(self, client: Any, service_arn: str) -> tuple[str, ...]:
        """App Runner creates them (developer guide, "Viewing App Runner logs streamed to CloudWatch Logs")."""
        return tuple(f"{_logs_of(service_arn)}/{kind}" for kind in ("service", "application"))

    def leaves(self, service_arn: str) -> tuple[str, ...]:
        return (f"log groups {_logs_of(service_arn)}/*",)

    def draining(self, client: Any, service_arn: str) -> bool:
        """CloudFormation waits for the deletion itself."""
        return False

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


def _outcome(state: str, status: str) -> Outcome:
    if state in IN_PROGRESS or status in IN_PROGRESS:
        return Outcome.IN_PROGRESS
    return Outcome.SUCCEEDED if state in ("SUCCEEDED", "") else Outcome.FAILED


def _logs_of(service_arn: str) -> str:
    return "/aws/apprunner/" + "/".join(service_arn.split("/")[1:])
