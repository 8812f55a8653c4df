"""Requests by RFC 9112: waitress's parser, made strict. docs/decisions/0023 lists what waitress accepts.

A refused request has an `error` and ends its connection.
"""

from __future__ import annotations

import re
import sys
import time
from typing import Any
from urllib.parse import unquote_to_bytes

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.utilities import Error

from service.users import MAX_BODY

_HOST = rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?"
_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Z-]+ ([^ ]+) HTTP/([0-9]\.[0-9])")
_AUTHORITY = re.compile(rb"(?i:https?)://(?![/?:]|$)" + _HOST + rb"(?=[/?]|$)")
# Any visible ASCII, because it has only one meaning: but no fragment, and "%" only before two hexadecimal digits.
_ORIGIN = re.compile(rb'(/(?:[!"$&->@-~]++|%[0-9A-Fa-f]{2})*+)(?:\?[!"$-~]*+)?')
_CODINGS = re.compile(rb"\r\ntransfer-encoding:[ \t]*(.*?)[ \t]*(?=\r\n)", re.IGNORECASE)
# waitress checks the extension.
_CHUNK = re.compile(rb"([0-9A-Fa-f]+)(?:;[^\r\n]*)?\r\n")
_TRAILER = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r\n)*\r\n")
_HOST_FIELD = re.compile(_HOST.decode())
_TOO_LARGE = (413, f"A body has at most {MAX_BODY} bytes.")


class _RefusedError(Exception):
    """Refuses a request with the status and detail in `args`; ParsingError does so with 400."""


class Request(HTTPRequestParser):
    """One request, complete once `completed`. `arrived` is the moment of its first byte; `path` is decoded once."""

    arrived = 0.0
    command: Any = None
    path: Any = "/"
    query: Any = ""
    error: Any
    _chunks = b""

    def received(self, data: bytes) -> int:
        if not self.arrived:
            self.arrived = time.monotonic()
            if data[0] <= 0x20:
                self.refuse(400, "Whitespace before the request.")
                return len(data)
        in_body = self.body_rcv is not None
        try:
            consumed = super().received(data)
        except _RefusedError as refused:
            self.refuse(*refused.args)
            return len(data)
        if isinstance(self.body_rcv, ChunkedReceiver) and not self.error:
            self._check_chunks(self.body_rcv, data[:consumed] if in_body else b"")
        # waitress 310: it would answer a complete request with 100 Continue, and then wait for more of it.
        self.expect_continue = self.expect_continue and not self.completed
        return consumed

    def body(self) -> bytes:
        return self.body_rcv.getbuf().get(MAX_BODY) if self.body_rcv else b""

    def environment(self) -> dict[str, Any]:
        """What Falcon reads of a request (PEP 3333). The application gets the user instead of a body."""
        return {f"HTTP_{name}": value for name, value in self.headers.items()} | {
            "REQUEST_METHOD": None if self.error else self.command,
            # Bytes as Latin-1; service/app.py decodes them.
            "PATH_INFO": self.path.encode().decode("latin-1"),
            "QUERY_STRING": self.query,
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.input": None,
        }

    def refuse(self, status: int, detail: str) -> None:
        """Completes the request with an error."""
        self.error = Error(detail)
        self.error.code = status
        self.completed = True
        self.expect_continue = False

    def parse_header(self, header_plus: bytes) -> None:
        line = _LINE.fullmatch(header_plus.partition(b"\r\n")[0])
        if not line:
            raise ParsingError("The request line is malformed.")
        target, version = line.groups()
        if version not in (b"1.0", b"1.1"):
            raise _RefusedError(505, "This server supports HTTP/1.0 and HTTP/1.1.")
        if authority := _AUTHORITY.match(target):
            target = target[authority.end() :]
            target = target if target.startswith(b"/") else b"/" + target
        if not (origin := _ORIGIN.fullmatch(target)):
            raise ParsingError("The target is neither a path nor a URL.")
        try:
            path = unquote_to_bytes(origin[1]).decode()
        except UnicodeDecodeError:
            raise ParsingError("The path is not UTF-8.") from None
        try:
            super().parse_header(header_plus)
        except ValueError:
            # waitress 464: more digits than int() takes.
            raise ParsingError("Content-Length is invalid") from None
        self.path = path
        self._check_framing(header_plus)

    def _check_framing(self, header_plus: bytes) -> None:
        headers = self.headers
        host = headers.get("HOST")
        # waitress joins equal names with ", ", and no host contains a space.
        if (host is None and self.version == "1.1") or (host is not None and not _HOST_FIELD.fullmatch(host)):
            raise ParsingError("There must be one Host.")
        if self.chunked:
            codings = [coding.lower() for coding in _CODINGS.findall(header_plus)]
            if "CONTENT_LENGTH" in headers or codings != [b"chunked"]:
                raise ParsingError("The length of the body is ambiguous.")
        elif "TRANSFER_ENCODING" in headers:
            raise ParsingError("HTTP/1.0 has no Transfer-Encoding.")
        elif self.content_length > MAX_BODY:
            raise _RefusedError(*_TOO_LARGE)
        if self.version == "1.1" and "EXPECT" in headers:
            self.expect_continue = "100-continue" in re.split(r"[ \t]*,[ \t]*", headers["EXPECT"].lower())

    def _check_chunks(self, chunks: ChunkedReceiver, data: bytes) -> None:
        """waitress accepts sizes that end with a line feed alone, blank lines before them, and any trailer."""
        self._chunks += data
        if not self.completed:
            return
        at, size = 0, 1
        while size and (line := _CHUNK.match(self._chunks, at)):
            size = int(line[1], 16)
            at = line.end() + (size + 2 if size else 0)
        if size or not _TRAILER.fullmatch(self._chunks, at):
            self.refuse(400, "The chunks are malformed.")
        elif len(chunks) > MAX_BODY:
            self.refuse(*_TOO_LARGE)
