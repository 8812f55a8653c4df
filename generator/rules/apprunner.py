"""Rules for AWS::AppRunner::Service, VpcConnector and AutoScalingConfiguration."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any, ClassVar

from cfnlint.jsonschema import ValidationError
from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.rules.jsonschema.CfnLintKeyword import CfnLintKeyword

SERVICE = "AWS::AppRunner::Service"
CONNECTOR = "AWS::AppRunner::VpcConnector"
SCALING = "AWS::AppRunner::AutoScalingConfiguration"
SERVICE_GUIDE = "https://docs.aws.amazon.com/apprunner/latest/dg"
API_REFERENCE = "https://docs.aws.amazon.com/apprunner/latest/api"
TEMPLATE_REFERENCE = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference"

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
DEFAULT_MIN_SIZE, DEFAULT_MAX_SIZE = 1, 25

SECRET_NAME = re.compile(
    r"(^|_)(PASS|PASSWORD|PASSWD|PASSPHRASE|PWD|SECRET|TOKEN|CREDENTIALS?|APIKEY|(API|ACCESS|SECRET|PRIVATE|SIGNING)_KEY)$"
)


class ServiceRule:
    """A rule that is asked about the plain variables of every service."""

    tags: ClassVar = ["apprunner"]
    source_url = f"{SERVICE_GUIDE}/env-variable.html"

    def __init__(self) -> None:
        image = "SourceConfiguration/ImageRepository/ImageConfiguration"
        code = "SourceConfiguration/CodeRepository/CodeConfiguration/CodeConfigurationValues"
        CfnLintKeyword.__init__(
            self, [f"Resources/{SERVICE}/Properties/{where}/RuntimeEnvironmentVariables" for where in (image, code)]
        )

    def validate(self, validator: Any, _: Any, variables: Any, __: Any) -> Iterator[ValidationError]:
        for index, given in enumerate(as_list(variables)):
            for variable, _narrowed, _ in validator.resolve_value(given):
                if not isinstance(variable, dict):
                    continue
                value = variable.get("Value")
                is_name = str(value).startswith("arn:") or referred(value) in validator.cfn.get_resources()
                for sentence in self.objections(str(variable.get("Name")), is_name):
                    yield ValidationError(sentence, path=deque([index]))

    def objections(self, name: str, is_name: bool) -> Iterator[str]:
        raise NotImplementedError


class PlainSecret(ServiceRule, CfnLintKeyword):
    id = "W9631"
    shortdesc = "App Runner secrets are not plain variables"
    description = (
        "Plain environment variables are readable in the console and by DescribeService. RuntimeEnvironmentSecrets "
        "takes the ARN of a Secrets Manager secret or SSM parameter."
    )

    def objections(self, name: str, is_name: bool) -> Iterator[str]:
        # An ARN, or a reference to a resource, names a secret and is none.
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()
        if SECRET_NAME.search(words) and not is_name:
            yield f"The variable {name} looks like a secret: move it to RuntimeEnvironmentSecrets"


class ReservedPort(ServiceRule, CfnLintKeyword):
    id = "E9632"
    shortdesc = "App Runner sets PORT itself"
    description = (
        "PORT is reserved: App Runner sets it from ImageConfiguration.Port and refuses it among the variables."
    )

    def objections(self, name: str, is_name: bool) -> Iterator[str]:
        if name == "PORT":
            yield "App Runner refuses the variable PORT: set Port"


class CpuAndMemory(CfnLintKeyword):
    id = "E9633"
    shortdesc = "App Runner CPU and memory are a pair that exists"
    description = "Each CPU size comes with a few memory sizes; any other pair is refused."
    source_url = f"{API_REFERENCE}/API_InstanceConfiguration.html"
    tags: ClassVar = ["apprunner"]

    def __init__(self) -> None:
        super().__init__([f"Resources/{SERVICE}/Properties/InstanceConfiguration"])

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        if not isinstance(properties, dict):
            return
        for cpu, narrowed in likely(validator, properties.get("Cpu", DEFAULT_CPU)):
            for memory, _narrowed in likely(narrowed, properties.get("Memory", DEFAULT_MEMORY)):
                units, megabytes = CPU.get(cpu, cpu), MEMORY.get(memory, memory)
                if units in PAIRS and megabytes.isdigit() and megabytes not in PAIRS[units]:
                    yield ValidationError(
                        f"{units} CPU units do not go with {megabytes} MB, but with {' or '.join(PAIRS[units])}",
                        path=deque(["Memory" if "Memory" in properties else "Cpu"]),
                    )


class MinOverMax(CfnLintKeyword):
    id = "E9634"
    shortdesc = "App Runner MinSize does not exceed MaxSize"
    description = "An auto scaling configuration whose minimum exceeds its maximum is refused."
    source_url = f"{API_REFERENCE}/API_CreateAutoScalingConfiguration.html"
    tags: ClassVar = ["apprunner"]

    def __init__(self) -> None:
        super().__init__([f"Resources/{SCALING}/Properties"])

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        least, most = properties.get("MinSize", DEFAULT_MIN_SIZE), properties.get("MaxSize", DEFAULT_MAX_SIZE)
        for fewest, narrowed in likely(validator, least):
            for greatest, _narrowed in likely(narrowed, most):
                if fewest.isdigit() and greatest.isdigit() and int(fewest) > int(greatest):
                    yield ValidationError(f"MinSize {fewest} exceeds MaxSize {greatest}", path=deque(["MinSize"]))


class ReplacingTags(CfnLintKeyword):
    id = "W9635"
    shortdesc = "App Runner resources carry no tags"
    description = (
        "Tags of these types are create-only: changing one replaces the resource, and a connector's replacement fails "
        "while its security groups stay the same."
    )
    source_url = f"{TEMPLATE_REFERENCE}/aws-resource-apprunner-service.html"
    tags: ClassVar = ["apprunner"]

    def __init__(self) -> None:
        super().__init__(
            [
                f"Resources/{resource_type}/Properties"
                for resource_type in (SERVICE, CONNECTOR, SCALING, "AWS::AppRunner::VpcIngressConnection")
            ]
        )

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        if properties.get("Tags"):
            yield ValidationError("Changing a tag replaces this resource", path=deque(["Tags"]))


class ConnectorsShareGroups(CloudFormationLintRule):
    id = "E9636"
    shortdesc = "Each App Runner VPC connector has security groups of its own"
    description = "App Runner takes one connector for each set of security groups and refuses a second."
    source_url = f"{SERVICE_GUIDE}/network-vpc.html"
    tags: ClassVar = ["apprunner"]

    def match(self, cfn: Any) -> list[RuleMatch]:
        first: dict[tuple[str, ...], str] = {}
        found = []
        for logical_id, resource in cfn.get_resources(CONNECTOR).items():
            groups = properties_of(resource).get("SecurityGroups")
            if not isinstance(groups, list) or not groups or resource.get("Condition"):
                continue
            same = first.setdefault(tuple(sorted(map(one_spelling, groups))), logical_id)
            if same != logical_id:
                path = ["Resources", logical_id, "Properties", "SecurityGroups"]
                found.append(RuleMatch(path, f"{same} has the same security groups, so this connector is refused"))
        return found


class PublicConnector(CloudFormationLintRule):
    id = "W9637"
    shortdesc = "App Runner VPC connectors stand in private subnets"
    description = (
        "A connector's interfaces have no public address, so in a subnet whose way out is an internet gateway the "
        "service reaches nothing beyond the VPC."
    )
    source_url = f"{SERVICE_GUIDE}/network-vpc.html"
    tags: ClassVar = ["apprunner"]

    def match(self, cfn: Any) -> list[RuleMatch]:
        public = public_subnets(cfn)
        return [
            RuleMatch(
                ["Resources", logical_id, "Properties", "Subnets", index],
                f"{referred(subnet)} is a public subnet, from which a connector reaches nothing outside",
            )
            for logical_id, resource in cfn.get_resources(CONNECTOR).items()
            for index, subnet in enumerate(as_list(properties_of(resource).get("Subnets")))
            if referred(subnet) in public
        ]


def likely(validator: Any, value: Any) -> Iterator[tuple[str, Any]]:
    """What a value is unless somebody chooses otherwise, as text: a parameter's default, each side of a condition."""
    if isinstance(value, dict) and "Ref" in value:
        parameter = validator.cfn.template.get("Parameters", {}).get(str(value["Ref"]))
        if isinstance(parameter, dict) and "Default" in parameter and "SSM" not in str(parameter.get("Type")):
            yield str(parameter["Default"]), validator
        return
    for text, narrowed, error in validator.resolve_value(value):
        if error is None and isinstance(text, (str, int)):
            yield str(text), narrowed


def referred(value: Any) -> str:
    """The logical ID that a Ref or GetAtt names."""
    if not isinstance(value, dict):
        return ""
    attribute = value.get("Fn::GetAtt", "")
    return str(value.get("Ref") or (attribute.partition(".")[0] if isinstance(attribute, str) else attribute[:1][0]))


def one_spelling(value: Any) -> str:
    """A security group, however its GetAtt is written."""
    return f"{referred(value)}.GroupId" if isinstance(value, dict) and "Fn::GetAtt" in value else str(value)


def public_subnets(cfn: Any) -> set[str]:
    """Logical IDs of subnets that give out public addresses or whose route table leads to an internet gateway."""

    def referenced(resource: dict[str, Any], name: str) -> str:
        return referred(properties_of(resource).get(name))

    gateways = set(cfn.get_resources("AWS::EC2::InternetGateway"))
    routes = cfn.get_resources("AWS::EC2::Route").values()
    tables = {referenced(route, "RouteTableId") for route in routes if referenced(route, "GatewayId") in gateways}
    associations = cfn.get_resources("AWS::EC2::SubnetRouteTableAssociation").values()
    return {
        referenced(association, "SubnetId")
        for association in associations
        if referenced(association, "RouteTableId") in tables
    } | {
        logical_id
        for logical_id, subnet in cfn.get_resources("AWS::EC2::Subnet").items()
        if properties_of(subnet).get("MapPublicIpOnLaunch") in (True, "true")
    }


def properties_of(resource: dict[str, Any]) -> dict[str, Any]:
    """The properties as they are written; none where they are no object."""
    properties = resource.get("Properties")
    return properties if isinstance(properties, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
