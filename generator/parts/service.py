"""What stands beside a service on either compute: its web ACL, and the outputs that lead to it."""

from __future__ import annotations

from typing import Any

from troposphere import AWSHelperFn, Output, Sub, cloudwatch, wafv2

from generator import contract
from generator.template.elements import Part, why
from generator.template.inputs import ACCESS


def web_acl(
    resource_arn: AWSHelperFn,
    description: str = "A WAF web ACL to put in front of the service.",
    *,
    shared: bool = False,
) -> Part:
    """The optional web ACL in front of `resource_arn`, which protects an API that has no authentication.

    With `shared` services of other stacks are behind it too, and the association stays when this stack is deleted.
    """
    policies: dict[str, Any] = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"} if shared else {}
    stays = ". It stays when the stack is deleted, because services of other stacks are behind the same load balancer"
    arn = ACCESS.optional_text(
        "WebAclArn",
        "arn:[a-z-]+:wafv2:[a-z0-9-]+:[0-9]{12}:regional/webacl/[a-zA-Z0-9_-]+/[a-f0-9-]+",
        form="the ARN of a regional WAF web ACL in this Region",
        description=f"{description} Leave empty for none.",
        label="Web ACL ARN",
    )
    association = wafv2.WebACLAssociation(
        "WebAclAssociation",
        Metadata=why(f"Protects the service, whose API has no authentication{stays if shared else ''}"),
        Condition=arn.given.name,
        ResourceArn=resource_arn,
        WebACLArn=arn.ref(),
        **policies,
    )
    return arn, association


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
