"""One process for each CPU, all on one listening socket, and one that only looks after them.

The process that was started, process 1 in a container, supervises. It has no thread, no connection and no loop, and
writes no log, so that nothing can hold it up; what it has to say about a worker that died, the next worker says. Each
worker has a loop, connections and credentials of its own, made after the fork.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

# A worker that died sooner than this after its start is replaced later: twice as late each time.
STEADY_SECONDS = 10.0
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0

# What a worker does: takes how the one died whose place it takes, as os.waitstatus_to_exitcode has it, and a descriptor
# that can be read when the supervisor is gone; returns the exit code.
Work = Callable[[int | None, int], int]


def usable_cpus(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """As many as this process may use at the same time, by its affinity and by its cgroup's limit."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = map(int, (cgroup / "cpu.max").read_text().split())
        cpus = min(cpus, -(-quota // period))
    return max(1, cpus)


def supervise(number: int, work: Work, listener: socket.socket, grace: float, fatal: int) -> int:
    """Runs `number` workers until SIGTERM or SIGINT, which it passes on; kills what is left after `grace` seconds. A
    worker that ends with `fatal` ends all. Returns the exit code. `listener` is what the workers listen on."""
    return _Supervisor(number, work, listener, grace, fatal).run()


class _Supervisor:
    def __init__(self, number: int, work: Work, listener: socket.socket, grace: float, fatal: int) -> None:
        self._work, self._listener, self._grace, self._fatal = work, listener, grace, fatal
        # For each place: the worker's process ID, or 0, and how its last one died.
        self._workers = [0] * number
        self._died: list[int | None] = [None] * number
        self._started = [0.0] * number
        self._pause = [0.0] * number
        self._signals: list[int] = []
        self._alive = os.pipe()
        self._code = 0

    def run(self) -> int:
        # A signal writes to the pipe and so ends the wait; a handler is what keeps process 1 from ignoring it.
        awake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for watched in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(watched, lambda number, _: self._signals.append(number))
        end = float("inf")
        while True:
            while self._signals:
                number = self._signals.pop()
                if number != signal.SIGCHLD:
                    end = min(end, time.monotonic() + self._grace)
                    self._listener.close()
                    self._send(number)
            self._reap()
            if self._code:
                end = min(end, time.monotonic())
            if end == float("inf"):
                self._start()
            elif not any(self._workers):
                return self._code
            elif time.monotonic() >= end:
                self._send(signal.SIGKILL)
            select.select([awake], [], [], 0.1 if 0 in self._workers or end < float("inf") else None)
            if select.select([awake], [], [], 0)[0]:
                os.read(awake, 4096)

    def _start(self) -> None:
        now = time.monotonic()
        for place, worker in enumerate(self._workers):
            if not worker and now >= self._started[place] + self._pause[place]:
                self._started[place] = now
                self._workers[place] = os.fork() or self._become_worker(place)

    def _become_worker(self, place: int) -> int:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.close(self._alive[1])
        code = 1
        try:
            code = self._work(self._died[place], self._alive[0])
        finally:
            os._exit(code)

    def _reap(self) -> None:
        """Also of what is not a worker: process 1 inherits it."""
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                process, status = found
                if process in self._workers:
                    place = self._workers.index(process)
                    code = os.waitstatus_to_exitcode(status)
                    self._workers[place], self._died[place] = 0, code
                    steady = time.monotonic() - self._started[place] > STEADY_SECONDS
                    self._pause[place] = (
                        FIRST_PAUSE if steady else min(LONGEST_PAUSE, 2 * self._pause[place] + FIRST_PAUSE)
                    )
                    if code == self._fatal:
                        self._code = code

    def _send(self, number: int) -> None:
        for worker in filter(None, self._workers):
            os.kill(worker, number)
