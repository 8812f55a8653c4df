"""The password and the secrets of a workload: which service keeps each, and the permission to read exactly these."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from awacs import aws, kms, secretsmanager, ssm
from troposphere import AWSHelperFn, Sub, iam

from generator.errors import TemplateError
from generator.parts.permissions import allow, policy
from generator.template.elements import Value
from generator.template.inputs import OptionalInput

SECRETS_MANAGER, SYSTEMS_MANAGER = "secretsmanager", "ssm"
READ = {SECRETS_MANAGER: secretsmanager.GetSecretValue, SYSTEMS_MANAGER: ssm.GetParameters}
# What binds a ciphertext to its secret: Secrets Manager user guide, "Secret encryption and decryption"; Systems
# Manager user guide, "KMS encryption for Parameter Store SecureString parameters".
CONTEXT = {SECRETS_MANAGER: "SecretARN", SYSTEMS_MANAGER: "PARAMETER_ARN"}
# arn:partition:secretsmanager:region:account:secret:name; what follows selects a key and a version in the secret (ECS
# developer guide, "Pass Secrets Manager secrets through environment variables").
ARN_PARTS = 7
COLON_OUTSIDE_PLACEHOLDERS = re.compile(r":(?![^{}]*\})")


def read_password(secret_arn: Value, key: OptionalInput) -> tuple[iam.Policy, AWSHelperFn]:
    """Policies that let a role read the secret with the password, and decrypt it where a key is given."""
    return (
        policy("read-password", allow([secretsmanager.GetSecretValue], secret_arn)),
        key.choose(policy("decrypt-password", _decrypt(SECRETS_MANAGER, secret_arn, key))),
    )


def read_secrets(secrets: Mapping[str, Value], key: OptionalInput) -> Iterator[iam.Policy | AWSHelperFn]:
    """Policies that let a role read `secrets`, and decrypt them where a key is given; none without secrets.

    Raises TemplateError for text that is not an ARN of either service.
    """
    resources: dict[str, list[Value]] = {}
    for name, value in secrets.items():
        service, resource = _resource(name, value)
        listed = resources.setdefault(service, [])
        if resource not in listed:
            listed.append(resource)
    if resources:
        read = [allow([READ[service]], *arns) for service, arns in resources.items()]
        decrypting = [_decrypt(service, arns, key) for service, arns in resources.items()]
        yield policy("read-secrets", *read)
        yield key.choose(policy("decrypt-secrets", *decrypting))


def _decrypt(service: str, arns: Value | list[Value], key: OptionalInput) -> aws.Statement:
    """To decrypt with `key` through one service only, and only the ciphertext of these ARNs."""
    conditions = {
        f"kms:EncryptionContext:{CONTEXT[service]}": arns,
        "kms:ViaService": Sub(f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}"),
    }
    return allow([kms.Decrypt], key.ref(), Condition=aws.Condition(aws.StringEquals(conditions)))


def _resource(name: str, value: Value) -> tuple[str, Value]:
    """The service that keeps a secret, and its ARN without what selects a key or a version in it.

    A function whose text does not name the service is taken for the ARN of a secret.
    """
    text, variables = _text(value)
    parts = COLON_OUTSIDE_PLACEHOLDERS.split(text)
    if parts[0] == "arn" or (text and not text.startswith("${")):
        service = parts[2] if len(parts) > 2 else ""
        if service not in READ or len(parts) < (ARN_PARTS if service == SECRETS_MANAGER else ARN_PARTS - 1):
            # Without the text, which may be the secret itself.
            raise TemplateError(
                f"Workload.secrets[{name!r}] is not the ARN of a secret in Secrets Manager or a parameter in Systems "
                "Manager. The value itself belongs in one of these."
            )
        kept = ARN_PARTS if service == SECRETS_MANAGER else len(parts)
    else:
        service, kept = SECRETS_MANAGER, 1
    return service, value if len(parts) <= kept else _sub(value, ":".join(parts[:kept]), variables)


def _text(value: Value) -> tuple[str, Mapping[str, object]]:
    match value if isinstance(value, str) else value.data:
        case str() as text:
            return text, {}
        case {"Fn::Sub": [str() as text, dict() as variables]}:
            return text, variables
        case {"Fn::Sub": str() as text}:
            return text, {}
    return "", {}


def _sub(value: Value, text: str, variables: Mapping[str, object]) -> Value:
    if isinstance(value, str):
        return text
    return Sub(text, {name: each for name, each in variables.items() if f"${{{name}}}" in text} or None)
