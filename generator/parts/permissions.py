"""IAM statements that both computes share: trust, and access to the password or the cluster.

What one kind of compute needs besides is in its own `roles.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from awacs import aws, kms, memorydb, secretsmanager, sts
from troposphere import AccountId, AWSHelperFn, Sub, iam

from generator.parts.encryption import KmsKey
from generator.template.elements import Value

POLICY_VERSION = "2012-10-17"


def read_password(password_secret_arn: Value) -> iam.Policy:
    """To read one secret."""
    return policy("read-password", allow([secretsmanager.GetSecretValue], password_secret_arn))


def connect(cluster_arn: Value, user_arn: Value) -> iam.Policy:
    """To connect to one cluster as one user: MemoryDB asks for both ARNs."""
    return policy("connect", allow([memorydb.Connect], cluster_arn, user_arn))


def decrypt_password(password_secret_arn: Value, key: KmsKey) -> AWSHelperFn:
    """To decrypt a secret, where a key is given."""
    return key.choose(policy("decrypt-password", decrypt("secretsmanager", "SecretARN", password_secret_arn, key)))


def decrypt(service: str, context: str, arns: Value | list[Value], key: KmsKey) -> aws.Statement:
    """To decrypt with `key` through one service only, and only the ciphertext of these ARNs.

    context: the key of the encryption context that binds a ciphertext to its ARN (Secrets Manager user guide, "Secret
    encryption and decryption").
    """
    conditions = {
        f"kms:EncryptionContext:{context}": arns,
        "kms:ViaService": Sub(f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}"),
    }
    return allow([kms.Decrypt], key.arn.ref(), Condition=aws.Condition(aws.StringEquals(conditions)))


def trust(service: str, condition: aws.Condition | None = None) -> aws.PolicyDocument:
    """Lets one AWS service take on the role, under `condition` if there is one."""
    return document(
        aws.Statement(
            Effect=aws.Allow,
            Principal=aws.Principal("Service", [service]),
            Action=[sts.AssumeRole],
            **({} if condition is None else {"Condition": condition}),
        )
    )


def for_resources(source_arn: str) -> aws.Condition:
    """The condition of a trust that is given to such resources of this account only."""
    return aws.Condition(
        [aws.StringEquals({"aws:SourceAccount": AccountId}), aws.ArnLike({"aws:SourceArn": Sub(source_arn)})]
    )


def policy(name: str, *statements: aws.Statement) -> iam.Policy:
    """An inline policy of a role."""
    return iam.Policy(PolicyName=name, PolicyDocument=document(*statements))


def document(*statements: aws.Statement) -> aws.PolicyDocument:
    """A policy document."""
    return aws.PolicyDocument(Version=POLICY_VERSION, Statement=list(statements))


def allow(actions: Sequence[aws.Action], *resources: Value, **elements: object) -> aws.Statement:
    """A statement that allows `actions` on `resources`; `elements` are its others, such as Principal and Condition."""
    return aws.Statement(Effect=aws.Allow, Action=list(actions), Resource=list(resources), **elements)
