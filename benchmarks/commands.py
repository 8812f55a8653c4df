"""The duration of each verb against the emulator, and its calls to AWS: `python -m benchmarks.commands`."""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import tempfile
import time
from pathlib import Path

from generator.cli import main
from generator.layers import default_deployments
from rehearsal.emulator.process import ACCOUNT, REGION, Emulator, emulator
from tests.pushed import push

ROUNDS = 5
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/users:1"


def measured(running: Emulator, *arguments: str) -> tuple[float, int]:
    """Seconds and calls of one run. Raises RuntimeError with the output if it fails."""
    output = io.StringIO()
    before = len(running.calls())
    started = time.monotonic()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = main(default_deployments, argv=list(arguments))
    if code:
        raise RuntimeError(output.getvalue())
    return time.monotonic() - started, len(running.calls()) - before


def measure(running: Emulator, name: str, *arguments: str, rounds: int = ROUNDS) -> None:
    """Prints the median of some rounds, without the start of the process."""
    runs = [measured(running, *arguments) for _ in range(rounds)]
    print(f"{name:32} {statistics.median(seconds for seconds, _ in runs):6.2f} s  {runs[-1][1]:4} calls")


def run() -> None:
    """Prints a line for each verb."""
    image = ("--image", IMAGE)
    with tempfile.TemporaryDirectory() as directory, emulator(Path(directory)) as running:
        os.environ.update(running.environment)
        push(running, IMAGE)
        measure(running, "preview of two new stacks", "preview", *image)
        measure(running, "deploy of both", "deploy", "--yes", "--no-verify", *image, rounds=1)
        measure(running, "preview of nothing", "preview", *image)
        measure(running, "preview of one parameter", "preview", *image, "--parameter", "MaxSize=9")
        measure(running, "deploy of nothing", "deploy", "--yes", "--no-verify", *image)
        measure(running, "status", "status", "--layer", "data")
        measure(running, "destroy of both", "destroy", "--yes", rounds=1)


if __name__ == "__main__":
    run()
