"""The stand-in of the internet: which hosts it has, and that they are trusted by its certificates alone."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.certificates import certificates
from rehearsal.internet import Internet


@pytest.fixture
def internet(tmp_path: Path) -> Iterator[tuple[Internet, Path]]:
    tls = certificates(tmp_path, "known.example")
    with Internet(tls, {"known.example": 1}.get) as made:
        yield made, tls.authority


def opened(url: str, internet: Internet, authority: Path | None) -> None:
    handlers = [
        urllib.request.ProxyHandler({"https": internet.url}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority)),
    ]
    urllib.request.build_opener(*handlers).open(url, timeout=10).close()


def test_a_host_that_is_not_of_the_rehearsal_is_out_of_reach(internet: tuple[Internet, Path]) -> None:
    with pytest.raises(urllib.error.URLError, match="502 Not a host of this rehearsal"):
        opened("https://aws.amazon.com/", *internet)


def test_its_certificates_are_verified(internet: tuple[Internet, Path]) -> None:
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        opened("https://known.example/", internet[0], None)
