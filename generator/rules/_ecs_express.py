"""Rules for AWS::ECS::ExpressGatewayService."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ._network import identity, public_and_private
from ._rule import TEMPLATE_REFERENCE, Finding, LiteralNameRule, MinOverMaxRule, ReplacingTagsRule, Rule, finding
from ._secrets import PlainSecretRule
from ._values import ABSENT, PARAMETER, Node, whole_number

SERVICE = "AWS::ECS::ExpressGatewayService"
DEVELOPER_GUIDE = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide"
API_REFERENCE = "https://docs.aws.amazon.com/AmazonECS/latest/APIReference"

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


class ExpressRule(Rule):
    types = (SERVICE,)
    source_url = f"{TEMPLATE_REFERENCE}/aws-resource-ecs-expressgatewayservice.html"


class ReplacingTags(ReplacingTagsRule, ExpressRule):
    id = "W9640"
    shortdesc = "ECS Express services carry no tags"
    description = "Tags are create-only: changing one replaces the service, and with it the address that clients know."
    replaced = "service"


class ReplacingParameter(ExpressRule):
    id = "W9641"
    shortdesc = "What is create-only in an ECS Express service comes from no parameter"
    description = (
        "ServiceName, Cluster and InfrastructureRoleArn are create-only: another value for the parameter replaces the "
        "service, and with it the address that clients know."
    )

    def findings(self, node: Node) -> Iterator[Finding]:
        for name in CREATE_ONLY:
            used: set[str] = set()
            for value, where in node.values(name):
                used |= where.parameters.keys()
                used |= {made.name for made in node.template.made_from(value) if made.kind == PARAMETER}
            for parameter in sorted(used):
                yield finding(node, f"Another value for {parameter} replaces this service", name)


class LiteralName(LiteralNameRule, ExpressRule):
    id = "W9642"
    shortdesc = "ECS Express services are named by ECS"
    description = (
        "A replacement is created before the old service is deleted, and a service has its name until it is INACTIVE: "
        "with a literal ServiceName the replacement fails. Without one, ECS makes a new name from the image's."
    )
    names: ClassVar = {SERVICE: ("ServiceName",)}
    message = "A literal name is taken when the service is replaced"


class CpuAndMemory(ExpressRule):
    id = "E9643"
    shortdesc = "ECS Express CPU and memory are a pair that Fargate has"
    description = "Each CPU size comes with a range of memory sizes; any other pair is refused."
    source_url = f"{DEVELOPER_GUIDE}/task-cpu-memory-error.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for units, where in node.usual("Cpu"):
            for megabytes, _ in where.usual("Memory"):
                cpu, memory = whole_number(units), whole_number(megabytes)
                if cpu is None or memory is None:
                    continue
                if cpu not in PAIRS:
                    yield finding(node, f"Fargate has no size of {cpu} CPU units", "Cpu")
                elif memory not in PAIRS[cpu]:
                    sizes = PAIRS[cpu]
                    message = (
                        f"{cpu} CPU units do not go with {memory} MB, but with sizes from {sizes[0]} to {sizes[-1]}"
                    )
                    yield finding(node, message, "Memory")


class SizeGiven(ExpressRule):
    id = "W9644"
    shortdesc = "ECS Express services say both CPU and memory"
    description = (
        "The documented defaults disagree: 256 and 512 in the resource's schema, 1024 and 2048 in the developer guide."
    )
    source_url = f"{DEVELOPER_GUIDE}/express-service-work.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for name in _missing(node, "Cpu", "Memory"):
            yield finding(node, f"Without {name}, the documented defaults of a task's size disagree")


class Container(ExpressRule):
    id = "E9648"
    shortdesc = "ECS Express services have a container and an execution role"
    description = (
        "The schema demands neither PrimaryContainer nor ExecutionRoleArn, but without a TaskDefinitionArn, which "
        "replaces both, ECS does."
    )

    def findings(self, node: Node) -> Iterator[Finding]:
        for name in _missing(node, "PrimaryContainer", "ExecutionRoleArn"):
            yield finding(node, f"{name} is missing, and there is no TaskDefinitionArn either")


def _missing(service: Node, *names: str) -> Iterator[str]:
    """Those of the properties that can be absent where no task definition replaces them."""
    for task_definition, where in service.values("TaskDefinitionArn"):
        if task_definition == ABSENT:
            yield from (name for name in names if any(value == ABSENT for value, _ in where.values(name)))


class MinOverMax(MinOverMaxRule, ExpressRule):
    id = "E9645"
    shortdesc = "ECS Express MinTaskCount does not exceed MaxTaskCount"
    description = "A scaling target whose minimum exceeds its maximum is refused."
    source_url = f"{API_REFERENCE}/API_ExpressGatewayScalingTarget.html"
    place = ("ScalingTarget",)
    least, most = ("MinTaskCount", 1), ("MaxTaskCount", ABSENT)


class PlainSecret(PlainSecretRule, ExpressRule):
    id = "W9646"
    shortdesc = "ECS Express secrets are not plain variables"
    description = (
        "Plain environment variables are readable in the console and by DescribeExpressGatewayService. A secret there "
        "is a NoEcho parameter, a dynamic reference, a password in a URL, or text under a name that says so. Secrets "
        "takes the ARN of a Secrets Manager secret or SSM parameter."
    )
    source_url = f"{DEVELOPER_GUIDE}/express-service-best-practices.html"
    places = (("PrimaryContainer", "Environment"),)
    instead = "Secrets"


class MixedSubnets(ExpressRule):
    id = "E9647"
    shortdesc = "ECS Express subnets are all public or all private"
    description = (
        "The subnets decide whether the load balancer faces the internet: public ones have a route to an internet "
        "gateway, private ones have none, and a mixture is refused."
    )
    source_url = f"{DEVELOPER_GUIDE}/express-service-work.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for values, where in node.lists("NetworkConfiguration", "Subnets"):
            given = {identity(node.template, value) for value in values}
            public, private = public_and_private(where)
            if given & public and given & private:
                message = "Some of these subnets are public and some private"
                yield finding(node, message, "NetworkConfiguration", "Subnets")
