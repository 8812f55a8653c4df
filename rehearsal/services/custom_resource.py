"""The function of a custom resource, in place of one that an account has: it answers every request with success.

It is a file of its own in a function that the rehearsal creates, so it imports nothing of this project.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any


def handler(event: dict[str, Any], context: object) -> None:
    """User guide, "Custom resource response objects": what CloudFormation expects at the URL of its request."""
    names = ("StackId", "RequestId", "LogicalResourceId")
    answer = {name: event[name] for name in names} | {"Status": "SUCCESS"}
    answer["PhysicalResourceId"] = event.get("PhysicalResourceId", event["LogicalResourceId"])
    # The emulator makes up any attribute of a resource that has this one.
    answer["Data"] = {"MadeUp": "by a rehearsal"}
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT"))
