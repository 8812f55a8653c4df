"""The image of a workload: a parameter or a fixed one, and the repository that the compute may pull it from."""

from __future__ import annotations

import re

from troposphere import AWSHelperFn, Sub

from generator import contract
from generator.errors import TemplateError
from generator.parts.imports import imported
from generator.template.elements import Input, Value
from generator.template.inputs import CONNECTION
from generator.workload import Workload

ECR_IMAGE = re.compile(
    r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<name>[a-z0-9][a-z0-9._/-]*)[:@].+"
)
PUBLIC_ECR = "public.ecr.aws/"


def image_input(workload: Workload) -> Input | None:
    """The parameter ImageUri, an image in Amazon ECR with tag or digest; None for a fixed image."""
    if workload.image is not None:
        return None
    source = f"the repository {workload.repository}" if workload.repository else "the data layer's repository"
    return CONNECTION.text(
        contract.IMAGE_URI,
        r"^[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/[a-z0-9][a-z0-9._/-]*"
        r"(:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$",
        description=f"The image to run, from {source}, by tag or (better) by digest.",
        label="Image",
        MaxLength=1024,
        ConstraintDescription="An image in Amazon ECR with its tag or digest, such as "
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/name:1.",
    )


def repository_arn(workload: Workload) -> Value | None:
    """The ARN of the repository that the image is pulled from; None for one outside of Amazon ECR's private registries.

    Raises TemplateError where the image is a function and no repository is named.
    """
    if workload.repository.startswith("arn:"):
        return workload.repository
    if workload.repository:
        return _arn("${AWS::Region}", "${AWS::AccountId}", workload.repository)
    if workload.image is None:
        return imported(workload.prefix + contract.REPOSITORY_ARN)
    if isinstance(workload.image, AWSHelperFn):
        raise TemplateError("Workload.repository must name the repository of an image that is not given as text.")
    found = ECR_IMAGE.fullmatch(workload.image)
    return _arn(found["region"], found["account"], found["name"]) if found else None


def _arn(region: str, account: str, name: str) -> AWSHelperFn:
    return Sub(f"arn:${{AWS::Partition}}:ecr:{region}:{account}:repository/{name}")
