"""What both computes give a service: image, size, scaling, web ACL, and the outputs that say where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from troposphere import AWSHelperFn, Equals, Output, Parameter, Sub, cloudwatch, wafv2

from generator import contract
from generator.template.elements import Element, Input, Rule, contains, whole_number, why

SIZE_GROUP = "Size"


@dataclass(frozen=True)
class Size:
    """CPU units and MB of memory, and a rule for each CPU size that it comes with one of its memory sizes."""

    cpu: Input
    memory: Input
    fits: tuple[Rule, ...]


def image_uri(prefix: str) -> Input:
    """The image, of a repository in Amazon ECR, with tag or digest."""
    return Input(
        Parameter(
            f"{prefix}{contract.IMAGE_URI}",
            Type="String",
            MaxLength=1024,
            AllowedPattern=r"^[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/[a-z0-9][a-z0-9._/-]*"
            r"(:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$",
            ConstraintDescription="An image in Amazon ECR with its tag or digest, such as "
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/name:1.",
            Description="The image to run, from the data layer's repository, by tag or (better) by digest.",
        ),
        group="Connection",
        label="Image",
    )


def size(prefix: str, cpu: str, memory: str, sizes: Mapping[str, tuple[str, ...]]) -> Size:
    """The parameters Cpu and Memory, described as `cpu` and `memory`; `sizes` are those that go together."""
    cpu_input = Input(
        Parameter(f"{prefix}Cpu", Type="String", Default="1024", AllowedValues=list(sizes), Description=cpu),
        group=SIZE_GROUP,
        label="CPU",
    )
    memory_input = Input(
        Parameter(
            f"{prefix}Memory",
            Type="String",
            Default="2048",
            AllowedValues=sorted({megabytes for each in sizes.values() for megabytes in each}, key=int),
            Description=memory,
        ),
        group=SIZE_GROUP,
        label="Memory (MB)",
    )
    fits = (
        Rule(
            f"{prefix}MemoryFitsCpu{units}",
            contains(list(megabytes), memory_input.ref()),
            f"With Cpu {units}, Memory must be {_choice(megabytes)}.",
            when=Equals(cpu_input.ref(), units),
        )
        for units, megabytes in sizes.items()
    )
    return Size(cpu_input, memory_input, tuple(fits))


def scaling_inputs(prefix: str, what: str, most: int, least_description: str) -> tuple[Input, Input]:
    """The parameters MinSize and MaxSize: the number of `what`, such as instances, at most `most`."""
    return (
        whole_number(
            f"{prefix}MinSize",
            default=1,
            least=1,
            most=most,
            description=f"{least_description} At most MaxSize.",
            group=SIZE_GROUP,
            label=f"Minimum {what}",
        ),
        whole_number(
            f"{prefix}MaxSize",
            default=5,
            least=1,
            most=most,
            description=f"The maximum number of {what}.",
            group=SIZE_GROUP,
            label=f"Maximum {what}",
        ),
    )


def web_acl(
    prefix: str, resource_arn: AWSHelperFn, description: str = "A WAF web ACL to put in front of the service."
) -> tuple[Element, ...]:
    """The optional web ACL in front of `resource_arn`, which protects an API that has no authentication."""
    arn = Input(
        Parameter(
            f"{prefix}WebAclArn",
            Type="String",
            Default="",
            AllowedPattern="^$|^arn:[a-z-]+:wafv2:[a-z0-9-]+:[0-9]{12}:regional/webacl/[a-zA-Z0-9_-]+/[a-f0-9-]+$",
            ConstraintDescription="Empty, or the ARN of a regional WAF web ACL in this Region.",
            Description=f"{description} Leave empty for none.",
        ),
        group="Access",
        label="Web ACL ARN",
    )
    given = arn.given(f"{prefix}HasWebAcl")
    association = wafv2.WebACLAssociation(
        f"{prefix}WebAclAssociation",
        Metadata=why("Protects the service, whose API has no authentication"),
        Condition=given.name,
        ResourceArn=resource_arn,
        WebACLArn=arn.ref(),
    )
    return arn, given, association


def dashboard_url(logical_id: str, board: cloudwatch.Dashboard) -> Output:
    """Where the console shows a dashboard."""
    return Output(
        logical_id,
        Description="The dashboard in the CloudWatch console.",
        Value=Sub(
            "https://${AWS::Region}.console.aws.amazon.com/cloudwatch/home"
            f"?region=${{AWS::Region}}#dashboards/dashboard/${{{board.title}}}"
        ),
    )


def https_url(logical_id: str, host: AWSHelperFn) -> Output:
    """The URL of the service."""
    return Output(logical_id, Description="The URL of the service.", Value=Sub("https://${Host}", Host=host))


def _choice(sizes: tuple[str, ...]) -> str:
    if len(sizes) <= 4:
        return f"{', '.join(sizes[:-1])} or {sizes[-1]}" if len(sizes) > 1 else sizes[0]
    return f"{sizes[0]} to {sizes[-1]} in steps of {int(sizes[1]) - int(sizes[0])}"
