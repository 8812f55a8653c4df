"""What runs a service, as its own API tells it. A compute layer has one of these; everything else is the same for all.

No I/O of its own: the client is given, and whoever gives it explains its errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


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
    `usual_minutes` is how long its slow resources take, by type. `actions` are the IAM actions that `running` needs,
    `redeploy_actions` those of `redeploy`, on the ARNs that `resources` tells for a stack's service of a logical ID.
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
    def redeploy_actions(self) -> tuple[str, ...]: ...
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
