"""One process per CPU, all on one port, under a supervisor.

The supervisor is the process that was started, process 1 in a container. It has no thread, connection, loop or log, so
nothing can block it; a new worker logs the death of the one that it replaces. Each worker makes its loop, connections
and credentials after the fork.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM)
# A worker that dies sooner after its start is replaced after a pause, which doubles each time.
STEADY_SECONDS = 10.0
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0

# Runs in a worker and returns its exit code. Arguments: the exit code of the worker that it replaces, as
# os.waitstatus_to_exitcode returns it, and a descriptor that reaches its end when the supervisor has ended.
Work = Callable[[int | None, int], int]


@dataclass
class _Worker:
    process: int = 0
    started: float = 0.0
    pause: float = 0.0
    died: int | None = None


def usable_cpus(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """The CPUs that this process may use, by its affinity and by the limit of its cgroup."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = map(int, (cgroup / "cpu.max").read_text().split())
        cpus = min(cpus, -(-quota // period))
    return max(1, cpus)


def supervise(number: int, work: Work, grace: float, fatal: int) -> int:
    """Runs `number` workers until SIGTERM or SIGINT, which it forwards; kills those that run after `grace` seconds.
    The exit code `fatal` of a worker ends all. Returns the exit code."""
    workers = [_Worker() for _ in range(number)]
    alive, keep = os.pipe()
    # Blocked signals wait for sigwait(), also in process 1. Without a handler BSD would drop SIGCHLD.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    kill_at = float("inf")
    while True:
        _reap(workers)
        code = fatal if any(worker.died == fatal for worker in workers) else 0
        now = time.monotonic()
        if code or now >= kill_at:
            kill_at = now
            _send(workers, signal.SIGKILL)
        ending = kill_at < float("inf")
        for worker in workers:
            if not (worker.process or ending) and now >= worker.started + worker.pause:
                worker.started = now
                worker.process = os.fork()
                if not worker.process:
                    os.close(keep)
                    _work(work, worker.died, alive)
        running = [worker for worker in workers if worker.process]
        if ending and not running:
            return code
        # SIGALRM ends the wait when there is a pause or the grace to watch.
        signal.setitimer(signal.ITIMER_REAL, 0.1 if ending or len(running) < number else 0)
        received = signal.sigwait(SIGNALS)
        if received in (signal.SIGTERM, signal.SIGINT):
            kill_at = min(kill_at, time.monotonic() + grace)
            _send(workers, received)


def _work(work: Work, died: int | None, alive: int) -> None:
    """Runs a worker and ends its process."""
    code = 1
    try:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        code = work(died, alive)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _reap(workers: list[_Worker]) -> None:
    """Records which workers have died."""
    with suppress(ChildProcessError):
        # Process 1 also inherits the children of processes that have ended.
        while (status := os.waitpid(-1, os.WNOHANG))[0]:
            for worker in workers:
                if worker.process == status[0]:
                    worker.process, worker.died = 0, os.waitstatus_to_exitcode(status[1])
                    steady = time.monotonic() - worker.started > STEADY_SECONDS
                    worker.pause = FIRST_PAUSE if steady else min(LONGEST_PAUSE, 2 * worker.pause + FIRST_PAUSE)


def _send(workers: list[_Worker], number: int) -> None:
    for worker in workers:
        if worker.process:
            os.kill(worker.process, number)
