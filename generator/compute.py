"""What runs a service, as its own API tells it. A compute layer has one of these; everything else is the same for all.

No I/O of its own: the client is given, and whoever gives it explains its errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from generator import contract


@dataclass(frozen=True)
class Running:
    """What is really running.

    `operation` is the last one and how it ended; `ended` is None while it is under way; `operation_id` tells it from
    others. `ready` says whether the service is in the state in which it serves and can be updated; `then` what to type
    where it is not.
    """

    status: str
    ready: bool
    operation: str
    ended: bool | None
    image: str
    url: str
    public: bool
    then: str = ""
    operation_id: str = ""


class Compute(Protocol):
    """A kind of compute. `client_name` is boto3's; `resource_type` that of the service in the layer's template.

    `repository` is the data layer's output that names where the image is pushed, `context` the folder of the
    Dockerfile, and `users_api` says whether the service answers the user API, so that it can be tried.
    `usual_minutes` is how long its slow resources take, by type. `actions` are the IAM actions that `running` needs, on
    the ARNs that `resources` tells for a stack's service of a logical ID.
    """

    @property
    def client_name(self) -> str: ...
    @property
    def resource_type(self) -> str: ...
    @property
    def repository(self) -> str: ...
    @property
    def context(self) -> str: ...
    @property
    def users_api(self) -> bool: ...
    @property
    def actions(self) -> tuple[str, ...]: ...
    @property
    def usual_minutes(self) -> Mapping[str, int]: ...

    def running(self, client: Any, service_arn: str) -> Running:
        """What the API tells of the service."""

    def redeploy(self, client: Any, service_arn: str) -> None:
        """Starts a deployment of what is deployed, which reads secrets again. Asynchronous."""

    def log_groups(self, client: Any, service_arn: str) -> tuple[str, ...]:
        """The names of its log groups, the one that tells of deployments first; none where there is no service."""

    def leaves(self, service_arn: str) -> tuple[str, ...]:
        """What stays when the service is deleted, a sentence each."""

    def domain(self, region: str) -> str:
        """The domain in which services get their names."""

    def resources(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        """ARNs of the service, as far as they are known before it is there."""

    def log_group_names(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        """Patterns of what `log_groups` will tell."""


@dataclass(frozen=True)
class AppRunnerCompute:
    """App Runner. Facts: its API reference, DescribeService and ListOperations."""

    repository: str = contract.REPOSITORY_URI
    context: str = "."
    users_api: bool = True
    client_name: str = "apprunner"
    resource_type: str = "AWS::AppRunner::Service"
    actions: tuple[str, ...] = ("apprunner:DescribeService", "apprunner:ListOperations")

    @property
    def usual_minutes(self) -> Mapping[str, int]:
        return {"AWS::AppRunner::Service": 4, "AWS::AppRunner::VpcConnector": 2}

    def running(self, client: Any, service_arn: str) -> Running:
        """What DescribeService and ListOperations tell."""
        service = client.describe_service(ServiceArn=service_arn)["Service"]
        # The newest comes first.
        operations = client.list_operations(ServiceArn=service_arn, MaxResults=1)["OperationSummaryList"]
        last = operations[0] if operations else {}
        kind, state = last.get("Type", ""), last.get("Status", "")
        status = service["Status"]
        repository = service["SourceConfiguration"].get("ImageRepository", {})
        ingress = service.get("NetworkConfiguration", {}).get("IngressConfiguration", {})
        return Running(
            status=status,
            ready=status == "RUNNING",
            operation=f"{kind} {state}".strip() or "none",
            ended=None if state in ("PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS") else state in ("SUCCEEDED", ""),
            image=repository.get("ImageIdentifier", ""),
            url=f"https://{service['ServiceUrl']}" if service.get("ServiceUrl") else "",
            public=ingress.get("IsPubliclyAccessible", True),
            then=f"Resume it: aws apprunner resume-service --service-arn {service_arn}, then repeat."
            if status == "PAUSED"
            else "Look at its log, and repeat.",
            operation_id=last.get("Id", ""),
        )

    def redeploy(self, client: Any, service_arn: str) -> None:
        """Starts a deployment of the same image; secrets are read when one starts (API reference, StartDeployment)."""
        client.start_deployment(ServiceArn=service_arn)

    def log_groups(self, client: Any, service_arn: str) -> tuple[str, ...]:
        """App Runner makes them; developer guide, "Viewing App Runner logs streamed to CloudWatch Logs"."""
        return tuple(f"{_logs_of(service_arn)}/{kind}" for kind in ("service", "application"))

    def leaves(self, service_arn: str) -> tuple[str, ...]:
        return (f"log groups {_logs_of(service_arn)}/*",)

    def domain(self, region: str) -> str:
        return f"{region}.awsapprunner.com"

    def resources(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        """An unnamed service is called <logical ID>-<random characters>, without the stack's name."""
        return (f"arn:aws:apprunner:*:*:service/{logical_id}-*/*",)

    def log_group_names(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        """They begin with the service's name."""
        return (f"/aws/apprunner/{logical_id}-*",)


def _logs_of(service_arn: str) -> str:
    return "/aws/apprunner/" + "/".join(service_arn.split("/")[1:])
