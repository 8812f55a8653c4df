"""Images in the emulator's registry, pushed without a container tool."""

from __future__ import annotations

from contextlib import suppress

import boto3

from rehearsal.emulator.process import Emulator
from rehearsal.emulator.registry import Registry, Start


def push(aws: Emulator, *images: str, architecture: str = "amd64") -> None:
    """Pushes empty images, `host/name:tag`; creates their repositories."""
    ecr = boto3.client("ecr")
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    for image in images:
        with suppress(ecr.exceptions.RepositoryAlreadyExistsException):
            ecr.create_repository(repositoryName=image.partition("/")[2].partition(":")[0])
        Registry(aws.url, token).push(image, {}, Start(), architecture)
