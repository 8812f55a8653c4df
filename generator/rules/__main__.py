"""`python -m generator.rules > docs/rules.md`: the page about the rules, made from their classes."""

from __future__ import annotations

import sys

from . import RULES

SECTIONS = {
    "MemoryDB": (range(9600, 9630),),
    "App Runner": (range(9630, 9640), range(9670, 9680)),
    "ECS Express Mode": (range(9640, 9660),),
    "All": (range(9660, 9670),),
}
SEVERITIES = {"E": "Error", "W": "Warning"}

HEAD = """\
# Lint rules

<!-- Made by `python -m generator.rules > docs/rules.md`. -->

cfn-lint knows the properties of MemoryDB, App Runner and ECS, but not which values AWS takes. These rules do. `build`
applies them; any other template gets them with stock cfn-lint, this library not installed:

```sh
cfn-lint --append-rules generator/rules -- template.yaml
```

IDs are 9600 to 9699. An error is what AWS refuses, what loses data or what opens access; the rest are warnings. A value
behind a parameter is judged by the parameter's default and allowed values; two values that must fit together by their
defaults; what only the deployment can know is not judged.
"""


def document() -> str:
    """docs/rules.md."""
    text = HEAD
    for title, numbers in SECTIONS.items():
        text += f"\n## {title}\n"
        for rule in sorted(RULES.values(), key=lambda rule: rule.id[1:]):
            if any(int(rule.id[1:]) in those for those in numbers):
                text += f"\n### {rule.id}: {rule.shortdesc}\n\n"
                text += f"{SEVERITIES[rule.id[0]]}. {rule.description} [Source]({rule.source_url}).\n"
    return text


if __name__ == "__main__":
    sys.stdout.write(document())
