"""The client of the emulator's registry."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import boto3
import pytest

from rehearsal.emulator.process import Emulator
from rehearsal.emulator.registry import Registry, RegistryError, Start
from rehearsal.local_aws import REGISTRY
from tests.running import ROOT

ONE = Start({"BUILD_ID": "one"}, ("python", "-m"), ("service",))


@pytest.fixture
def registry(aws: Emulator) -> Registry:
    ecr = boto3.client("ecr")
    with suppress(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(repositoryName="users", imageTagMutability="IMMUTABLE")
    return Registry(aws.url, ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"])


def test_an_image_is_pushed_and_unpacked_by_digest(registry: Registry, tmp_path: Path) -> None:
    registry.push(f"{REGISTRY}/users:1", {"Dockerfile": ROOT / "Dockerfile"}, ONE)
    (found,) = boto3.client("ecr").describe_images(repositoryName="users", imageIds=[{"imageTag": "1"}])["imageDetails"]
    assert registry.unpack(f"{REGISTRY}/users@{found['imageDigest']}", tmp_path / "image") == ONE
    assert (tmp_path / "image" / "Dockerfile").read_bytes() == (ROOT / "Dockerfile").read_bytes()


def test_a_tag_is_not_overwritten(registry: Registry, tmp_path: Path) -> None:
    registry.push(f"{REGISTRY}/users:2", {}, Start({"BUILD_ID": "two"}))
    registry.push(f"{REGISTRY}/users:2", {}, Start({"BUILD_ID": "two"}))
    with pytest.raises(RegistryError, match="tag '2' is immutable"):
        registry.push(f"{REGISTRY}/users:2", {}, Start({"BUILD_ID": "three"}))
    assert registry.unpack(f"{REGISTRY}/users:2", tmp_path / "image") == Start({"BUILD_ID": "two"})


def test_a_client_without_the_token_is_refused(registry: Registry, aws: Emulator) -> None:
    with pytest.raises(RegistryError, match="401"):
        Registry(aws.url, "QVdTOndyb25n").push(f"{REGISTRY}/users:4", {}, Start())
