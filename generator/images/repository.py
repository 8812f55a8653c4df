"""A repository of images in ECR."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from generator.aws.calls import pages
from generator.aws.errors import translate_errors
from generator.errors import DeployError

# An image, or an index of images for several platforms: Docker's and OCI's (OCI image specification, "Media types").
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
DOWNLOAD_SECONDS = 10


@dataclass(frozen=True)
class ImageRepository:
    """A repository by its URI, and a client of ECR."""

    uri: str
    ecr: Any

    @property
    def registry(self) -> str:
        """Its host."""
        return self.uri.partition("/")[0]

    @property
    def name(self) -> str:
        """Its name in the registry."""
        return self.uri.partition("/")[2]

    def digest(self, tag: str) -> str | None:
        """The digest of the image with that tag, or None."""
        found = self._describe(imageTag=tag)
        return str(found["imageDigest"]) if found else None

    def tags(self, digest: str) -> tuple[str, ...]:
        """The tags of an image; none where there is no such image."""
        found = self._describe(imageDigest=digest)
        return tuple(found.get("imageTags", ())) if found else ()

    def platforms(self, reference: str) -> tuple[str, ...] | None:
        """The platforms of an image by its tag or digest, such as linux/amd64; None where there is no such image.

        Empty where they cannot be found out. Raises DeployError where ECR refuses to answer.
        """
        id = {"imageDigest" if reference.startswith("sha256:") else "imageTag": reference}
        registry = {"repositoryName": self.name, "registryId": self.registry.partition(".")[0]}
        with translate_errors(self.name):
            try:
                found = self.ecr.batch_get_image(**registry, imageIds=[id], acceptedMediaTypes=list(MANIFESTS))
            except self.ecr.exceptions.RepositoryNotFoundException:
                return None
            if not found["images"]:
                return None
            manifest = json.loads(found["images"][0]["imageManifest"])
            if "manifests" in manifest:
                described = [each.get("platform", {}) for each in manifest["manifests"]]
            else:
                digest = manifest.get("config", {}).get("digest", "")
                described = [_download(self.ecr.get_download_url_for_layer(**registry, layerDigest=digest))]
        names = [(each.get("os"), each.get("architecture")) for each in described]
        # An index has attestations too, whose platform is unknown/unknown (BuildKit, "Image attestation storage").
        return tuple(f"{os}/{processor}" for os, processor in names if os and processor and os != "unknown")

    def credentials(self) -> tuple[str, str]:
        """User name and password for the registry; they hold for twelve hours (ECR API, GetAuthorizationToken)."""
        with translate_errors(self.name):
            given = self.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        name, _, password = base64.b64decode(given).decode().partition(":")
        return name, password

    def _describe(self, **id: str) -> Mapping[str, Any] | None:
        with translate_errors(self.name), suppress(self.ecr.exceptions.ImageNotFoundException):
            return dict(self.ecr.describe_images(repositoryName=self.name, imageIds=[id])["imageDetails"][0])
        return None


def images(ecr: Any, repository_name: str) -> list[str]:
    """The digests of all images in a repository, by its name; none if it was deleted outside of CloudFormation."""
    with translate_errors(repository_name), suppress(ecr.exceptions.RepositoryNotFoundException):
        # An image is listed once for each of its tags (API reference, ListImages).
        listed = pages(ecr.list_images, repositoryName=repository_name)
        return list(dict.fromkeys(image["imageDigest"] for page in listed for image in page["imageIds"]))
    return []


def delete_images(ecr: Any, repository_name: str, digests: Sequence[str]) -> None:
    """Deletes images with all their tags, a hundred in a request, which is ECR's limit (BatchDeleteImage).

    One that an index refers to can be deleted after the index only (aws-cdk issue 24822). Raises DeployError for one
    that stays.
    """
    while digests:
        failures: list[Mapping[str, Any]] = []
        with translate_errors(repository_name):
            for start in range(0, len(digests), 100):
                ids = [{"imageDigest": digest} for digest in digests[start : start + 100]]
                failures += ecr.batch_delete_image(repositoryName=repository_name, imageIds=ids).get("failures", ())
        stay = [failure for failure in failures if failure["failureCode"] != "ImageNotFound"]
        if len(stay) == len(digests):
            reason = stay[0].get("failureReason", stay[0]["failureCode"])
            raise DeployError(stack=repository_name, what=f"{digests[0]} cannot be deleted", why=reason)
        digests = [failure["imageId"]["imageDigest"] for failure in stay]


def _download(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration of an image from the signed URL that ECR gives; empty where it cannot be read."""
    try:
        # urlopen() would keep the proxies of its first use.
        with urllib.request.build_opener().open(answer["downloadUrl"], timeout=DOWNLOAD_SECONDS) as opened:
            configuration = json.load(opened)
    except (OSError, ValueError):
        return {}
    return configuration if isinstance(configuration, Mapping) else {}
