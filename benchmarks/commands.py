"""How long the verbs take against the emulator, and how often they call AWS: `python -m benchmarks.commands`."""

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
from rehearsal.emulator import ACCOUNT, REGION, Emulator, emulator

ROUNDS = 5
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/users:1"


def measured(running: Emulator, *arguments: str) -> tuple[float, int]:
    """Seconds and calls of one run. Raises RuntimeError with what was said where it fails."""
    said = io.StringIO()
    before = len(running.calls())
    started = time.monotonic()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(default_deployments, argv=list(arguments))
    if code:
        raise RuntimeError(said.getvalue())
    return time.monotonic() - started, len(running.calls()) - before


def told(running: Emulator, name: str, *arguments: str, rounds: int = ROUNDS) -> None:
    """Prints the median of some rounds, the process's start not included."""
    found = [measured(running, *arguments) for _ in range(rounds)]
    print(f"{name:32} {statistics.median(seconds for seconds, _ in found):6.2f} s  {found[-1][1]:4} calls")


def run() -> None:
    """Prints a line for each verb."""
    image = ("--image", IMAGE)
    with tempfile.TemporaryDirectory() as directory, emulator(Path(directory)) as running:
        os.environ.update(running.environment)
        told(running, "preview of two new stacks", "preview", *image)
        told(running, "deploy of both", "deploy", "--yes", "--no-verify", *image, rounds=1)
        told(running, "preview of nothing", "preview", *image)
        told(running, "preview of one parameter", "preview", *image, "--parameter", "MaxSize=9")
        told(running, "deploy of nothing", "deploy", "--yes", "--no-verify", *image)
        told(running, "status", "status", "--layer", "data")
        told(running, "destroy of both", "destroy", "--yes", rounds=1)


if __name__ == "__main__":
    run()
