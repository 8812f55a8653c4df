"""The only way to a private App Runner service: an endpoint in the VPC, and who may use it."""

from __future__ import annotations

from troposphere import AWSHelperFn, GetAtt, Output, Sub, apprunner, ec2

from generator.parts.network.security_groups import ingress, security_group
from generator.template.elements import Element, why
from generator.workload import Place


def private_ingress(
    place: Place, service_arn: AWSHelperFn
) -> tuple[apprunner.VpcIngressConnection, tuple[Element, ...]]:
    """The connection, which has the service's domain name, and the endpoint and groups that it needs."""
    client_group = security_group(
        "ClientSecurityGroup",
        "Only members of this group may call the service through its endpoint",
        "Members may call the App Runner service",
        place.vpc_id,
    )
    endpoint_group = security_group(
        "EndpointSecurityGroup",
        "App Runner takes no endpoint policy: this group is the access control",
        "The App Runner service: takes HTTPS from the group of its clients, sends nothing",
        place.vpc_id,
    )
    client_group_id, endpoint_group_id = GetAtt(client_group, "GroupId"), GetAtt(endpoint_group, "GroupId")
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
            IpProtocol="tcp",
            FromPort=443,
            ToPort=443,
            Description="The App Runner service",
        ),
        endpoint_group,
        ingress(
            "EndpointIngress",
            "Endpoint from clients, by group",
            443,
            endpoint_group_id,
            client_group,
            "Clients of the App Runner service",
        ),
        endpoint,
        Output(
            "ClientSecurityGroupId",
            Description="Attach this security group to whatever in the VPC calls the service.",
            Value=client_group_id,
        ),
    )
    return connection, others
