"""The ECR repository that a service's image is pushed to."""

from __future__ import annotations

import json

from troposphere import GetAtt, Output, Sub, ecr

from generator import contract
from generator.parts.encryption import kms_key
from generator.template.elements import Part, export, why

UNTAGGED_DAYS = 14
TAGGED_IMAGES = 100


def repository(prefix: str = "") -> tuple[Part, ...]:
    """A repository whose tags never move and whose images are scanned; old ones expire. Exports its URI and ARN.

    A repository that holds images is not deleted with its stack: CloudFormation fails there, so delete them first.

    >>> [str(element.title) for element in repository("Orders") if element.__class__.__name__ == "Repository"]
    ['OrdersRepository']
    """
    key = kms_key()
    images = ecr.Repository(
        f"{prefix}Repository",
        Metadata=why(
            "Tags are immutable, so a tag names one image; CloudFormation refuses to delete a repository that holds "
            "images"
        ),
        ImageTagMutability="IMMUTABLE",
        ImageScanningConfiguration=ecr.ImageScanningConfiguration(ScanOnPush=True),
        EncryptionConfiguration=key.choose(ecr.EncryptionConfiguration(EncryptionType="KMS", KmsKey=key.ref())),
        LifecyclePolicy=ecr.LifecyclePolicy(LifecyclePolicyText=_lifecycle()),
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Retain",
    )
    name = str(images.title)
    return (
        key,
        images,
        export(
            prefix + contract.REPOSITORY_URI,
            "The URI of the repository, to which you append a tag or digest.",
            GetAtt(images, "RepositoryUri"),
        ),
        export(prefix + contract.REPOSITORY_ARN, "The ARN of the repository.", GetAtt(images, "Arn")),
        Output(
            f"{prefix}PushCommands",
            Description="Run this in the Dockerfile's folder, for instance in CloudShell. The last line that it prints "
            "is the compute layer's ImageUri.",
            # As generator/images builds it: with BUILD_ID, and without attestations.
            Value=Sub(
                "TAG=$(date -u +%Y%m%d-%H%M%S)"
                " && aws ecr get-login-password --region ${AWS::Region}"
                " | docker login --username AWS --password-stdin"
                " ${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}"
                " && BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build --platform linux/amd64"
                f" --tag ${{{name}.RepositoryUri}}:$TAG --build-arg BUILD_ID=$TAG ."
                f" && docker push ${{{name}.RepositoryUri}}:$TAG"
                f" && echo ${{{name}.RepositoryUri}}:$TAG"
            ),
        ),
    )


def _lifecycle() -> str:
    old = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": UNTAGGED_DAYS}
    many = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": TAGGED_IMAGES}
    rules = [
        (f"Untagged images go after {UNTAGGED_DAYS} days", old),
        (f"The newest {TAGGED_IMAGES} images stay", many),
    ]
    listed = [
        {"rulePriority": priority, "description": description, "selection": selection, "action": {"type": "expire"}}
        for priority, (description, selection) in enumerate(rules, start=1)
    ]
    return json.dumps({"rules": listed}, sort_keys=True)
