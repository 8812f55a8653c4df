"""Requests to rehearsal.services.control, the process that runs clusters and instances. Most tests do without it."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from typing import Any

URL = os.environ.get("REHEARSAL_SERVICES", "")
TOKEN = os.environ.get("REHEARSAL_TOKEN", "")

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def available() -> bool:
    """Whether clusters and instances run at all."""
    return bool(URL)


def request(name: str, /, **arguments: Any) -> dict[str, Any]:
    """The answer to a request. Raises ValueError, which fails the resource, with the reason."""
    posted = urllib.request.Request(
        f"{URL}/{name}", json.dumps(arguments).encode(), {"Authorization": f"Bearer {TOKEN}"}, method="POST"
    )
    try:
        with opener.open(posted) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        with error:
            raise ValueError(error.read().decode(errors="replace")) from None
    except (OSError, http.client.HTTPException) as error:
        raise ValueError(f"The local services do not answer: {error}") from error
