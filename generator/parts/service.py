"""What both computes give a service: its VPC and cluster, variables, size, scaling, web ACL, and outputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from troposphere import (
    AWSHelperFn,
    Equals,
    GetAtt,
    NoValue,
    Output,
    Parameter,
    Region,
    Sub,
    cloudwatch,
    ec2,
    iam,
    wafv2,
)

from generator import contract
from generator.errors import TemplateError
from generator.parts.authentication import IamOnly, Login, login_of
from generator.parts.encryption import KmsKey
from generator.parts.imports import imported_memorydb
from generator.parts.permissions import connect, decrypt_password, read_password
from generator.template.elements import Element, Input, Part, Rule, Value, contains, why
from generator.template.inputs import choice, optional_text, whole_number
from generator.workload import MemoryDBAccess, Place, Workload

SIZE_GROUP = "Size"
VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
# Those that `variables` and `secret_variables` set.
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
    """What a workload stands on: a VPC, unless it needs none; a cluster and the login to it, unless it needs none."""

    place: Place | None
    access: MemoryDBAccess | None
    login: Login

    @property
    def elements(self) -> Part:
        """The parameters and conditions of these."""
        return self.place.inputs if self.place else (), self.login.mode, self.login.uses_password


def basis(workload: Workload, default: Place, *, needs_place: bool = False) -> Basis:
    """The workload's VPC, `default` being the data layer's, and its cluster."""
    access = workload.memorydb if isinstance(workload.memorydb, MemoryDBAccess) else None
    if workload.memorydb is True:
        access = imported_memorydb(workload.prefix)
    needs_place = needs_place or access is not None or bool(workload.security_groups)
    place = workload.network or (default if needs_place else None)
    return Basis(place, access, login_of(access) if access else IamOnly())


def variables(workload: Workload, basis: Basis, pair: Pair) -> list[object]:
    """The environment: what the service connects to the cluster with, and the workload's own variables."""
    access, login = basis.access, basis.login
    ours: list[object] = []
    if access:
        ours = [
            pair(contract.ENV_CLUSTER_ENDPOINT, access.endpoint),
            pair(contract.ENV_USERNAME, access.user_name),
            login.with_iam(pair(contract.ENV_AUTHENTICATION, contract.IAM)),
            login.with_iam(pair(contract.ENV_CLUSTER_NAME, access.cluster_name or "")),
            # ECS sets it itself (developer guide, "Amazon ECS environment variables"). Not documented that App Runner
            # sets it itself.
            login.with_iam(pair(contract.ENV_REGION, Region)),
        ]
    return present([*ours, *(pair(name, _value(value)) for name, value in workload.environment.items())])


def secret_variables(workload: Workload, basis: Basis, pair: Pair) -> object:
    """The variables that are read from secrets: the password, and the workload's own."""
    own = [pair(name, arn) for name, arn in workload.secrets.items()]
    if basis.access is None or basis.access.password_secret_arn is None:
        return own or NoValue
    password = pair(contract.ENV_PASSWORD, basis.access.password_secret_arn)
    return [basis.login.with_password(password), *own] if own else basis.login.with_password([password])


def connect_policy(basis: Basis) -> iam.Policy | None:
    """To connect to the cluster as its user, which takes IAM; None where that is not possible."""
    access = basis.access
    if access is None or access.cluster_arn is None or access.user_arn is None:
        return None
    return connect(access.cluster_arn, access.user_arn)


def password_policies(basis: Basis, key: KmsKey, otherwise: object = NoValue) -> list[object]:
    """To read and decrypt the password; `otherwise` with IAM."""
    if basis.access is None:
        return []
    secret, login = basis.access.password_secret_arn, basis.login
    if secret is None:
        return present([otherwise])
    policies = [
        login.with_password(read_password(secret), otherwise),
        login.with_password(decrypt_password(secret, key)),
    ]
    return present(policies)


def environment_inputs(workload: Workload) -> tuple[Input | Parameter, ...]:
    """The parameters among the workload's variables, which then are the layer's."""
    return tuple(value for value in workload.environment.values() if isinstance(value, Input | Parameter))


def check_names(workload: Workload, basis: Basis, reserved: Callable[[str], bool]) -> None:
    """Raises TemplateError for a variable that is set twice, or that the compute or the cluster sets."""
    taken = set(CLUSTER_VARIABLES) if basis.access else set()
    for name in (*workload.environment, *workload.secrets):
        if not VARIABLE.fullmatch(name):
            raise TemplateError(f"{name!r} cannot name a variable: letters, digits and _, not a digit first.")
        if name == contract.ENV_PORT or reserved(name):
            raise TemplateError(f"The variable {name} is set by the compute; the port is Workload.port.")
        if name in taken:
            raise TemplateError(f"The variable {name} is set twice, or set for MemoryDB already.")
        taken.add(name)


def _value(value: Value | Input | Parameter) -> Value:
    return value.ref() if isinstance(value, Input | Parameter) else value


@dataclass(frozen=True)
class Size:
    """CPU units and MB of memory, and a rule for each CPU size that it comes with one of its memory sizes."""

    cpu: Input
    memory: Input
    fits: tuple[Rule, ...]


def size(
    workload: Workload, of: str, sizes: Mapping[str, tuple[str, ...]], listed: Callable[[tuple[str, ...]], str]
) -> Size:
    """The parameters Cpu and Memory of an instance or a task, as `of` names it; `sizes` are those that go together.

    listed: the memory sizes of one Cpu as text.

    Raises TemplateError where the workload's do not.
    """
    if str(workload.memory) not in sizes.get(str(workload.cpu), ()):
        choices = "; ".join(f"{units}: {_choice(megabytes)}" for units, megabytes in sizes.items())
        raise TemplateError(
            f"Workload.cpu {workload.cpu} does not go with Workload.memory {workload.memory}. Memory in MB for each "
            f"CPU: {choices}."
        )
    cpu = choice(
        "Cpu",
        sizes,
        default=str(workload.cpu),
        description=f"CPU of {of}, in CPU units; 1024 units are one vCPU.",
        group=SIZE_GROUP,
        label="CPU",
    )
    pairs = "; ".join(f"{units}: {listed(megabytes)}" for units, megabytes in sizes.items())
    memory = choice(
        "Memory",
        sorted({megabytes for each in sizes.values() for megabytes in each}, key=int),
        default=str(workload.memory),
        description=f"Memory of {of}, in MB. Possible sizes for each Cpu: {pairs}.",
        group=SIZE_GROUP,
        label="Memory (MB)",
    )
    fits = (
        Rule(
            f"MemoryFitsCpu{units}",
            contains(list(megabytes), memory.ref()),
            f"With Cpu {units}, Memory must be {_choice(megabytes)}.",
            when=Equals(cpu.ref(), units),
        )
        for units, megabytes in sizes.items()
    )
    return Size(cpu, memory, tuple(fits))


def scaling_inputs(workload: Workload, what: str, most: int, least_description: str) -> tuple[Input, Input]:
    """The parameters MinSize and MaxSize: the number of `what`, such as instances, at most `most`.

    Raises TemplateError where the workload's are not in order.
    """
    if not 1 <= workload.min_size <= workload.max_size <= most:
        raise TemplateError(
            f"Workload.min_size {workload.min_size} and Workload.max_size {workload.max_size} must be between 1 and "
            f"{most}, the first not greater than the second."
        )
    return (
        whole_number(
            "MinSize",
            default=workload.min_size,
            least=1,
            most=most,
            description=f"{least_description} At most MaxSize.",
            group=SIZE_GROUP,
            label=f"Minimum {what}",
        ),
        whole_number(
            "MaxSize",
            default=workload.max_size,
            least=1,
            most=most,
            description=f"The maximum number of {what}.",
            group=SIZE_GROUP,
            label=f"Maximum {what}",
        ),
    )


def web_acl(
    resource_arn: AWSHelperFn,
    description: str = "A WAF web ACL to put in front of the service.",
    *,
    shared: bool = False,
) -> tuple[Element, ...]:
    """The optional web ACL in front of `resource_arn`, which protects an API that has no authentication.

    With `shared` services of other stacks are behind it too, and the association stays when this stack is deleted.
    """
    policies: dict[str, Any] = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"} if shared else {}
    stays = ". It stays when the stack is deleted, because services of other stacks are behind the same load balancer"
    arn = optional_text(
        "WebAclArn",
        "arn:[a-z-]+:wafv2:[a-z0-9-]+:[0-9]{12}:regional/webacl/[a-zA-Z0-9_-]+/[a-f0-9-]+",
        form="the ARN of a regional WAF web ACL in this Region",
        description=f"{description} Leave empty for none.",
        group="Access",
        label="Web ACL ARN",
    )
    given = arn.given("HasWebAcl")
    association = wafv2.WebACLAssociation(
        "WebAclAssociation",
        Metadata=why(f"Protects the service, whose API has no authentication{stays if shared else ''}"),
        Condition=given.name,
        ResourceArn=resource_arn,
        WebACLArn=arn.ref(),
        **policies,
    )
    return arn, given, association


def outputs(host: AWSHelperFn, service_arn: AWSHelperFn, board: cloudwatch.Dashboard) -> tuple[Output, ...]:
    """The service's URL and ARN, and where the console shows its dashboard."""
    dashboard = (
        "https://${AWS::Region}.console.aws.amazon.com/cloudwatch/home"
        f"?region=${{AWS::Region}}#dashboards/dashboard/${{{board.title}}}"
    )
    return (
        Output(contract.SERVICE_URL, Description="The URL of the service.", Value=Sub("https://${Host}", Host=host)),
        Output(contract.SERVICE_ARN, Description="The ARN of the service.", Value=service_arn),
        Output("DashboardUrl", Description="The dashboard in the CloudWatch console.", Value=Sub(dashboard)),
    )


def memorydb_ingress(group_id: Value, source: ec2.SecurityGroup, compute: str) -> ec2.SecurityGroupIngress:
    """Lets the members of `source` reach the nodes of the cluster in that group."""
    reason = "Opens the imported security group to this service only"
    return ingress("MemoryDbIngress", reason, contract.MEMORYDB_PORT, group_id, source, compute)


def ingress(
    logical_id: str, reason: str, port: int, group_id: Value, source: ec2.SecurityGroup, compute: str
) -> ec2.SecurityGroupIngress:
    """Lets the members of `source` reach a port of the members of a group of another stack."""
    return ec2.SecurityGroupIngress(
        logical_id,
        Metadata=why(reason),
        GroupId=group_id,
        SourceSecurityGroupId=GetAtt(source, "GroupId"),
        IpProtocol="tcp",
        FromPort=port,
        ToPort=port,
        Description=Sub(f"{compute}, stack ${{AWS::StackName}}"),
    )


def given(**properties: Any) -> dict[str, Any]:
    """`properties` without those that say nothing."""
    return {name: value for name, value in properties.items() if value is not None and value is not NoValue}


def present(values: Iterable[object]) -> list[object]:
    """`values` without those that say nothing."""
    return [value for value in values if value is not None and value is not NoValue]


def _choice(sizes: tuple[str, ...]) -> str:
    if len(sizes) <= 4:
        return f"{', '.join(sizes[:-1])} or {sizes[-1]}" if len(sizes) > 1 else sizes[0]
    return f"{sizes[0]} to {sizes[-1]} in steps of {int(sizes[1]) - int(sizes[0])}"
