"""A given image is read before anything is created: whether it is there, and for which processor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from generator.compute import verification
from generator.errors import UsageError
from generator.layers import Deployment, app_runner_deployment, app_runner_layer, data_layer
from generator.operations import DeployOptions
from generator.operations.image import check_image_options
from generator.settings import Settings
from generator.workload import Workload
from rehearsal.emulator.process import ACCOUNT, REGION, Emulator
from tests.command import Captured, Command, stacks
from tests.pushed import push

REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def command(aws: Emulator, capsys: Captured) -> Command:
    push(aws, f"{REGISTRY}/team/amd:1")
    push(aws, f"{REGISTRY}/team/arm:1", architecture="arm64")
    return Command(lambda: [app_runner_deployment()], capsys)


def index(name: str, *platforms: str) -> str:
    """The digest of an image for several platforms."""
    described = [dict(zip(("os", "architecture"), platform.split("/"), strict=True)) for platform in platforms]
    manifest = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"platform": each} for each in described]}
    put = boto3.client("ecr").put_image(
        repositoryName=name, imageManifest=json.dumps(manifest), imageManifestMediaType=INDEX
    )
    return str(put["image"]["imageId"]["imageDigest"])


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("team/amd:2", "there is no such image."),
        (f"team/amd@sha256:{64 * 'a'}", "there is no such image."),
        ("team/none:1", "there is no such image."),
        ("team/arm:1", "it is for linux/arm64, and services run on linux/amd64. Build it with --platform linux/amd64."),
    ],
)
def test_an_image_that_cannot_run_is_refused_before_anything_is_created(
    image: str, reason: str, command: Command
) -> None:
    deployed = command("deploy", "--yes", "--image", f"{REGISTRY}/{image}")
    assert deployed.code == 64
    assert f"--image {REGISTRY}/{image}: {reason}" in deployed.err
    previewed = command("preview", "--image", f"{REGISTRY}/{image}")
    assert previewed.code == 1
    assert "users-data: a new stack." in previewed.out
    assert f"could not be previewed: --image {REGISTRY}/{image}: {reason}" in previewed.out
    assert f"\nCould not be previewed: users-apprunner: --image {REGISTRY}/{image}: {reason}" in previewed.out
    assert stacks() == {}


@pytest.mark.parametrize("platforms", [("linux/arm64",), ("linux/arm64", "unknown/unknown")])
def test_an_index_without_the_platform_is_refused(platforms: tuple[str, ...], command: Command) -> None:
    digest = index("team/arm", *platforms)
    refused = command("preview", "--layer", "apprunner", "--image", f"{REGISTRY}/team/arm@{digest}")
    assert refused.code == 1
    assert "it is for linux/arm64, and services run on linux/amd64." in refused.out


@pytest.mark.parametrize("layer", [(), ("--layer", "apprunner")])
def test_a_preview_that_fails_is_in_every_format(layer: tuple[str, ...], command: Command) -> None:
    words = ("preview", *layer, "--image", f"{REGISTRY}/team/arm:1", "--format")
    found = json.loads(command(*words, "json").out)
    assert (found["outcome"], found["layers"][-1]["failed"]) == ("failed", True)
    markdown = command(*words, "markdown")
    assert markdown.code == 1
    assert "services run on linux/amd64" in markdown.out


@pytest.mark.parametrize("reference", [":1", "@"])
def test_an_image_with_the_platform_is_previewed(reference: str, command: Command) -> None:
    digest = index("team/amd", "linux/arm64", "linux/amd64") if reference == "@" else ""
    said = command.must("preview", "--image", f"{REGISTRY}/team/amd{reference}{digest}")
    assert "is not checked" not in said


@pytest.mark.parametrize("image", [f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/team/amd:2"])
def test_an_image_of_another_region_is_not_looked_up(image: str, command: Command) -> None:
    command.must("preview", "--image", image)


def test_a_context_is_for_the_services_that_are_built_here(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    layers = (
        app_runner_layer(name="web"),
        app_runner_layer(Settings(), Workload(image=f"{REGISTRY}/team/amd:1", memorydb=False), name="fixed"),
        app_runner_layer(Settings(), Workload(repository="team/amd", memorydb=False), name="elsewhere"),
    )
    check_image_options(Deployment("three", layers), DeployOptions(context=tmp_path))
    second = app_runner_layer(name="second")
    with pytest.raises(UsageError, match="choose --layer web or --layer second"):
        check_image_options(Deployment("four", (*layers, second)), DeployOptions(context=tmp_path))


def test_an_image_of_another_repository_stays_while_the_rest_is_previewed(command: Command) -> None:
    def deployments() -> list[Deployment]:
        layer = app_runner_layer(Settings(), Workload(repository="team/amd"), name="web")
        return [Deployment("elsewhere", (data_layer(), layer))]

    image = f"{REGISTRY}/team/amd:1"
    command.must("deploy", "--yes", "--no-verify", "--image", image, deployments=deployments)
    seen = command.must("preview", "--parameter", "web.MaxSize=3", deployments=deployments)
    assert f"the image stays {image}." in seen
    assert "(parameter MaxSize)" in seen
    command.must("destroy", "--yes", deployments=deployments)


def test_a_fixed_image_is_deployed_and_changed_without_an_option(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fixed(tag: str) -> Callable[[], list[Deployment]]:
        workload = Workload(image=f"{REGISTRY}/team/amd:{tag}", memorydb=False)
        return lambda: [Deployment("public", (app_runner_layer(Settings(), workload, name="web"),))]

    assert "users-web: a new stack." in command.must("preview", deployments=fixed("1"))
    # Nothing runs here, so that the image is the last that is verified.
    monkeypatch.setattr(verification, "ANSWER_SECONDS", 0)
    assert f"  image            {REGISTRY}/team/amd:1\n" in command("deploy", "--yes", deployments=fixed("1")).err
    assert "ImageIdentifier" in command.must("preview", deployments=fixed("2"))
    command.must("deploy", "--yes", "--no-verify", deployments=fixed("2"))
    assert f"  image: {REGISTRY}/team/amd:2\n" in command.must("status", deployments=fixed("2"))
    command.must("destroy", "--yes", deployments=fixed("2"))
