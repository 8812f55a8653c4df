"""A repository of images in ECR. The client is given; ECR's errors become sentences."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import botocore.exceptions

from generator.stacks.errors import explained


@dataclass(frozen=True)
class Repository:
    """A repository by its URI, and a client that may ask it."""

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
        found = self._image(imageTag=tag)
        return str(found["imageDigest"]) if found else None

    def tags(self, digest: str) -> tuple[str, ...]:
        """The tags of an image; none where there is no such image."""
        found = self._image(imageDigest=digest)
        return tuple(found.get("imageTags", ())) if found else ()

    def credentials(self) -> tuple[str, str]:
        """User name and password for the registry; they hold for twelve hours (ECR API, GetAuthorizationToken)."""
        with explained(self.name):
            given = self.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        name, _, password = base64.b64decode(given).decode().partition(":")
        return name, password

    def _image(self, **id: str) -> Mapping[str, Any] | None:
        with explained(self.name):
            try:
                found: Mapping[str, Any] = self.ecr.describe_images(repositoryName=self.name, imageIds=[id])
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] == "ImageNotFoundException":
                    return None
                raise
        image: Mapping[str, Any] = found["imageDetails"][0]
        return image
