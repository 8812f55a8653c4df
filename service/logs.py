"""Logs as one JSON object a line, on standard output, where App Runner and ECS collect them.

Nothing personal and no secret can get in. A line of ours has a fixed message and the fields given as `extra`. Of a
library's line only its place in the code is kept: waitress, for one, puts paths into its messages, and a path is
an e-mail. Of an exception it is the type and its places, never the text.

Nothing waits for standard output: a thread writes what has gathered, and what does not fit is dropped and counted.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import traceback
from collections import deque
from functools import lru_cache
from typing import Any

OURS = "service"
_KNOWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        ours = record.name.partition(".")[0] == OURS
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": str(record.msg) if ours else f"{record.module}.{record.funcName}:{record.lineno}",
        }
        line |= {name: value for name, value in vars(record).items() if name not in _KNOWN}
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            line["places"] = [f"{at.filename}:{at.lineno}" for at in traceback.extract_tb(record.exc_info[2])]
        return json.dumps(line, default=str)


class Writer(logging.Handler):
    """Writes lines to a file from a thread of its own. At most LINES of them wait."""

    LINES = 10_000
    GATHER_SECONDS = 0.02

    def __init__(self, file: int = 1) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self._file = file
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._news = threading.Event()
        self._writing = threading.Lock()
        threading.Thread(target=self._write_all, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        self.put(self.format(record))

    def put(self, line: str) -> None:
        if len(self._lines) < self.LINES:
            self._lines.append(line)
        else:
            self._dropped += 1
        if not self._news.is_set():
            self._news.set()

    def drain(self, seconds: float) -> None:
        """Waits until all is written, but no longer than `seconds`."""
        end = time.monotonic() + seconds
        while (self._news.is_set() or self._writing.locked()) and time.monotonic() < end:
            time.sleep(0.005)

    def _write_all(self) -> None:
        while self._news.wait():
            time.sleep(self.GATHER_SECONDS)
            with self._writing:
                self._news.clear()
                lines = [self._lines.popleft() for _ in range(len(self._lines))]
                dropped, self._dropped = self._dropped, 0
                if dropped:
                    lines.append(
                        json.dumps({"time": _now(), "level": "WARNING", "message": "dropped", "lines": dropped})
                    )
                data = "".join(f"{line}\n" for line in lines).encode()
                try:
                    while data:
                        data = data[os.write(self._file, data) :]
                except OSError:
                    # The reader is gone.
                    self._dropped += len(lines)


_writer: Writer | None = None
_requests = logging.getLogger(f"{OURS}.app")


def request(name: str, method: str | None, route: str | None, status: int, arrived: float) -> None:
    """The line of a request, written without a LogRecord. The name is a plain word and needs no escaping."""
    if _writer and _requests.isEnabledFor(logging.INFO):
        ms = 1000 * (time.monotonic() - arrived)
        _writer.put(
            f'{{"time": "{_now()}", "level": "INFO", "logger": "{OURS}.app", "message": "request", '
            f'"request": "{name}", "method": {_quoted(method)}, "route": {_quoted(route)}, "status": {status}, '
            f'"ms": {ms:.1f}}}'
        )


_quoted = lru_cache(64)(json.dumps)


def _now() -> str:
    now = time.time()
    return f"{_second(int(now))}.{int(now % 1 * 1000):03d}Z"


@lru_cache(2)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def configure(level: str) -> Writer:
    """Sends everything from `level` on to standard output; of libraries only warnings and worse."""
    global _writer
    _writer = Writer()
    logging.basicConfig(level=max(logging.WARNING, logging.getLevelNamesMapping()[level]), handlers=[_writer])
    logging.getLogger(OURS).setLevel(level)
    return _writer
