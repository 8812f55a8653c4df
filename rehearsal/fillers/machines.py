"""The way from the emulator, which only keeps books, to what runs for it: rehearsal.machines, in another process.

Without that process, as in most tests, nothing runs and nobody is asked.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from typing import Any

URL = os.environ.get("REHEARSAL_MACHINES", "")
TOKEN = os.environ.get("REHEARSAL_TOKEN", "")

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def attached() -> bool:
    """Whether anything runs at all."""
    return bool(URL)


def ask(wish: str, **details: Any) -> dict[str, Any]:
    """Has a wish fulfilled; raises ValueError, which fails the resource, with the reason where it cannot be."""
    request = urllib.request.Request(
        f"{URL}/{wish}", json.dumps(details).encode(), {"Authorization": f"Bearer {TOKEN}"}, method="POST"
    )
    try:
        with opener.open(request) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        with error:
            raise ValueError(error.read().decode(errors="replace")) from None
    except (OSError, http.client.HTTPException) as error:
        raise ValueError(f"What runs for the emulator does not answer: {error}") from error
