"""Who may do what: the KMS key and IAM statements, each as narrow as AWS lets it be.

What only tasks of Amazon ECS need is in task_access.
"""

from __future__ import annotations

from dataclasses import dataclass

from awacs import aws, ecr, kms, logs, memorydb, secretsmanager, sns, sts
from troposphere import AccountId, AWSHelperFn, Equals, GetAtt, Not, Parameter, Sub, iam
from troposphere import logs as cloudwatch_logs

from generator.parts.authentication import Authentication
from generator.template import Condition, Input, why

POLICY_VERSION = "2012-10-17"


@dataclass(frozen=True)
class KmsKey:
    """A customer-managed key, if the parameter KmsKeyArn names one."""

    arn: Input
    given: Condition

    def choose(self, value: object) -> AWSHelperFn:
        """`value` with a customer-managed key, nothing without."""
        return self.given.choose(value)


@dataclass(frozen=True)
class FlowLogRole:
    """The role that VPC Flow Logs writes with."""

    role: iam.Role


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
            Description="A symmetric KMS key for the cluster, the password, the images, App Runner's copies of them. "
            "Leave empty for keys owned by AWS. Give both layers the same value, or the service cannot read "
            "its password. Only for a new stack.",
        ),
        group="Encryption",
        label="KMS key ARN",
    )
    return KmsKey(arn, Condition("HasKmsKey", Not(Equals(arn.ref(), ""))))


def flow_log_role(logical_id: str, log_group: cloudwatch_logs.LogGroup) -> FlowLogRole:
    """A role for flow logs of this account, which may write to one log group.

    Source: VPC user guide, "IAM role for publishing flow logs to CloudWatch Logs".
    """
    return FlowLogRole(
        iam.Role(
            logical_id,
            Metadata=why("Writes one log group, for flow logs of this account only"),
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
    )


def image_access_role(logical_id: str, repository_arn: AWSHelperFn) -> iam.Role:
    """The role App Runner pulls the image with, from one repository.

    Source: App Runner developer guide, "How App Runner works with IAM", access role. It shows no condition on
    the trust, and aws:SourceAccount is not documented for this principal, so there is none.
    """
    return iam.Role(
        logical_id,
        Metadata=why("App Runner pulls from this repository only; its login token cannot be limited to one"),
        AssumeRolePolicyDocument=trust("build.apprunner.amazonaws.com"),
        Policies=[
            policy(
                "pull-image",
                aws.Statement(
                    Effect=aws.Allow,
                    Action=[
                        ecr.BatchCheckLayerAvailability,
                        ecr.BatchGetImage,
                        ecr.DescribeImages,
                        ecr.GetDownloadUrlForLayer,
                    ],
                    Resource=[repository_arn],
                ),
                # GetAuthorizationToken takes no resource: Service Authorization Reference, Amazon ECR.
                aws.Statement(Effect=aws.Allow, Action=[ecr.GetAuthorizationToken], Resource=["*"]),
            )
        ],
    )


def instance_role(
    logical_id: str,
    login: Authentication,
    key: KmsKey,
    *,
    password_secret_arn: AWSHelperFn,
    cluster_arn: AWSHelperFn,
    user_arn: AWSHelperFn,
) -> iam.Role:
    """The role of the running service. With a password it may read one secret, and decrypt it where a key is given;
    with IAM it may connect to one cluster as one user.

    Sources: App Runner developer guide, "Referencing environment variables", permissions; MemoryDB developer guide,
    "Authenticating with IAM": memorydb:Connect wants both ARNs.
    """
    return iam.Role(
        logical_id,
        Metadata=why("The running service may read its password, or else connect as its user, and nothing else"),
        AssumeRolePolicyDocument=trust("tasks.apprunner.amazonaws.com"),
        Policies=[
            login.with_password(read_password(password_secret_arn), connect(cluster_arn, user_arn)),
            login.with_password(decrypt_password(password_secret_arn, key)),
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
