"""actionlint's findings in the workflows given; run by the actionlint environment.

rhysd's own package downloads a program while it is installed; this one, of a fork, contains it, for Linux and Windows.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

command = [Path(sys.executable).with_name("actionlint"), "-format", "{{json .}}"]
ran = subprocess.run([*command, *sys.argv[1:]], capture_output=True, text=True)
found = [
    [finding["kind"], Path(finding["filepath"]).stem, f"line{finding['line']}"] for finding in json.loads(ran.stdout)
]
print(json.dumps(found))
