"""Processes that listen on the loopback interface: free ports, the first answer, the end."""

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
# What fails to start ends, and what ends says so at once. These are for what hangs, also where the machine is so busy
# that a start takes a hundred times as long as on an idle one.
START_SECONDS = 180
STOP_SECONDS = 30
# Below the ports that the kernel gives to outgoing connections.
PORTS = range(20000, 32000)
# Multiples of the golden ratio spread evenly, so processes that start one after the other begin far apart.
FIRST = int(os.getpid() * 0.6180339887 % 1 * len(PORTS))
untried = cycle([*PORTS[FIRST:], *PORTS[:FIRST]])


def free_ports(number: int) -> list[int]:
    """Free TCP ports, different in every call and every process. Raises RuntimeError if there are none left."""
    found: list[int] = []
    for port in islice(untried, len(PORTS)):
        reservation = socket.socket(type=socket.SOCK_DGRAM)
        try:
            reservation.bind((ADDRESS, port))
            with socket.socket() as probe:
                probe.bind((ADDRESS, port))
        except OSError:
            reservation.close()
            continue
        # A UDP port stays bound until this process ends, so that other processes with this module skip its number.
        reservation.detach()
        found.append(port)
        if len(found) == number:
            return found
    raise RuntimeError("There are no free ports.")


def answers(port: int, path: str, alive: Callable[[], bool], seconds: float = START_SECONDS) -> bool:
    """Waits until GET is answered 200; False after `seconds`, or when `alive` returns False."""
    end = time.monotonic() + seconds
    while alive() and time.monotonic() < end:
        connection = http.client.HTTPConnection(ADDRESS, port, timeout=10)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            connection.request("GET", path)
            if connection.getresponse().status == http.client.OK:
                return True
        time.sleep(0.05)
    return False


def wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    """Waits for a process that was asked to end."""
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """SIGTERM and SIGINT raise KeyboardInterrupt, also in a script's background process, which ignores SIGINT."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
