"""checkov's failed checks on the templates given; run by the checkov environment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

found = []
for path in map(Path, sys.argv[1:]):
    command = [Path(sys.executable).with_name("checkov"), "--framework", "cloudformation", "--file", path]
    ran = subprocess.run([*command, "--output", "json", "--quiet", "--compact"], capture_output=True, text=True)
    found += [
        [check["check_id"], path.stem, check["resource"].rpartition(".")[2]]
        for check in json.loads(ran.stdout)["results"]["failed_checks"]
    ]
print(json.dumps(found))
