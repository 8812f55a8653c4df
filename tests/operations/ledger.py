"""The function of a custom resource: it answers each request of CloudFormation at the URL that the request has."""

from __future__ import annotations

import json
import urllib.request
from typing import Any


def handler(event: dict[str, Any], context: object) -> None:
    answer = {
        "Status": "SUCCESS",
        "PhysicalResourceId": f"ledger-of-{event['ResourceProperties']['Pages']}-pages",
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT"))
