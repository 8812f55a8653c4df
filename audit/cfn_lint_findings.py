"""cfn-lint with every rule, experimental ones included, in every Region that a template claims; run by its environment.

The claim is the rule about AWS::Region, the only one whose name starts with RegionHas. A template without it, which is
of IAM only, is linted for one Region.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

found = []
for path in map(Path, sys.argv[1:]):
    rules = json.loads(path.read_text()).get("Rules", {})
    claims = [rule for name, rule in rules.items() if name.startswith("RegionHas")]
    regions = claims[0]["Assertions"][0]["Assert"]["Fn::Contains"][0] if claims else ["us-east-1"]
    command = [Path(sys.executable).with_name("cfn-lint"), "--include-checks", "I", "--include-experimental"]
    ran = subprocess.run(
        [*command, "--format", "json", "--regions", *regions, "--", path], capture_output=True, text=True
    )
    for match in json.loads(ran.stdout or "[]"):
        where = match["Location"]["Path"] or []
        found.append([match["Rule"]["Id"], path.stem, where[1] if len(where) > 1 else "template"])
print(json.dumps(found))
