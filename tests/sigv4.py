"""Signature Version 4 of a presigned GET, from its specification and without any AWS library.

Source: IAM user guide, "Create a signed AWS API request": canonical request, string to sign, derived key; all that is
signed travels in the query, the only signed header is host, and there is no body.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


def signature(host: str, query: Mapping[str, str], *, secret_key: str, region: str, service: str) -> str:
    """The hexadecimal signature of `query`, which has all parameters but X-Amz-Signature."""
    day = query["X-Amz-Date"][:8]
    scope = f"{day}/{region}/{service}/aws4_request"
    canonical_query = "&".join(sorted(f"{encoded(name)}={encoded(value)}" for name, value in query.items()))
    canonical = "\n".join(["GET", "/", canonical_query, f"host:{host}", "", "host", digest("")])
    to_sign = "\n".join([ALGORITHM, query["X-Amz-Date"], scope, digest(canonical)])
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def encoded(text: str) -> str:
    return quote(text, safe="-_.~")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
