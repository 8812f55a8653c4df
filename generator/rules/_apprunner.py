"""Rules for AWS::AppRunner::Service, VpcConnector and AutoScalingConfiguration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ._network import group_set, identity, public_and_private
from ._rule import TEMPLATE_REFERENCE, Finding, LiteralNameRule, MinOverMaxRule, ReplacingTagsRule, Rule, finding
from ._secrets import PlainSecretRule
from ._values import ABSENT, Node, is_true, whole_number

SERVICE = "AWS::AppRunner::Service"
CONNECTOR = "AWS::AppRunner::VpcConnector"
INGRESS = "AWS::AppRunner::VpcIngressConnection"
SCALING = "AWS::AppRunner::AutoScalingConfiguration"
SERVICE_GUIDE = "https://docs.aws.amazon.com/apprunner/latest/dg"
API_REFERENCE = "https://docs.aws.amazon.com/apprunner/latest/api"

# Both spellings that the API takes, brought to units and MB.
CPU = {"0.25 vCPU": "256", "0.5 vCPU": "512", "1 vCPU": "1024", "2 vCPU": "2048", "4 vCPU": "4096"}
MEMORY = {"0.5 GB": "512", **{f"{gb} GB": str(1024 * gb) for gb in (1, 2, 3, 4, 6, 8, 10, 12)}}
PAIRS = {
    "256": ("512", "1024"),
    "512": ("1024",),
    "1024": ("2048", "3072", "4096"),
    "2048": ("4096", "6144"),
    "4096": ("8192", "10240", "12288"),
}
DEFAULT_CPU, DEFAULT_MEMORY = "1024", "2048"

VARIABLES, SECRETS = "RuntimeEnvironmentVariables", "RuntimeEnvironmentSecrets"
CONFIGURATIONS = (
    ("SourceConfiguration", "ImageRepository", "ImageConfiguration"),
    ("SourceConfiguration", "CodeRepository", "CodeConfiguration", "CodeConfigurationValues"),
)


class ServiceRule(Rule):
    types = (SERVICE,)


class PlainSecret(PlainSecretRule, ServiceRule):
    id = "W9631"
    shortdesc = "App Runner secrets are not plain variables"
    description = (
        "Plain environment variables are readable in the console and by DescribeService. A secret there is a NoEcho "
        "parameter, a dynamic reference, a password in a URL, or text under a name that says so. "
        "RuntimeEnvironmentSecrets takes the ARN of a Secrets Manager secret or SSM parameter."
    )
    source_url = f"{SERVICE_GUIDE}/env-variable.html"
    places = tuple((*configuration, VARIABLES) for configuration in CONFIGURATIONS)
    instead = SECRETS


class ReservedPort(ServiceRule):
    id = "E9632"
    shortdesc = "App Runner sets PORT itself"
    description = (
        "PORT is reserved: App Runner sets it from ImageConfiguration.Port and refuses it among the variables. So are "
        "names that start with AWSAPPRUNNER, among the secrets too."
    )
    source_url = f"{SERVICE_GUIDE}/env-variable.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for name, variable in _variables(node, VARIABLES):
            if name == "PORT":
                yield finding(variable, "App Runner refuses the variable PORT: set Port")
        for name, variable in (*_variables(node, VARIABLES), *_variables(node, SECRETS)):
            if name.startswith("AWSAPPRUNNER"):
                yield finding(variable, f"App Runner refuses the name {name}: AWSAPPRUNNER is its own prefix")


class SecretPort(ServiceRule):
    id = "W9671"
    shortdesc = "The port of an App Runner service is not a secret"
    description = (
        "App Runner sets PORT from ImageConfiguration.Port, sends requests there, and refuses a variable PORT. A "
        "secret of this name does not set the port; whether App Runner refuses it too is not documented."
    )
    source_url = f"{SERVICE_GUIDE}/env-variable.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for name, variable in _variables(node, SECRETS):
            if name == "PORT":
                yield finding(variable, "PORT is set from Port, not from a secret")


def _variables(service: Node, kind: str) -> Iterator[tuple[str, Node]]:
    """The environment variables of a kind, each once for each name that it can have."""
    for configuration in CONFIGURATIONS:
        for variable in service.items(*configuration, kind):
            for name, where in variable.values("Name"):
                yield str(name), where


class CpuAndMemory(ServiceRule):
    id = "E9633"
    shortdesc = "App Runner CPU and memory are a pair that exists"
    description = "Each CPU size comes with a few memory sizes; any other pair is refused."
    source_url = f"{API_REFERENCE}/API_InstanceConfiguration.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for cpu, where in node.usual("InstanceConfiguration", "Cpu", default=DEFAULT_CPU):
            for memory, _ in where.usual("InstanceConfiguration", "Memory", default=DEFAULT_MEMORY):
                units, megabytes = CPU.get(str(cpu), str(cpu)), MEMORY.get(str(memory), str(memory))
                if units in PAIRS and whole_number(megabytes) is not None and megabytes not in PAIRS[units]:
                    message = f"{units} CPU units do not go with {megabytes} MB, but with {' or '.join(PAIRS[units])}"
                    yield finding(node, message, "InstanceConfiguration")


class MinOverMax(MinOverMaxRule):
    id = "E9634"
    shortdesc = "App Runner MinSize does not exceed MaxSize"
    description = "An auto scaling configuration whose minimum exceeds its maximum is refused."
    source_url = f"{API_REFERENCE}/API_CreateAutoScalingConfiguration.html"
    types = (SCALING,)
    least, most = ("MinSize", 1), ("MaxSize", 25)


class ReplacingTags(ReplacingTagsRule):
    id = "W9635"
    shortdesc = "App Runner resources carry no tags"
    description = (
        "Tags of these types are create-only: changing one replaces the resource, and a connector's replacement fails "
        "while its security groups stay the same."
    )
    source_url = f"{TEMPLATE_REFERENCE}/aws-resource-apprunner-service.html"
    types = (SERVICE, CONNECTOR, SCALING, INGRESS)


class ConnectorRule(Rule):
    types = (CONNECTOR,)
    source_url = f"{SERVICE_GUIDE}/network-vpc.html"


class ConnectorsShareGroups(ConnectorRule):
    id = "E9636"
    shortdesc = "Each App Runner VPC connector has security groups of its own"
    description = "App Runner takes one connector for each set of security groups and refuses a second."

    def findings(self, node: Node) -> Iterator[Finding]:
        for groups, where in node.lists("SecurityGroups"):
            ours = group_set(node.template, groups)
            for other in where.beside(CONNECTOR):
                # The first of two is the one that is taken.
                if other.logical_id == node.logical_id:
                    break
                if ours and any(
                    group_set(node.template, theirs) == ours for theirs, _ in other.lists("SecurityGroups")
                ):
                    message = f"{other.logical_id} has the same security groups, so this connector is refused"
                    yield finding(node, message, "SecurityGroups")


class PublicConnector(ConnectorRule):
    id = "W9637"
    shortdesc = "App Runner VPC connectors stand in private subnets"
    description = (
        "A connector's interfaces have no public address, so in a subnet whose way out is an internet gateway the "
        "service reaches nothing beyond the VPC."
    )

    def findings(self, node: Node) -> Iterator[Finding]:
        for item in node.items("Subnets"):
            subnet = identity(node.template, item.value)
            public, _ = public_and_private(item)
            if subnet in public or _has_public_addresses(subnet, item):
                yield finding(item, f"{subnet} is a public subnet, from which a connector reaches nothing outside")


def _has_public_addresses(name: str, node: Node) -> bool:
    subnets = (subnet for subnet in node.beside("AWS::EC2::Subnet") if subnet.logical_id == name)
    return any(is_true(public) for subnet in subnets for public, _ in subnet.usual("MapPublicIpOnLaunch"))


class LiteralName(LiteralNameRule):
    id = "W9630"
    shortdesc = "App Runner resources are not named literally"
    description = (
        "A name is create-only and taken as long as the resource exists: with a literal one a replacement fails, and a "
        "second copy of the stack in the account. Leave it out, or derive it from the stack."
    )
    source_url = f"{TEMPLATE_REFERENCE}/aws-resource-apprunner-service.html"
    names: ClassVar = {
        SERVICE: ("ServiceName",),
        CONNECTOR: ("VpcConnectorName",),
        INGRESS: ("VpcIngressConnectionName",),
    }
    types = tuple(names)


class AccessRole(ServiceRule):
    id = "E9638"
    shortdesc = "App Runner services with an image in ECR have an access role"
    description = "App Runner pulls from a private repository with AccessRoleArn, and refuses the service without one."
    source_url = f"{API_REFERENCE}/API_AuthenticationConfiguration.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for kind, where in node.usual("SourceConfiguration", "ImageRepository", "ImageRepositoryType"):
            for role, _ in where.values("SourceConfiguration", "AuthenticationConfiguration", "AccessRoleArn"):
                if kind == "ECR" and role == ABSENT:
                    yield finding(node, "An image in ECR needs AccessRoleArn", "SourceConfiguration")


class PublicAutoDeployments(ServiceRule):
    id = "E9639"
    shortdesc = "App Runner services with an image in ECR Public have no automatic deployments"
    description = "App Runner refuses AutoDeploymentsEnabled for an image in a public repository."
    source_url = f"{API_REFERENCE}/API_SourceConfiguration.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for kind, where in node.usual("SourceConfiguration", "ImageRepository", "ImageRepositoryType"):
            for enabled, _ in where.usual("SourceConfiguration", "AutoDeploymentsEnabled"):
                if kind == "ECR_PUBLIC" and is_true(enabled):
                    message = "App Runner refuses automatic deployments from a public repository"
                    yield finding(node, message, "SourceConfiguration", "AutoDeploymentsEnabled")


class SecretsWithoutRole(ServiceRule):
    id = "E9670"
    shortdesc = "App Runner services with secrets have an instance role"
    description = "App Runner reads RuntimeEnvironmentSecrets with the role InstanceRoleArn, and fails without one."
    source_url = f"{SERVICE_GUIDE}/env-variable-manage.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for configuration in CONFIGURATIONS:
            for item in node.items(*configuration, SECRETS):
                # A list that is unknown can be empty.
                for role, _ in item.of(node.value, node.path).values("InstanceConfiguration", "InstanceRoleArn"):
                    if role == ABSENT and isinstance(item.value, dict):
                        yield finding(node, f"Reading {SECRETS} needs InstanceRoleArn")
