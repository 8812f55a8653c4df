"""A repository of images in ECR."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import botocore.exceptions

from generator.aws.calls import pages
from generator.aws.errors import translate_errors


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

    def credentials(self) -> tuple[str, str]:
        """User name and password for the registry; they hold for twelve hours (ECR API, GetAuthorizationToken)."""
        with translate_errors(self.name):
            given = self.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        name, _, password = base64.b64decode(given).decode().partition(":")
        return name, password

    def _describe(self, **id: str) -> Mapping[str, Any] | None:
        with translate_errors(self.name):
            try:
                found: Mapping[str, Any] = self.ecr.describe_images(repositoryName=self.name, imageIds=[id])
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] == "ImageNotFoundException":
                    return None
                raise
        image: Mapping[str, Any] = found["imageDetails"][0]
        return image


def images(ecr: Any, repository_name: str) -> list[dict[str, str]]:
    """The IDs of all images in a repository, by its name; none if it was deleted outside of CloudFormation."""
    with translate_errors(repository_name):
        try:
            listed = pages(ecr.list_images, repositoryName=repository_name)
            return [image for page in listed for image in page["imageIds"]]
        except botocore.exceptions.ClientError as error:
            if error.response["Error"].get("Code") == "RepositoryNotFoundException":
                return []
            raise


def delete_images(ecr: Any, repository_name: str, image_ids: Sequence[Mapping[str, str]]) -> None:
    """Deletes images, a hundred in a request, which is ECR's limit (BatchDeleteImage)."""
    with translate_errors(repository_name):
        for start in range(0, len(image_ids), 100):
            ecr.batch_delete_image(repositoryName=repository_name, imageIds=list(image_ids[start : start + 100]))
