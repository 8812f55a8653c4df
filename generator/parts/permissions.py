"""IAM statements that both computes share: trust, and access to the password or the cluster.

What one kind of compute needs besides is in its own `roles.py`.
"""

from __future__ import annotations

from awacs import aws, kms, memorydb, secretsmanager, sts
from troposphere import AWSHelperFn, Sub, iam

from generator.parts.encryption import KmsKey
from generator.template.elements import Value

POLICY_VERSION = "2012-10-17"


def read_password(password_secret_arn: Value) -> iam.Policy:
    """To read one secret."""
    return policy(
        "read-password",
        aws.Statement(Effect=aws.Allow, Action=[secretsmanager.GetSecretValue], Resource=[password_secret_arn]),
    )


def connect(cluster_arn: Value, user_arn: Value) -> iam.Policy:
    """To connect to one cluster as one user: MemoryDB asks for both ARNs."""
    return policy(
        "connect", aws.Statement(Effect=aws.Allow, Action=[memorydb.Connect], Resource=[cluster_arn, user_arn])
    )


def decrypt_password(password_secret_arn: Value, key: KmsKey) -> AWSHelperFn:
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
