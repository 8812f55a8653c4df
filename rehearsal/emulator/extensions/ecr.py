"""ECR: the registry authenticates and authorizes, and can refuse a push; DescribeImages fails for a missing image;
GetDownloadUrlForLayer returns a URL that needs no login.

Facts: ECR user guide, "Private registry authentication": HTTP basic authentication, user name AWS and the token of
GetAuthorizationToken, which has the rights of its principal; "IAM permissions for pushing an image" and the API
reference's actions for container tools: which request needs which action; OCI distribution specification, "Error
codes": 401 UNAUTHORIZED, 403 DENIED; API reference, DescribeImages: ImageNotFoundException; GetDownloadUrlForLayer: the
URL is signed.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterator
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import ecr

from rehearsal.emulator.extensions import faults, iam, recorded_calls
from rehearsal.emulator.extensions.registration import arn

# For pulls of App Runner and ECS, which need no user's rights.
CREDENTIALS = base64.b64encode(f"AWS:{secrets.token_urlsafe(30)}".encode()).decode()
# By credentials: the access key that requested them.
requested_by: dict[str, str] = {}
# The paths of signed URLs, by their signature.
signed: dict[str, str] = {}

# By the kind of path and the method: the actions. An upload in one request needs all three.
ACTIONS = {
    ("blob", "HEAD"): ("BatchCheckLayerAvailability",),
    ("blob", "GET"): ("GetDownloadUrlForLayer",),
    ("blob_uploads", "POST"): ("InitiateLayerUpload",),
    ("blob_upload_session", "PATCH"): ("UploadLayerPart",),
    ("blob_upload_session", "PUT"): ("CompleteLayerUpload",),
    ("manifest", "HEAD"): ("BatchGetImage",),
    ("manifest", "GET"): ("BatchGetImage",),
    ("manifest", "PUT"): ("PutImage",),
    ("manifest", "DELETE"): ("BatchDeleteImage",),
    ("tags_list", "GET"): ("ListImages",),
}
AT_ONCE = ("InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload")


def install() -> None:
    answer, token, describe = ecr.handle_registry_request, ecr._get_authorization_token, ecr._describe_images
    download = ecr._get_download_url_for_layer

    async def handled(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        if method == "GET" and signed.get("".join(query.get("X-Amz-Signature", ""))) == path:
            return await answer(method, path, headers, body, {})
        credentials = headers.get("authorization", "").removeprefix("Basic ")
        if credentials != CREDENTIALS and credentials not in requested_by:
            realm = f"https://{get_account_id()}.dkr.ecr.{get_region()}.amazonaws.com/"
            challenge = {"WWW-Authenticate": f'Basic realm="{realm}",service="ecr.amazonaws.com"'}
            return refusal(401, "UNAUTHORIZED", "authentication required", challenge)
        if method == "POST":
            for fault in faults.due("registry", "push"):
                return refusal(403, "DENIED", fault["reason"], {})
        if credentials in requested_by:
            for reason in denials(requested_by[credentials], method, path, query):
                return refusal(403, "DENIED", reason, {})
        return await answer(method, path, headers, body, query)

    def authorized(data: Any) -> Any:
        status, headers, body = token(data)
        document = json.loads(body)
        credentials = base64.b64encode(f"AWS:{secrets.token_urlsafe(30)}".encode()).decode()
        requested_by[credentials] = iam.caller.get()
        document["authorizationData"][0]["authorizationToken"] = credentials
        return status, headers, json.dumps(document).encode()

    def described(data: Any) -> Any:
        status, headers, body = describe(data)
        if status == 200 and len(json.loads(body)["imageDetails"]) < len(data.get("imageIds") or ()):
            message = f"The image with imageId {data['imageIds'][0]} does not exist within the repository"
            return error_response_json("ImageNotFoundException", message)
        return status, headers, body

    def downloadable(data: Any) -> Any:
        status, headers, body = download(data)
        if status == 200:
            signature, path = secrets.token_hex(32), f"/v2/{data['repositoryName']}/blobs/{data['layerDigest']}"
            signed[signature] = path
            url = f"http://{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}{path}?X-Amz-Signature={signature}"
            body = json.dumps({**json.loads(body), "downloadUrl": url}).encode()
        return status, headers, body

    ecr.handle_registry_request = handled
    ecr._get_download_url_for_layer = downloadable
    ecr._get_authorization_token = authorized
    ecr._describe_images = described


def denials(key: str, method: str, path: str, query: Any) -> Iterator[str]:
    """The reasons why IAM denies a request to the registry."""
    kind, name, _ = ecr._parse_v2_path(path) or ("", "", "")
    actions = ACTIONS.get((kind, method), ())
    iam.checks.set(())
    for action in AT_ONCE if actions == AT_ONCE[:1] and "digest" in query else actions:
        if reason := iam.denial(key, f"ecr:{action}", arn("ecr", f"repository/{name}"), {}):
            yield reason
    recorded_calls.record("registry", f"{method} {kind}", key, iam.checks.get())


def refusal(status: int, code: str, message: str, headers: dict[str, str]) -> Any:
    body = json.dumps({"errors": [{"code": code, "message": message, "detail": None}]}).encode()
    return status, {"Content-Type": "application/json", **headers}, body
