"""ECR's registry asks who is there, and can be made to refuse; ECR says when an image is not there.

Facts: ECR user guide, "Private registry authentication": HTTP basic authentication, user name AWS and the token of
GetAuthorizationToken; OCI distribution specification, "Error codes": 401 UNAUTHORIZED, 403 DENIED; API
reference, DescribeImages: ImageNotFoundException.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import ecr

from rehearsal.fillers import faults

PASSWORD = os.environ.get("REHEARSAL_TOKEN") or secrets.token_urlsafe(30)
CREDENTIALS = base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()


def install() -> None:
    answer, token, describe = ecr.handle_registry_request, ecr._get_authorization_token, ecr._describe_images

    async def asked(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        if headers.get("authorization", "") != f"Basic {CREDENTIALS}":
            realm = f"https://{get_account_id()}.dkr.ecr.{get_region()}.amazonaws.com/"
            challenge = {"WWW-Authenticate": f'Basic realm="{realm}",service="ecr.amazonaws.com"'}
            return refusal(401, "UNAUTHORIZED", "authentication required", challenge)
        if method == "POST":
            for fault in faults.due("registry", "push"):
                return refusal(403, "DENIED", fault["reason"], {})
        return await answer(method, path, headers, body, query)

    def authorized(data: Any) -> Any:
        status, headers, body = token(data)
        document = json.loads(body)
        document["authorizationData"][0]["authorizationToken"] = CREDENTIALS
        return status, headers, json.dumps(document).encode()

    def described(data: Any) -> Any:
        status, headers, body = describe(data)
        if status == 200 and len(json.loads(body)["imageDetails"]) < len(data.get("imageIds") or ()):
            message = f"The image with imageId {data['imageIds'][0]} does not exist within the repository"
            return error_response_json("ImageNotFoundException", message)
        return status, headers, body

    ecr.handle_registry_request = asked
    ecr._get_authorization_token = authorized
    ecr._describe_images = described


def refusal(status: int, code: str, message: str, headers: dict[str, str]) -> Any:
    body = json.dumps({"errors": [{"code": code, "message": message, "detail": None}]}).encode()
    return status, {"Content-Type": "application/json", **headers}, body
