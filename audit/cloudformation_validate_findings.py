"""AWS's cloudformation-validate, warnings and worse, on the templates given; run by its own environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cloudformation_validate import RegoEngine

engine = RegoEngine()
found = []
for path in map(Path, sys.argv[1:]):
    for diagnostic in engine.validate_template(str(path)).diagnostics:
        # INFO lists every create-only property and every resource without tags.
        if diagnostic.severity.name != "INFO":
            entity = diagnostic.entity
            found.append([diagnostic.rule_id, path.stem, str(getattr(entity, "logical_id", entity))])
print(json.dumps(found))
