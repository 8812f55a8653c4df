"""Rules for AWS::ECS::ExpressGatewayService."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any, ClassVar

from cfnlint.jsonschema import ValidationError
from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.rules.jsonschema.CfnLintKeyword import CfnLintKeyword

SERVICE = "AWS::ECS::ExpressGatewayService"
DEVELOPER_GUIDE = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide"
API_REFERENCE = "https://docs.aws.amazon.com/AmazonECS/latest/APIReference"
SERVICE_REFERENCE = (
    "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecs-expressgatewayservice.html"
)

CREATE_ONLY = ("ServiceName", "Cluster", "InfrastructureRoleArn")

# CPU units to MB of memory on Fargate.
PAIRS = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}

SECRET_NAME = re.compile(
    r"(^|_)(PASS|PASSWORD|PASSWD|PASSPHRASE|PWD|SECRET|TOKEN|CREDENTIALS?|APIKEY|(API|ACCESS|SECRET|PRIVATE|SIGNING)_KEY)$"
)


class ExpressRule:
    """A rule that is asked about the properties of every Express service."""

    tags: ClassVar = ["ecs"]
    source_url = SERVICE_REFERENCE

    def __init__(self) -> None:
        CfnLintKeyword.__init__(self, [f"Resources/{SERVICE}/Properties"])


class ReplacingTags(ExpressRule, CfnLintKeyword):
    id = "W9640"
    shortdesc = "ECS Express services carry no tags"
    description = "Tags are create-only: changing one replaces the service, and with it the address that clients know."

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        if properties.get("Tags"):
            yield ValidationError("Changing a tag replaces this service", path=deque(["Tags"]))


class ReplacingParameter(ExpressRule, CfnLintKeyword):
    id = "W9641"
    shortdesc = "What is create-only in an ECS Express service comes from no parameter"
    description = (
        "ServiceName, Cluster and InfrastructureRoleArn are create-only: another value for the parameter replaces the "
        "service, and with it the address that clients know."
    )

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        parameters = set(validator.cfn.template.get("Parameters", {}))
        for name in CREATE_ONLY:
            for used in sorted(parameters & set(names_in(properties.get(name)))):
                yield ValidationError(f"Another value for {used} replaces this service", path=deque([name]))


class LiteralName(ExpressRule, CfnLintKeyword):
    id = "W9642"
    shortdesc = "ECS Express services are named by ECS"
    description = (
        "A deleted service stays INACTIVE under its name, and a replacement is created before the old one is deleted: "
        "with a literal ServiceName both fail. Without one, ECS makes a new name from the image's."
    )

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        if isinstance(properties.get("ServiceName"), str):
            yield ValidationError("A literal name is taken when the service is replaced", path=deque(["ServiceName"]))


class CpuAndMemory(ExpressRule, CfnLintKeyword):
    id = "E9643"
    shortdesc = "ECS Express CPU and memory are a pair that Fargate has"
    description = "Each CPU size comes with a range of memory sizes; any other pair is refused."
    source_url = f"{DEVELOPER_GUIDE}/task-cpu-memory-error.html"

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        for cpu, narrowed in likely(validator, properties.get("Cpu")):
            for memory, _narrowed in likely(narrowed, properties.get("Memory")):
                if not cpu.isdigit() or not memory.isdigit():
                    continue
                if int(cpu) not in PAIRS:
                    yield ValidationError(f"Fargate has no size of {cpu} CPU units", path=deque(["Cpu"]))
                elif int(memory) not in PAIRS[int(cpu)]:
                    sizes = PAIRS[int(cpu)]
                    yield ValidationError(
                        f"{cpu} CPU units do not go with {memory} MB, but with sizes from {sizes[0]} to {sizes[-1]}",
                        path=deque(["Memory"]),
                    )


class SizeGiven(ExpressRule, CfnLintKeyword):
    id = "W9644"
    shortdesc = "ECS Express services say both CPU and memory"
    description = (
        "The documented defaults disagree: 256 and 512 in the resource's schema, 1024 and 2048 in the developer guide."
    )
    source_url = f"{DEVELOPER_GUIDE}/express-service-work.html"

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        if "TaskDefinitionArn" in properties:
            return
        for name in ("Cpu", "Memory"):
            if name not in properties:
                yield ValidationError(f"Without {name}, the size of a task is anybody's guess")


class MinOverMax(ExpressRule, CfnLintKeyword):
    id = "E9645"
    shortdesc = "ECS Express MinTaskCount does not exceed MaxTaskCount"
    description = "A scaling target whose minimum exceeds its maximum is refused."
    source_url = f"{API_REFERENCE}/API_ExpressGatewayScalingTarget.html"

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        target = properties.get("ScalingTarget")
        if not isinstance(target, dict):
            return
        for fewest, narrowed in likely(validator, target.get("MinTaskCount")):
            for greatest, _narrowed in likely(narrowed, target.get("MaxTaskCount")):
                if fewest.isdigit() and greatest.isdigit() and int(fewest) > int(greatest):
                    yield ValidationError(
                        f"MinTaskCount {fewest} exceeds MaxTaskCount {greatest}",
                        path=deque(["ScalingTarget", "MinTaskCount"]),
                    )


class PlainSecret(CfnLintKeyword):
    id = "W9646"
    shortdesc = "ECS Express secrets are not plain variables"
    description = (
        "Plain environment variables are readable in the console and by DescribeExpressGatewayService. Secrets takes "
        "the ARN of a Secrets Manager secret or SSM parameter."
    )
    source_url = f"{DEVELOPER_GUIDE}/express-service-best-practices.html"
    tags: ClassVar = ["ecs"]

    def __init__(self) -> None:
        super().__init__([f"Resources/{SERVICE}/Properties/PrimaryContainer/Environment"])

    def validate(self, validator: Any, _: Any, variables: Any, __: Any) -> Iterator[ValidationError]:
        for index, given in enumerate(as_list(variables)):
            for variable, _narrowed, _ in validator.resolve_value(given):
                if not isinstance(variable, dict):
                    continue
                name, value = str(variable.get("Name")), variable.get("Value")
                # An ARN, or a reference to a resource, names a secret and is none.
                is_name = str(value).startswith("arn:") or referred(value) in validator.cfn.get_resources()
                words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()
                if SECRET_NAME.search(words) and not is_name:
                    yield ValidationError(
                        f"The variable {name} looks like a secret: move it to Secrets", path=deque([index])
                    )


class MixedSubnets(CloudFormationLintRule):
    id = "E9647"
    shortdesc = "ECS Express subnets are all public or all private"
    description = (
        "The subnets decide whether the load balancer faces the internet: public ones have a route to an internet "
        "gateway, private ones have none, and a mixture is refused."
    )
    source_url = f"{DEVELOPER_GUIDE}/express-service-work.html"
    tags: ClassVar = ["ecs"]

    def match(self, cfn: Any) -> list[RuleMatch]:
        known, public = set(cfn.get_resources("AWS::EC2::Subnet")), public_subnets(cfn)
        found = []
        for logical_id, resource in cfn.get_resources(SERVICE).items():
            network = properties_of(resource).get("NetworkConfiguration")
            subnets = [
                referred(subnet) for subnet in as_list(network.get("Subnets") if isinstance(network, dict) else [])
            ]
            kinds = {subnet in public for subnet in subnets if subnet in known}
            if len(kinds) > 1:
                path = ["Resources", logical_id, "Properties", "NetworkConfiguration", "Subnets"]
                found.append(RuleMatch(path, "Some of these subnets are public and some private"))
        return found


class Container(ExpressRule, CfnLintKeyword):
    id = "E9648"
    shortdesc = "ECS Express services have a container and an execution role"
    description = (
        "The schema demands neither PrimaryContainer nor ExecutionRoleArn, but without a TaskDefinitionArn, which "
        "stands for both, ECS does."
    )

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        if "TaskDefinitionArn" in properties:
            return
        for name in ("PrimaryContainer", "ExecutionRoleArn"):
            if name not in properties:
                yield ValidationError(f"{name} is missing, and there is no TaskDefinitionArn either")


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


def names_in(value: Any) -> Iterator[str]:
    """What an expression refers to, by Ref and Fn::Sub, at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get("Ref"), str):
            yield value["Ref"]
        text = value.get("Fn::Sub")
        if text:
            yield from re.findall(r"\$\{(\w+)\}", str(text[0] if isinstance(text, list) else text))
    for item in value.values() if isinstance(value, dict) else as_list(value):
        yield from names_in(item)


def referred(value: Any) -> str:
    """The logical ID that a Ref or GetAtt names."""
    if not isinstance(value, dict):
        return ""
    attribute = value.get("Fn::GetAtt", "")
    return str(value.get("Ref") or (attribute.partition(".")[0] if isinstance(attribute, str) else attribute[:1][0]))


def public_subnets(cfn: Any) -> set[str]:
    """Logical IDs of subnets whose route table leads to an internet gateway."""

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
    }


def properties_of(resource: dict[str, Any]) -> dict[str, Any]:
    """The properties as they are written; none where they are no object."""
    properties = resource.get("Properties")
    return properties if isinstance(properties, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
