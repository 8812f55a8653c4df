"""What runs in a compute layer: which image, how it is configured, what it reaches, how it is verified.

The same for App Runner and ECS Express as far as both have it. Plain values only, so that the parts, the command and
the operations can all read them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING

from troposphere import AWSHelperFn

from generator import contract
from generator.errors import check_type

if TYPE_CHECKING:
    from awacs.aws import Statement
    from troposphere import Parameter

    from generator.template.elements import Input, Value

# Text is a sequence too, and would pass for a list of its characters.
LIST: tuple[type, ...] = (list, tuple)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A VPC and its subnets, as values: those of the data layer, or those of a VPC that exists (`existing_network`).

    private_subnet_ids: a list of IDs, or a function that returns one. task_subnet_ids: where ECS tasks and their load
    balancer are; public ones make it face the internet. None for the private subnets.
    task_endpoint_security_group_id: the group of the VPC endpoints that tasks use; None where they reach AWS without
    such a group, through NAT for instance. inputs: the parameters that the values refer to.

    >>> Place(vpc_id="vpc-0a1b2c3d4e5f60718", private_subnet_ids=["subnet-0a1b2c3d4e5f60718"]).inputs
    ()
    """

    vpc_id: Value
    private_subnet_ids: Sequence[Value] | AWSHelperFn
    task_subnet_ids: Sequence[Value] | AWSHelperFn | None = None
    task_endpoint_security_group_id: Value | None = None
    inputs: tuple[Input, ...] = ()

    def __post_init__(self) -> None:
        ids = 'a list of IDs, such as ["subnet-0a1b2c3d4e5f60718"]'
        check_type("Place.private_subnet_ids", self.private_subnet_ids, (*LIST, AWSHelperFn), ids)
        check_type("Place.task_subnet_ids", self.task_subnet_ids, (*LIST, AWSHelperFn, NoneType), ids)


@dataclass(frozen=True, kw_only=True)
class MemoryDBAccess:
    """A MemoryDB cluster and a user of it, as values: those of the data layer, or those of a cluster that exists.

    endpoint: host:port. security_group_id: a group of the cluster, to which the service's stack adds a rule for itself;
    None where `Workload.security_groups` has one that the cluster already admits. password_secret_arn: a secret whose
    whole string is the password; None where the user logs in with IAM only. cluster_name, cluster_arn and user_arn are
    needed for IAM; cluster_name also for the cluster's graphs on the dashboard.

    >>> shared = MemoryDBAccess(endpoint="clustercfg.shared.example:6379", user_name="shop", cluster_name="shared")
    >>> Workload(memorydb=shared).checks.users_api
    True
    """

    endpoint: Value
    user_name: Value
    security_group_id: Value | None = None
    password_secret_arn: Value | None = None
    cluster_name: Value | None = None
    cluster_arn: Value | None = None
    user_arn: Value | None = None


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """The check of an instance: it is healthy while GET `path` answers with 2xx.

    interval and timeout are seconds, healthy and unhealthy numbers of checks in a row; 1 to 20 each. ECS Express takes
    the path only. An empty path checks that the port accepts connections, which only App Runner can.

    >>> HealthCheck(path="/live", interval=10).timeout
    2
    """

    path: str = contract.HEALTH_PATH
    interval: int = 5
    timeout: int = 2
    healthy: int = 1
    unhealthy: int = 5


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What is requested from a service after its deployment.

    paths: each path with the status that a GET is answered with. users_api: whether the service is this project's user
    API; if so it must be alive, ready and of the deployed build, and a user is written, read and deleted.

    >>> Verification(paths={"/": 200, "/missing": 404}).users_api
    False
    """

    paths: Mapping[str, int] = field(default_factory=dict)
    users_api: bool = False

    def __post_init__(self) -> None:
        check_type("Verification.paths", self.paths, (Mapping,), 'statuses by their paths, such as {"/": 200}')
        for path, status in self.paths.items():
            check_type(f"Verification.paths[{path!r}]", status, (int,), "a status, such as 200")


USERS_API = Verification(users_api=True)


# Compared by identity, so that a layer can be a key although variables are a dict.
@dataclass(frozen=True, kw_only=True, eq=False)
class Workload:
    """What runs in a compute layer. Without arguments: the user API of this project, on the data layer's cluster.

    The image:
    image: a fixed image, as text or a function. None for a parameter, ImageUri.
    repository: the name or ARN of an ECR repository that exists. Empty for the data layer's.
    context: the folder that the image is built from. Empty where it is built elsewhere.

    The container:
    port: where it listens. health: how it is checked. command: replaces the image's command.
    environment: variables. A value is text, a function such as `imported("Name")`, or a parameter, which then is one of
        the layer's.
    secrets: variables whose values are read at the start, each with the ARN of a secret in Secrets Manager or of a
        parameter in Systems Manager: as text, as a function, or as a parameter of the layer. The service gets the
        permission to read exactly these.
    statements: IAM statements for the role that the service runs as.

    The network:
    security_groups: further security groups of its connections.
    internet: whether it may send HTTPS to any address, which takes NAT or public subnets. None for App Runner: where
        the settings have NAT; for ECS Express: yes, because tasks fetch their image that way.
    network: the VPC to run in. None for the data layer's, or, without MemoryDB, for the compute's own network.

    MemoryDB:
    memorydb: True for the data layer's cluster, the values of another one, or False for none: no user, no secret, no
        rule for its port.
    prefix: of the user, secret and repository in the data layer that are this workload's, as in `user("Orders")`.

    Defaults of the layer's parameters:
    cpu (units, 1024 are one vCPU), memory (MB), min_size, max_size, concurrency (requests per instance, App Runner
    only; 100), log_retention (days, ECS Express only).

    verification: what is requested after a deployment. None for the user API's probe with MemoryDB, and for the path of
        the health check without.

    >>> Workload(memorydb=False, health=HealthCheck(path="/live")).checks
    Verification(paths={'/live': 200}, users_api=False)
    >>> Workload(prefix="Orders").repository_output
    'OrdersRepositoryUri'
    """

    image: Value | None = None
    repository: str = ""
    context: str = "."
    port: int = contract.SERVICE_PORT
    health: HealthCheck = HealthCheck()
    command: Sequence[str] = ()
    environment: Mapping[str, Value | Input | Parameter] = field(default_factory=dict)
    secrets: Mapping[str, Value | Input | Parameter] = field(default_factory=dict)
    statements: Sequence[Statement] = ()
    security_groups: Sequence[Value] = ()
    internet: bool | None = None
    network: Place | None = None
    memorydb: bool | MemoryDBAccess = True
    prefix: str = ""
    cpu: int = 1024
    memory: int = 2048
    min_size: int = 1
    max_size: int = 5
    concurrency: int | None = None
    log_retention: int = 30
    verification: Verification | None = None

    def __post_init__(self) -> None:
        text, number = (str,), (int,)
        expected: dict[str, tuple[tuple[type, ...], str]] = {
            "repository": (text, "text, such as team/worker"),
            "context": (text, "the name of a folder"),
            "prefix": (text, "text, such as Orders"),
            "health": ((HealthCheck,), 'HealthCheck(path="/live")'),
            "command": (LIST, 'a list, such as ["python", "worker.py"]'),
            "environment": ((Mapping,), 'a mapping, such as {"LOG_LEVEL": "INFO"}'),
            "secrets": ((Mapping,), 'a mapping, such as {"TOKEN": imported("TokenArn")}'),
            "statements": (LIST, "a list of statements"),
            "security_groups": (LIST, 'a list, such as ["sg-0a1b2c3d4e5f60718"]'),
            "internet": ((bool, NoneType), "True, False or None"),
            "network": ((Place, NoneType), 'a Place, such as existing_network("vpc-…", ["subnet-…"])'),
            "memorydb": ((bool, MemoryDBAccess), "True, False or MemoryDBAccess(…)"),
            "concurrency": ((*number, NoneType), "a whole number or None"),
            "verification": ((Verification, NoneType), 'Verification(paths={"/": 200})'),
            **dict.fromkeys(("cpu", "memory", "min_size", "max_size", "log_retention"), (number, "a whole number")),
        }
        for name, (types, words) in expected.items():
            check_type(f"Workload.{name}", getattr(self, name), types, words)

    @property
    def repository_output(self) -> str:
        """The data layer's output with the URI of the repository to push to; empty where that is none of its own."""
        return "" if self.image is not None or self.repository else self.prefix + contract.REPOSITORY_URI

    @property
    def checks(self) -> Verification:
        """What is requested after a deployment: `verification`, or its default."""
        if self.verification is not None:
            return self.verification
        if self.memorydb:
            return USERS_API
        return Verification(paths={self.health.path: 200} if self.health.path else {})
