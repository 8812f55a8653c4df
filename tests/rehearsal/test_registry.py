"""The client of the emulator's registry."""

from __future__ import annotations

from contextlib import suppress

import boto3
import pytest

from rehearsal.emulator.process import Emulator
from rehearsal.emulator.registry import Registry, RegistryError
from rehearsal.local_aws import REGISTRY
from tests.running import ROOT


@pytest.fixture
def registry(aws: Emulator) -> Registry:
    ecr = boto3.client("ecr")
    with suppress(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(repositoryName="users", imageTagMutability="IMMUTABLE")
    return Registry(aws.url, ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"])


def test_an_image_is_pushed_and_read_back_by_digest(registry: Registry) -> None:
    registry.push(f"{REGISTRY}/users:1", {"Dockerfile": ROOT / "Dockerfile"}, {"BUILD_ID": "one"})
    (found,) = boto3.client("ecr").describe_images(repositoryName="users", imageIds=[{"imageTag": "1"}])["imageDetails"]
    assert registry.variables(f"{REGISTRY}/users@{found['imageDigest']}") == {"BUILD_ID": "one"}


def test_a_tag_is_not_overwritten(registry: Registry) -> None:
    registry.push(f"{REGISTRY}/users:2", {}, {"BUILD_ID": "two"})
    registry.push(f"{REGISTRY}/users:2", {}, {"BUILD_ID": "two"})
    with pytest.raises(RegistryError, match="tag '2' is immutable"):
        registry.push(f"{REGISTRY}/users:2", {}, {"BUILD_ID": "three"})
    assert registry.variables(f"{REGISTRY}/users:2") == {"BUILD_ID": "two"}


def test_a_client_without_the_token_is_refused(registry: Registry, aws: Emulator) -> None:
    with pytest.raises(RegistryError, match="401"):
        Registry(aws.url, "QVdTOndyb25n").push(f"{REGISTRY}/users:4", {}, {})
