"""What runs a service, as its own API tells it. A compute layer has one of these; everything else is the same for all.

No I/O of its own: the client is given, and whoever gives it explains its errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from generator import contract


@dataclass(frozen=True)
class Running:
    """What is really running.

    `operation` is the last one and how it ended; `ended` is None while it is under way. `ready` says whether the
    service is in the state in which it serves and can be updated; `then` what to type where it is not.
    `service_logs` and `application_logs` are names of log groups.
    """

    status: str
    ready: bool
    operation: str
    ended: bool | None
    image: str
    url: str
    public: bool
    service_logs: str
    application_logs: str
    then: str = ""

    @property
    def log_groups(self) -> tuple[str, str]:
        """Both, the one that tells of deployments first."""
        return self.service_logs, self.application_logs


class Compute(Protocol):
    """A kind of compute. `client_name` is boto3's; `resource_type` that of the service in the layer's template.

    `repository` is the data layer's output that names where the image is pushed, `context` the folder of the
    Dockerfile, and `users_api` says whether the service answers the user API, so that it can be tried. `actions` are
    the IAM actions that `running` needs, on the ARNs that `resources` tells for a stack's service of a logical ID;
    `log_group_names` are the patterns of what `log_groups` will tell.
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

    def running(self, client: Any, service_arn: str) -> Running: ...
    def redeploy(self, client: Any, service_arn: str) -> None: ...
    def log_groups(self, service_arn: str) -> tuple[str, str]: ...
    def resources(self, stack_name: str, logical_id: str) -> tuple[str, ...]: ...
    def log_group_names(self, stack_name: str, logical_id: str) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class AppRunnerCompute:
    """App Runner. Facts: its API reference, DescribeService and ListOperations."""

    repository: str = contract.REPOSITORY_URI
    context: str = "."
    users_api: bool = True
    client_name: str = "apprunner"
    resource_type: str = "AWS::AppRunner::Service"
    actions: tuple[str, ...] = ("apprunner:DescribeService", "apprunner:ListOperations")

    def running(self, client: Any, service_arn: str) -> Running:
        """What DescribeService and ListOperations tell."""
        service = client.describe_service(ServiceArn=service_arn)["Service"]
        # The newest comes first.
        operations = client.list_operations(ServiceArn=service_arn, MaxResults=1)["OperationSummaryList"]
        kind, state = (operations[0]["Type"], operations[0]["Status"]) if operations else ("", "")
        status = service["Status"]
        repository = service["SourceConfiguration"].get("ImageRepository", {})
        ingress = service.get("NetworkConfiguration", {}).get("IngressConfiguration", {})
        service_logs, application_logs = self.log_groups(service_arn)
        return Running(
            status=status,
            ready=status == "RUNNING",
            operation=f"{kind} {state}".strip() or "none",
            ended=None if state in ("PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS") else state in ("SUCCEEDED", ""),
            image=repository.get("ImageIdentifier", ""),
            url=f"https://{service['ServiceUrl']}" if service.get("ServiceUrl") else "",
            public=ingress.get("IsPubliclyAccessible", True),
            service_logs=service_logs,
            application_logs=application_logs,
            then=f"Resume it: aws apprunner resume-service --service-arn {service_arn}, then repeat."
            if status == "PAUSED"
            else "Look at its log, and repeat.",
        )

    def redeploy(self, client: Any, service_arn: str) -> None:
        """Starts a deployment of the same image; secrets are read when one starts (API reference, StartDeployment)."""
        client.start_deployment(ServiceArn=service_arn)

    def log_groups(self, service_arn: str) -> tuple[str, str]:
        """App Runner makes them; developer guide, "Viewing App Runner logs streamed to CloudWatch Logs"."""
        path = "/".join(service_arn.split("/")[1:])
        return f"/aws/apprunner/{path}/service", f"/aws/apprunner/{path}/application"

    def resources(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        """An unnamed service is called <logical ID>-<random characters>, without the stack's name."""
        return (f"arn:aws:apprunner:*:*:service/{logical_id}-*/*",)

    def log_group_names(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        """They begin with the service's name."""
        return (f"/aws/apprunner/{logical_id}-*",)
