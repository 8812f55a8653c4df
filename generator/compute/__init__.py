"""What runs a service, as its own API describes it: a client and a service's ARN in, plain values out.

A compute layer has one `Compute`; `apprunner.py` and `ecs_express.py` are the two that there are, and everything else
treats them alike. `verification.py` checks a deployment, from the API, over HTTP and by use; `logs.py` reads logs.
Nothing here creates a client.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar

from generator import contract


class Outcome(Enum):
    """How a service's last operation ended, or that it runs."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    IN_PROGRESS = "in progress"


@dataclass(frozen=True)
class ServiceOperation:
    """An operation of a service. text: what it is and how it ended, in the API's words; ended: None while it runs."""

    id: str
    text: str
    outcome: Outcome
    started: datetime
    ended: datetime | None = None


@dataclass(frozen=True)
class Running:
    """What runs, as the service's API describes it.

    operation: the last one, in the API's words; operation_id: what distinguishes it. ready: whether the service serves
    and can be updated; advice: what to type if not.
    """

    status: str
    ready: bool
    operation: str
    outcome: Outcome
    image: str
    url: str
    public: bool
    advice: str = ""
    operation_id: str = ""


@dataclass(frozen=True)
class ErrorRate:
    """What the requests that fail mean for a deployment that starts now. checked: whether that is known. reason: why it
    would be rolled back, or why that is not known; else empty."""

    checked: bool
    reason: str = ""


@dataclass(frozen=True)
class Compute(ABC):
    """A kind of compute, with how one layer's service is built and verified.

    `repository` is the data layer's output that holds the URI of the image's repository, `context` the folder of the
    Dockerfile, `users_api` whether the service has the user API, which verification then uses, and `paths` what else it
    requests, each with its status.

    `client_name` is boto3's; `resource_type` is the service's type in the layer's template. `actions` are the IAM
    actions that describe the service, `redeploy_actions` those of `redeploy`, on the ARNs that `resources` returns for
    a stack and a logical ID; `actions_elsewhere` are those of `reasons` on other ARNs. `metric_actions` are those of
    `error_rate`, on any resource. `usual_minutes` is how long its slow resources take, by type. `deletes_logs`: the
    service's log is deleted with its stack.
    """

    repository: str = contract.REPOSITORY_URI
    context: str = "."
    users_api: bool = True
    paths: Mapping[str, int] = field(default_factory=dict)

    client_name: ClassVar[str]
    resource_type: ClassVar[str]
    actions: ClassVar[tuple[str, ...]]
    redeploy_actions: ClassVar[tuple[str, ...]]
    actions_elsewhere: ClassVar[Mapping[str, str]] = {}
    metric_actions: ClassVar[tuple[str, ...]] = ()
    usual_minutes: ClassVar[Mapping[str, int]] = {}
    deletes_logs: ClassVar[bool] = False

    @abstractmethod
    def running(self, client: Any, service_arn: str) -> Running:
        """The service as it is."""

    @abstractmethod
    def operations(self, client: Any, service_arn: str) -> Sequence[ServiceOperation]:
        """Its latest operations, the newest first."""

    @abstractmethod
    def reasons(self, client: Any, service_arn: str, since: datetime, until: datetime) -> tuple[str, ...]:
        """Why an operation at that time failed, as far as the API says."""

    @abstractmethod
    def redeploy(self, client: Any, service_arn: str) -> None:
        """Starts a deployment of what is deployed, which reads secrets again. Does not wait for its end."""

    @abstractmethod
    def log_groups(self, client: Any, service_arn: str) -> tuple[str, ...]:
        """The names of its log groups, the one about deployments first; empty if there is no service."""

    @abstractmethod
    def domain(self, region: str) -> str:
        """The domain of the services' host names, for a rehearsal."""

    @abstractmethod
    def resources(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        """ARN patterns of the service, as far as they are known before it exists."""

    @abstractmethod
    def log_group_names(self, stack_name: str, logical_id: str) -> tuple[str, ...]:
        """Name patterns of its log groups."""

    def unavailable(self, region: str) -> str:
        """Why it cannot be used in a Region, and what can be; empty where it can, or where that is not known."""
        return ""

    def error_rate(self, cloudwatch: Any, service_arn: str) -> ErrorRate | None:
        """Whether a deployment that starts now would be rolled back, whatever is in it; None where no error rate rolls
        one back."""
        return None

    def leaves(self, service_arn: str) -> tuple[str, ...]:
        """What remains when the service is deleted, a phrase each."""
        return ()

    def draining(self, client: Any, service_arn: str) -> bool:
        """Whether the service is deleted and its last requests are still answered."""
        return False
