"""The only way to a private App Runner service: an endpoint in the VPC, and who may use it."""

from __future__ import annotations

from typing import Any

from troposphere import AWSHelperFn, GetAtt, Output, Sub, apprunner, ec2

from generator.parts.network.egress import no_egress
from generator.template.elements import Element, why
from generator.workload import Place


def private_ingress(
    place: Place, service_arn: AWSHelperFn
) -> tuple[apprunner.VpcIngressConnection, tuple[Element, ...]]:
    """The connection, which has the service's domain name, and the endpoint and groups that it needs."""
    client_group = ec2.SecurityGroup(
        "ClientSecurityGroup",
        Metadata=why("Members may call the service; the endpoint knows no other caller"),
        GroupDescription="Members may call the App Runner service",
        VpcId=place.vpc_id,
        SecurityGroupEgress=[no_egress()],
    )
    endpoint_group = ec2.SecurityGroup(
        "EndpointSecurityGroup",
        Metadata=why("App Runner takes no endpoint policy: this group is the access control"),
        GroupDescription="The App Runner service: takes HTTPS from the group of its clients, sends nothing",
        VpcId=place.vpc_id,
        SecurityGroupEgress=[no_egress()],
    )
    client_group_id, endpoint_group_id = GetAtt(client_group, "GroupId"), GetAtt(endpoint_group, "GroupId")
    https: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    endpoint = ec2.VPCEndpoint(
        "ServiceEndpoint",
        Metadata=why("The private service's way in, in every zone of the cluster"),
        ServiceName=Sub("com.amazonaws.${AWS::Region}.apprunner.requests"),
        VpcEndpointType="Interface",
        VpcId=place.vpc_id,
        SubnetIds=place.private_subnet_ids,
        SecurityGroupIds=[endpoint_group_id],
        # The service's own domain name resolves through the VpcIngressConnection (App Runner developer guide,
        # "Enabling private endpoint for incoming traffic").
        PrivateDnsEnabled=False,
    )
    connection = apprunner.VpcIngressConnection(
        "VpcIngressConnection",
        Metadata=why("Ties the service to the endpoint and gives it its private domain name"),
        ServiceArn=service_arn,
        IngressVpcConfiguration=apprunner.IngressVpcConfiguration(VpcId=place.vpc_id, VpcEndpointId=endpoint.ref()),
    )
    others = (
        client_group,
        ec2.SecurityGroupEgress(
            "ClientEgress",
            Metadata=why("Clients to endpoint, by group"),
            GroupId=client_group_id,
            DestinationSecurityGroupId=endpoint_group_id,
            Description="The App Runner service",
            **https,
        ),
        endpoint_group,
        ec2.SecurityGroupIngress(
            "EndpointIngress",
            Metadata=why("Endpoint from clients, by group"),
            GroupId=endpoint_group_id,
            SourceSecurityGroupId=client_group_id,
            Description="Clients of the App Runner service",
            **https,
        ),
        endpoint,
        Output(
            "ClientSecurityGroupId",
            Description="Attach this security group to whatever in the VPC calls the service.",
            Value=client_group_id,
        ),
    )
    return connection, others
