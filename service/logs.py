"""Logs as one JSON object a line, on standard output, where App Runner and ECS collect them.

A line never contains personal data or a secret. The service's own lines have a fixed message and the fields given as
`extra`. Of a library's line only the place in its code is logged, because waitress, for one, puts paths into messages,
and a path is an e-mail address. Of an exception it is the type and the places.

A thread writes the lines, so a blocked standard output delays no request. What does not fit is dropped and counted.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from collections import deque
from datetime import UTC, datetime

import msgspec

_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_encoder = msgspec.json.Encoder(enc_hook=str)


def entry(level: str, logger: str, message: str, **fields: object) -> bytes:
    """One line of JSON."""
    first = {"time": datetime.now(UTC), "level": level, "logger": logger, "message": message}
    return _encoder.encode(first | fields)


def formatted(record: logging.LogRecord) -> bytes:
    ours = record.name.partition(".")[0] == "service"
    message = str(record.msg) if ours else f"{record.module}.{record.funcName}:{record.lineno}"
    fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    if record.exc_info and record.exc_info[0]:
        fields["exception"] = record.exc_info[0].__name__
        fields["places"] = [f"{at.filename}:{at.lineno}" for at in traceback.extract_tb(record.exc_info[2])]
    return entry(record.levelname, record.name, message, **fields)


class Writer(logging.Handler):
    """Writes lines to a file from a thread. At most LINES of them wait."""

    LINES = 10_000
    GATHER_SECONDS = 0.02

    def __init__(self, file: int = 1) -> None:
        super().__init__()
        self._file = file
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._waiting = threading.Event()
        self._writing = threading.Lock()
        threading.Thread(target=self._write_all, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        self.put(formatted(record))

    def put(self, line: bytes) -> None:
        if len(self._lines) < self.LINES:
            self._lines.append(line)
        else:
            self._dropped += 1
        if not self._waiting.is_set():
            self._waiting.set()

    def drain(self, seconds: float) -> None:
        """Returns when all lines are written, at the latest after `seconds`."""
        end = time.monotonic() + seconds
        while (self._waiting.is_set() or self._writing.locked()) and time.monotonic() < end:
            time.sleep(0.005)

    def _write_all(self) -> None:
        while self._waiting.wait():
            time.sleep(self.GATHER_SECONDS)
            with self._writing:
                self._waiting.clear()
                lines = [self._lines.popleft() for _ in range(len(self._lines))]
                dropped, self._dropped = self._dropped, 0
                if dropped:
                    lines.append(entry("WARNING", "service.logs", "dropped", lines=dropped))
                data = b"".join(line + b"\n" for line in lines)
                try:
                    while data:
                        data = data[os.write(self._file, data) :]
                except OSError:
                    # The reader is gone.
                    self._dropped += len(lines)


_writer: Writer | None = None
_requests = logging.getLogger("service.app")


def request(name: str, method: str | None, route: str | None, status: int, arrived: float) -> None:
    """Logs a request, without the costs of a LogRecord."""
    if _writer and _requests.isEnabledFor(logging.INFO):
        ms = round(1000 * (time.monotonic() - arrived), 1)
        fields = {"request": name, "method": method, "route": route, "status": status, "ms": ms}
        _writer.put(entry("INFO", _requests.name, "request", **fields))


def configure(level: str) -> Writer:
    """Logs to standard output: the service's records from `level` on, and libraries' warnings and errors."""
    global _writer
    _writer = Writer()
    logging.basicConfig(level=max(logging.WARNING, logging.getLevelNamesMapping()[level]), handlers=[_writer])
    logging.getLogger("service").setLevel(level)
    return _writer
