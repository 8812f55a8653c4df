"""Who may do what: the KMS key and IAM statements, each as narrow as AWS lets it be.

What only one kind of compute needs is in apprunner_access and ecs_access.
"""

from __future__ import annotations

from dataclasses import dataclass

from awacs import aws, kms, logs, memorydb, secretsmanager, sns, sts
from troposphere import AccountId, AWSHelperFn, GetAtt, Parameter, Sub, iam
from troposphere import logs as cloudwatch_logs

from generator.template.elements import Condition, Input, why

POLICY_VERSION = "2012-10-17"


@dataclass(frozen=True)
class KmsKey:
    """A customer-managed key, if the parameter KmsKeyArn names one."""

    arn: Input
    given: Condition

    def choose(self, value: object) -> AWSHelperFn:
        """`value` with a customer-managed key, nothing without."""
        return self.given.choose(value)


def kms_key() -> KmsKey:
    """The optional key that everything at rest is encrypted with, instead of keys owned by AWS."""
    arn = Input(
        Parameter(
            "KmsKeyArn",
            Type="String",
            Default="",
            AllowedPattern="^$|^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
            # App Runner takes neither an alias nor a multi-Region key (AWS::AppRunner::Service, KmsKey).
            ConstraintDescription="Empty, or the ARN of a single-Region KMS key in this Region, not of an alias.",
            Description="A symmetric KMS key that encrypts the cluster, the password, the images and App Runner's "
            "copies of them. Leave empty to use keys owned by AWS. Use the same value in both layers, or the service "
            "cannot read its password. Choose before the first deployment.",
        ),
        group="Encryption",
        label="KMS key ARN",
    )
    return KmsKey(arn, arn.given("HasKmsKey"))


def flow_log_role(logical_id: str, log_group: cloudwatch_logs.LogGroup) -> iam.Role:
    """A role for flow logs of this account, which may write to one log group.

    Source: VPC user guide, "IAM role for publishing flow logs to CloudWatch Logs".
    """
    return iam.Role(
        logical_id,
        Metadata=why("May write to one log group, for flow logs of this account only"),
        AssumeRolePolicyDocument=trust(
            "vpc-flow-logs.amazonaws.com",
            aws.Condition(
                [
                    aws.StringEquals({"aws:SourceAccount": AccountId}),
                    aws.ArnLike(
                        {
                            "aws:SourceArn": Sub(
                                "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:vpc-flow-log/*"
                            )
                        }
                    ),
                ]
            ),
        ),
        Policies=[
            policy(
                "write-flow-log",
                aws.Statement(
                    Effect=aws.Allow,
                    Action=[logs.CreateLogStream, logs.DescribeLogStreams, logs.PutLogEvents],
                    # The attribute ends in ":*", which covers the group's streams.
                    Resource=[GetAtt(log_group, "Arn")],
                ),
            )
        ],
    )


def read_password(password_secret_arn: AWSHelperFn) -> iam.Policy:
    """To read one secret."""
    return policy(
        "read-password",
        aws.Statement(Effect=aws.Allow, Action=[secretsmanager.GetSecretValue], Resource=[password_secret_arn]),
    )


def connect(cluster_arn: AWSHelperFn, user_arn: AWSHelperFn) -> iam.Policy:
    """To connect to one cluster as one user: MemoryDB asks for both ARNs."""
    return policy(
        "connect", aws.Statement(Effect=aws.Allow, Action=[memorydb.Connect], Resource=[cluster_arn, user_arn])
    )


def decrypt_password(password_secret_arn: AWSHelperFn, key: KmsKey) -> AWSHelperFn:
    """To decrypt a secret, where a key is given."""
    decrypt = aws.Statement(
        Effect=aws.Allow,
        Action=[kms.Decrypt],
        Resource=[key.arn.ref()],
        # Only through Secrets Manager and only this secret's ciphertext: Secrets Manager user guide,
        # "Secret encryption and decryption", encryption context.
        Condition=aws.Condition(
            aws.StringEquals(
                {
                    "kms:EncryptionContext:SecretARN": password_secret_arn,
                    "kms:ViaService": Sub("secretsmanager.${AWS::Region}.${AWS::URLSuffix}"),
                }
            )
        ),
    )
    return key.choose(policy("decrypt-password", decrypt))


def alarm_topic_policy(topic_arn: AWSHelperFn) -> aws.PolicyDocument:
    """Lets CloudWatch alarms of this account publish, and nobody without TLS.

    Source: CloudWatch user guide, "Notifying users on alarm changes", SNS permissions.
    """
    return aws.PolicyDocument(
        Version=POLICY_VERSION,
        Statement=[
            aws.Statement(
                Effect=aws.Allow,
                Principal=aws.Principal("Service", ["cloudwatch.amazonaws.com"]),
                Action=[sns.Publish],
                Resource=[topic_arn],
                Condition=aws.Condition(aws.StringEquals({"aws:SourceAccount": AccountId})),
            ),
            aws.Statement(
                Effect=aws.Deny,
                Principal=aws.Principal("*"),
                Action=[sns.Publish],
                Resource=[topic_arn],
                Condition=aws.Condition(aws.Bool({"aws:SecureTransport": "false"})),
            ),
        ],
    )


def trust(service: str, condition: aws.Condition | None = None) -> aws.PolicyDocument:
    """Lets one AWS service take on the role, under `condition` if there is one."""
    conditions = {} if condition is None else {"Condition": condition}
    return aws.PolicyDocument(
        Version=POLICY_VERSION,
        Statement=[
            aws.Statement(
                Effect=aws.Allow,
                Principal=aws.Principal("Service", [service]),
                Action=[sts.AssumeRole],
                **conditions,
            )
        ],
    )


def policy(name: str, *statements: aws.Statement) -> iam.Policy:
    """An inline policy of a role."""
    return iam.Policy(
        PolicyName=name,
        PolicyDocument=aws.PolicyDocument(Version=POLICY_VERSION, Statement=list(statements)),
    )
