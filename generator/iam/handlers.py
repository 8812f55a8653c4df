"""Corrections to the permissions that resource schemas list for CloudFormation's handlers.

A schema lists permissions for create, read, update and delete. Some of them are needed only for properties or targets
that a template does not have, and some that are needed are missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

CLUSTER = "AWS::MemoryDB::Cluster"

# Needed only where a template sets the property of the type. Sources: the API operation that sets it, each by its name;
# CloudWatch Logs user guide, "IAM permissions required to create or work with a data protection policy"; VPC user
# guide, "Publish flow logs to Amazon S3".
CONDITIONAL: dict[tuple[str, str], tuple[str, ...]] = {
    ("AWS::EC2::EIP", "TransferAddress"): ("ec2:AcceptAddressTransfer",),
    ("AWS::EC2::FlowLog", "LogDestination"): (
        "iam:CreateServiceLinkedRole",
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "s3:GetBucketPolicy",
        "s3:PutBucketPolicy",
    ),
    ("AWS::EC2::Subnet", "Ipv6CidrBlock"): ("ec2:AssociateSubnetCidrBlock", "ec2:DisassociateSubnetCidrBlock"),
    ("AWS::EC2::VPC", "InstanceTenancy"): ("ec2:ModifyVpcTenancy",),
    ("AWS::EC2::VPC", "VpcEncryptionControl"): ("ec2:CreateVpcEncryptionControl",),
    ("AWS::EC2::VPCEndpoint", "ServiceNetworkArn"): ("vpc-lattice:CreateServiceNetworkVpcEndpointAssociation",),
    ("AWS::EC2::VPCEndpoint", "ServiceRegion"): ("vpce:AllowMultiRegion",),
    ("AWS::EC2::VPCGatewayAttachment", "VpnGatewayId"): ("ec2:AttachVpnGateway", "ec2:DetachVpnGateway"),
    ("AWS::ECR::Repository", "RepositoryPolicyText"): ("ecr:DeleteRepositoryPolicy", "ecr:SetRepositoryPolicy"),
    ("AWS::IAM::Role", "Description"): ("iam:UpdateRoleDescription",),
    ("AWS::IAM::Role", "ManagedPolicyArns"): ("iam:AttachRolePolicy", "iam:DetachRolePolicy"),
    ("AWS::IAM::Role", "PermissionsBoundary"): ("iam:PutRolePermissionsBoundary",),
    ("AWS::Logs::LogGroup", "BearerTokenAuthenticationEnabled"): ("logs:PutBearerTokenAuthentication",),
    ("AWS::Logs::LogGroup", "DataProtectionPolicy"): (
        "firehose:TagDeliveryStream",
        "logs:CreateLogDelivery",
        "logs:DeleteDataProtectionPolicy",
        "logs:PutDataProtectionPolicy",
    ),
    ("AWS::Logs::LogGroup", "DeletionProtectionEnabled"): ("logs:PutLogGroupDeletionProtection",),
    ("AWS::Logs::LogGroup", "FieldIndexPolicies"): ("logs:DeleteIndexPolicy", "logs:PutIndexPolicy"),
    ("AWS::Logs::LogGroup", "KmsKeyId"): ("logs:AssociateKmsKey", "logs:DisassociateKmsKey"),
    ("AWS::Logs::LogGroup", "ResourcePolicyDocument"): ("logs:DeleteResourcePolicy", "logs:PutResourcePolicy"),
    **{
        (f"AWS::RDS::{kind}", "ManageMasterUserPassword"): ("secretsmanager:CreateSecret", "secretsmanager:TagResource")
        for kind in ("DBCluster", "DBInstance")
    },
    ("AWS::SNS::Topic", "DataProtectionPolicy"): ("sns:PutDataProtectionPolicy",),
    ("AWS::SNS::Topic", "DeliveryStatusLogging"): ("iam:GetRole", "iam:PassRole"),
    ("AWS::SecretsManager::Secret", "ReplicaRegions"): (
        "secretsmanager:RemoveRegionsFromReplication",
        "secretsmanager:ReplicateSecretToRegions",
    ),
}

# Never needed: an action, or every action of the service before the colon.
EXCLUDED: dict[str, tuple[str, ...]] = {
    # App Runner does this itself, with AWSServiceRoleForAppRunner (developer guide, "Using service-linked roles").
    "AWS::AppRunner::Service": ("events:", "logs:"),
    # Never allowed: a role keeps its boundary, and a group or a user has none, so no template can give them rights.
    "AWS::IAM::Role": ("iam:DeleteRolePermissionsBoundary",),
    **{f"AWS::IAM::{kind}": ("iam:",) for kind in ("Group", "GroupPolicy", "User", "UserPolicy")},
    "AWS::IAM::ManagedPolicy": ("iam:AttachGroup", "iam:AttachUser", "iam:DetachGroup", "iam:DetachUser"),
    "AWS::IAM::Policy": (
        *("iam:DeleteGroup", "iam:DeleteUser", "iam:GetGroup", "iam:GetUser", "iam:PutGroup", "iam:PutUser"),
    ),
}

# What associating a web ACL needs, by the beginning of the actions, and the types of the targets (Service Authorization
# Reference, AWS WAF V2, dependent actions of AssociateWebACL).
ASSOCIATION = "AWS::WAFv2::WebACLAssociation"
EXPRESS = "AWS::ECS::ExpressGatewayService"
TARGETS: dict[str, tuple[str, ...]] = {
    "amplify:": ("AWS::Amplify::",),
    "apigateway:": ("AWS::ApiGateway::",),
    "apprunner:": ("AWS::AppRunner::Service",),
    "appsync:": ("AWS::AppSync::",),
    "bedrock-agentcore:": ("AWS::BedrockAgentCore::",),
    "cognito-idp:": ("AWS::Cognito::",),
    "ec2:": ("AWS::EC2::VerifiedAccessInstance",),
    "elasticloadbalancing:": (EXPRESS, "AWS::ElasticLoadBalancingV2::"),
}

# Needed where the property is set, though no schema lists them.
EXTRA: dict[tuple[str, str], tuple[str, ...]] = {
    # MemoryDB API reference, DeleteCluster: "CreateSnapshot permission is required to create a final snapshot".
    (CLUSTER, "FinalSnapshotName"): ("memorydb:CreateSnapshot",),
    # Secrets Manager API reference, CreateSecret, for another key than aws/secretsmanager.
    ("AWS::SecretsManager::Secret", "KmsKeyId"): ("kms:Decrypt", "kms:GenerateDataKey"),
    # Its copy of the image and its logs are encrypted with the key (API reference, CreateService). That it takes a
    # grant, as other services do, is an assumption: no page lists the permissions.
    ("AWS::AppRunner::Service", "EncryptionConfiguration"): ("kms:CreateGrant", "kms:DescribeKey"),
    # Service Authorization Reference, Amazon EC2, dependent actions of CreateVpcEndpoint.
    ("AWS::EC2::VPCEndpoint", "PrivateDnsEnabled"): ("route53:AssociateVPCWithHostedZone",),
}

# Allowed only for a role that has, or gets, the deployment's permissions boundary (Service Authorization Reference,
# IAM, condition key iam:PermissionsBoundary, which each of these takes). What takes rights away needs no boundary.
BOUNDED = {"iam:AttachRolePolicy", "iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"}

# Dynamic references are resolved with the role's rights (CloudFormation user guide, "Get a secret or secret value from
# Secrets Manager").
DYNAMIC_REFERENCE = "{{resolve:secretsmanager:"
READS_A_SECRET = "secretsmanager:GetSecretValue"

# The service-linked roles that the first use creates, by the beginning of a resource type (each service's guide, "Using
# service-linked roles").
LINKED_ROLES = {
    "AWS::AppRunner::Service": "apprunner.amazonaws.com",
    "AWS::AppRunner::VpcConnector": "networking.apprunner.amazonaws.com",
    "AWS::ECS::": "ecs.amazonaws.com",
    "AWS::MemoryDB::": "memorydb.amazonaws.com",
}

# Actions that take no resource, of services whose other actions do (Service Authorization Reference).
WITHOUT_RESOURCE = {
    "ecs:DescribeTaskDefinition",
    "iam:ListRoles",
    "logs:CreateLogDelivery",
    "logs:DeleteIndexPolicy",
    "logs:DeleteLogDelivery",
    "logs:DeleteResourcePolicy",
    "logs:DescribeIndexPolicies",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:PutIndexPolicy",
    "logs:PutResourcePolicy",
    "memorydb:CreateSubnetGroup",
    "memorydb:CreateUser",
    "secretsmanager:GetRandomPassword",
    # Newer versions of the reference list the topic.
    "sns:Unsubscribe",
}


def needed(
    resource_type: str, permissions: Iterable[str], properties: set[str], types: Collection[str] = ()
) -> set[str]:
    """The permissions that the type's handlers need to set `properties`: a selection of `permissions`, and `EXTRA`.

    types: those of all resources, among which are the targets of an association.
    """
    unused = {
        action
        for (kind, name), actions in CONDITIONAL.items()
        if kind == resource_type and name not in properties
        for action in actions
    }
    excluded = EXCLUDED.get(resource_type, ())
    if resource_type == ASSOCIATION:
        excluded = tuple(start for start, kinds in TARGETS.items() if not any(one.startswith(kinds) for one in types))
    found = {action for action in permissions if action not in unused and not action.startswith(excluded)}
    for (kind, name), actions in EXTRA.items():
        if kind == resource_type and name in properties:
            found.update(actions)
    return found
