"""What a workload stands on, on either compute: its VPC, its cluster and the login to it, its variables and secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from awacs import memorydb
from troposphere import AWSHelperFn, NoValue, Parameter, Region, iam

from generator import contract
from generator.errors import TemplateError
from generator.parts.authentication import Login, login_of
from generator.parts.image import image_input
from generator.parts.imports import imported_memorydb
from generator.parts.permissions import allow, policy
from generator.parts.secrets import read_password, read_secrets
from generator.template.elements import Input, Part, Value
from generator.template.inputs import OptionalInput
from generator.workload import MemoryDBAccess, Place, Workload

VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
MAX_PORT = 65535
# Those that `Basis.variables` and `Basis.secrets` set.
CLUSTER_VARIABLES = (
    contract.ENV_CLUSTER_ENDPOINT,
    contract.ENV_USERNAME,
    contract.ENV_PASSWORD,
    contract.ENV_AUTHENTICATION,
    contract.ENV_CLUSTER_NAME,
    contract.ENV_REGION,
)


Pair = Callable[[str, Value], object]
"""Makes a variable's name and value what the compute's resource takes."""


@dataclass(frozen=True)
class Basis:
    """A workload with the parameter of its image, unless that is fixed; with its VPC, and its cluster and the login to
    it, unless it needs none."""

    workload: Workload
    image: Input | None
    place: Place | None
    access: MemoryDBAccess | None
    login: Login

    @property
    def inputs(self) -> Part:
        """The parameters and conditions of all of these but the image."""
        # A parameter among the variables is the layer's.
        values = (*self.workload.environment.values(), *self.workload.secrets.values())
        own = [value for value in values if isinstance(value, Input | Parameter)]
        return self.place.inputs if self.place else (), self.login.inputs, tuple(own)

    @property
    def image_uri(self) -> Value | None:
        return self.image.ref() if self.image else self.workload.image

    @property
    def cluster_group_id(self) -> Value | None:
        """The cluster's security group, to which the service's stack adds a rule."""
        return self.access.security_group_id if self.access else None

    @property
    def cluster_name(self) -> Value | None:
        return self.access.cluster_name if self.access else None

    def variables(self, pair: Pair, port: str = "") -> list[object]:
        """The environment: what the service connects to the cluster with, `port`, and the workload's own variables."""
        access, with_iam = self.access, self.login.with_iam
        own = _values(self.workload.environment).items()
        return _present(
            [
                access and pair(contract.ENV_CLUSTER_ENDPOINT, access.endpoint),
                access and pair(contract.ENV_USERNAME, access.user_name),
                pair(contract.ENV_PORT, port) if port else None,
                access and with_iam(pair(contract.ENV_AUTHENTICATION, contract.IAM)),
                access and with_iam(pair(contract.ENV_CLUSTER_NAME, access.cluster_name or "")),
                # ECS sets it itself (developer guide, "Amazon ECS environment variables"). Not documented that App
                # Runner sets it itself.
                access and with_iam(pair(contract.ENV_REGION, Region)),
                *(pair(name, value) for name, value in own),
            ]
        )

    def secrets(self, pair: Pair) -> object:
        """The variables that are read from secrets: the password, and the workload's own."""
        own = [pair(name, arn) for name, arn in _values(self.workload.secrets).items()]
        if self.access is None or self.access.password_secret_arn is None:
            return own or NoValue
        password = pair(contract.ENV_PASSWORD, self.access.password_secret_arn)
        return [self.login.with_password(password), *own] if own else self.login.with_password([password])

    def connect_policy(self) -> iam.Policy | None:
        """To connect to the cluster as its user, with IAM. MemoryDB asks for both ARNs; None where one is missing."""
        access = self.access
        if access is None or access.cluster_arn is None or access.user_arn is None:
            return None
        return policy("connect", allow([memorydb.Connect], access.cluster_arn, access.user_arn))

    def secrets_policies(self, key: OptionalInput, with_iam: object = NoValue) -> list[object]:
        """To read and decrypt the password, or `with_iam` in its place, and the workload's own secrets."""
        policies: list[object] = [with_iam] if self.access else []
        if self.access and self.access.password_secret_arn is not None:
            read, decrypt = read_password(self.access.password_secret_arn, key)
            policies = [self.login.with_password(read, with_iam), self.login.with_password(decrypt)]
        return _present([*policies, *read_secrets(_values(self.workload.secrets), key)])

    def own_policies(self) -> list[iam.Policy]:
        """The workload's own statements."""
        return [policy("workload", *self.workload.statements)] if self.workload.statements else []


def basis(workload: Workload, default: Place, reserved: str = "", *, needs_place: bool = False) -> Basis:
    """The workload's VPC, `default` being the data layer's, and its cluster.

    reserved: how variables begin that the compute sets.

    Raises TemplateError for a port or path that cannot be one, and for a variable that has no text, is set twice, or is
    set by the compute or for the cluster.
    """
    _check_port_and_paths(workload)
    access = workload.memorydb if isinstance(workload.memorydb, MemoryDBAccess) else None
    if workload.memorydb is True:
        access = imported_memorydb(workload.prefix)
    needs_place = needs_place or access is not None or bool(workload.security_groups)
    place = workload.network or (default if needs_place else None)
    _check_variables(workload, CLUSTER_VARIABLES if access else (), reserved)
    return Basis(workload, image_input(workload), place, access, login_of(access) if access else Login(password=False))


def _check_port_and_paths(workload: Workload) -> None:
    if type(workload.port) is not int or not 1 <= workload.port <= MAX_PORT:
        raise TemplateError(f"Workload.port is {workload.port!r}, but must be a whole number from 1 to {MAX_PORT}.")
    paths = [("Workload.verification", path) for path in workload.checks.paths]
    if workload.health.path:
        paths.insert(0, ("Workload.health", workload.health.path))
    for where, path in paths:
        if not path.startswith("/"):
            raise TemplateError(f"{where}: the path {path!r} must begin with a slash: {f'/{path}'!r}.")


def _check_variables(workload: Workload, for_memorydb: Sequence[str], reserved: str) -> None:
    for name, value in (*workload.environment.items(), *workload.secrets.items()):
        if not VARIABLE.fullmatch(name):
            raise TemplateError(f"{name!r} cannot name a variable: letters, digits and _, not a digit first.")
        if name == contract.ENV_PORT or (reserved and name.startswith(reserved)):
            raise TemplateError(f"The variable {name} is set by the compute; the port is Workload.port.")
        if name in for_memorydb:
            raise TemplateError(f"The variable {name} is set for MemoryDB already: take it out of the workload.")
        if name in workload.environment and name in workload.secrets:
            raise TemplateError(f"The variable {name} is set twice, in Workload.environment and in Workload.secrets.")
        if not isinstance(value, str | AWSHelperFn | Input | Parameter):
            # Without the value, which may be a secret.
            raise TemplateError(
                f"The variable {name} is of the type {type(value).__name__}, but must be text, a function such as "
                "Ref or imported, or a parameter."
            )
        parameter = value.parameter if isinstance(value, Input) else value
        if name in workload.secrets and getattr(parameter, "NoEcho", False):
            raise TemplateError(
                f"Workload.secrets[{name!r}] is a parameter with NoEcho, but takes the ARN of a secret, which is none."
            )


def _values(variables: Mapping[str, Value | Input | Parameter]) -> dict[str, Value]:
    """The variables as they stand in a template."""
    return {name: value.ref() if isinstance(value, Input | Parameter) else value for name, value in variables.items()}


def _present(values: Iterable[object]) -> list[object]:
    """`values` without those that say nothing."""
    return [value for value in values if value is not None and value is not NoValue]
