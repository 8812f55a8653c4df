"""50,000 requests that were valid before their bytes were changed."""

from __future__ import annotations

import subprocess
import sys

from acceptance.engine import ROOT


def test_whatever_bytes_are_sent_nothing_breaks() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "50000"], cwd=ROOT, capture_output=True, text=True, timeout=1200
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
