"""The HTTPS proxy: which hosts it serves, and with which certificates."""

from __future__ import annotations

import http.server
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.services.certificates import certificates
from rehearsal.services.https_proxy import HttpsProxy


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[tuple[HttpsProxy, Path]]:
    tls = certificates(tmp_path, "known.example")
    with HttpsProxy(tls, {"known.example": 1}.get) as proxy:
        yield proxy, tls.authority


def get(url: str, proxy: HttpsProxy, authority: Path | None) -> None:
    handlers = [
        urllib.request.ProxyHandler({"https": proxy.url}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority)),
    ]
    urllib.request.build_opener(*handlers).open(url, timeout=10).close()


def test_an_unknown_host_is_refused(proxy: tuple[HttpsProxy, Path]) -> None:
    with pytest.raises(urllib.error.URLError, match="502 Not a host of this rehearsal"):
        get("https://aws.amazon.com/", *proxy)


def test_a_client_without_the_authority_trusts_no_certificate(proxy: tuple[HttpsProxy, Path]) -> None:
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        get("https://known.example/", proxy[0], None)


def test_a_request_reaches_the_instance_that_replaced_the_one_of_its_connection(tmp_path: Path) -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Nothing listens on port 1 any more.
    ports = iter([1, server.server_port])
    tls = certificates(tmp_path, "known.example")
    with HttpsProxy(tls, lambda host: next(ports)) as proxy:
        get("https://known.example/", proxy, tls.authority)
    server.shutdown()
    server.server_close()
