"""Processes that listen on the loopback interface: a port for each, its first answer, its end."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import cycle, islice
from types import FrameType

ADDRESS = "127.0.0.1"
# Below what the kernel hands out to outgoing connections, which would take a port between its choice and its use.
PORTS = range(20000, 32000)
# Each goes to one caller, who may take a while to listen on it. Processes that are started one after the other, as the
# workers of a test run are, begin far from each other: multiples of the golden ratio spread evenly.
FIRST = int(os.getpid() * 0.6180339887 % 1 * len(PORTS))
untried = cycle([*PORTS[FIRST:], *PORTS[:FIRST]])


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on, all of them different, also from those of the last calls."""
    found: list[int] = []
    for port in islice(untried, len(PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((ADDRESS, port))
            found.append(port)
        if len(found) == number:
            return found
    raise RuntimeError("There are no free ports.")


def answers(port: int, path: str, alive: Callable[[], bool], seconds: float) -> bool:
    """Waits until GET is answered 200; False when `seconds` are over, or what should answer is not `alive`."""
    end = time.monotonic() + seconds
    while alive() and time.monotonic() < end:
        connection = http.client.HTTPConnection(ADDRESS, port, timeout=2)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            connection.request("GET", path)
            if connection.getresponse().status == http.client.OK:
                return True
        time.sleep(0.05)
    return False


def wait_or_kill(process: subprocess.Popen[bytes], seconds: float) -> None:
    """The end of a process that has been told to end."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does, and Ctrl-C also where a script has started it in the background."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
