"""zizmor's findings, as its strictest persona, in the workflows given; run by the zizmor environment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

command = [Path(sys.executable).with_name("zizmor"), "--offline", "--persona", "auditor", "--format", "json"]
ran = subprocess.run([*command, *sys.argv[1:]], capture_output=True, text=True)
found = []
for finding in json.loads(ran.stdout):
    location = finding["locations"][0]
    path = Path(location["symbolic"]["key"]["Local"]["given_path"])
    found.append([finding["ident"], path.stem, f"line{location['concrete']['location']['start_point']['row'] + 1}"])
print(json.dumps(found))
