"""The customer-managed KMS key that everything at rest can be encrypted with."""

from __future__ import annotations

from generator.template.inputs import Group, OptionalInput


def kms_key() -> OptionalInput:
    """The optional key that everything at rest is encrypted with, instead of keys owned by AWS."""
    return Group("Encryption").optional_text(
        "KmsKeyArn",
        "arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        # App Runner takes neither an alias nor a multi-Region key (AWS::AppRunner::Service, KmsKey).
        form="the ARN of a single-Region KMS key in this Region, not of an alias",
        description="A symmetric KMS key that encrypts what is stored: the cluster, the password and the images. Leave "
        "empty to use keys owned by AWS. Use the same value in both layers, or the service cannot read its password. "
        "Choose before the first deployment.",
        label="KMS key ARN",
    )
