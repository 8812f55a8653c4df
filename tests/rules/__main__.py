"""`python -m tests.rules`: docs/rules.md and a page for each rule, from the rules' classes and their fixtures."""

from __future__ import annotations

import json
from pathlib import Path

from cfn_flip import to_json, to_yaml

from generator.rules import RULES
from generator.rules._rule import Rule
from tests.running import ROOT

FIXTURES = Path(__file__).parent
SECTIONS = {
    "MemoryDB": (range(9600, 9630),),
    "App Runner": (range(9630, 9640), range(9670, 9680)),
    "ECS Express Mode": (range(9640, 9660),),
    "All": (range(9660, 9670),),
}
SEVERITIES = {"E": "Error", "W": "Warning"}

HEAD = """\
# Lint rules

<!-- Made by `python -m tests.rules`. -->

cfn-lint checks the properties of MemoryDB, App Runner and ECS, but not which values AWS takes. These {count} rules do.
`build` applies them; any other template gets them from cfn-lint itself:

```sh
pip install 'memorydb-apprunner[lint] @ git+ADDRESS-OF-THIS-REPOSITORY'
cfn-lint --append-rules=generator.rules template.yaml
```

or, for every run in a folder, two lines in its `.cfnlintrc`:

```yaml
append_rules:
  - generator.rules
```

Without installing, give cfn-lint the folder: `cfn-lint --append-rules=generator/rules template.yaml`.

- **Reports.** `--format sarif --output-file lint.sarif` for code scanning, `--format junit` for a CI server's test
  report; both name the rule. They need cfn-lint's own extras: `pip install 'cfn-lint[sarif,junit]'`.
- **pre-commit.** This repository defines the hook `cfn-lint-memorydb-apprunner`, which pre-commit 4.7 has run from a
  clone. `repo` may also be the folder of a clone:

  ```yaml
  repos:
    - repo: ADDRESS-OF-THIS-REPOSITORY
      rev: TAG-OR-COMMIT
      hooks:
        - id: cfn-lint-memorydb-apprunner
          files: ^templates/.*-layer.json$ # the policies beside them are not templates
  ```

- **Exceptions.** `--ignore-checks W9630`, or in the Metadata of a resource
  `cfn-lint: {{config: {{ignore_checks: [W9630]}}}}`.

An error is what AWS refuses, what loses data or what opens access; the rest are warnings. Rules judge values, however
they are written: through Fn::If (each side under its condition), AWS::NoValue (as left out), Fn::FindInMap, Fn::Join,
Fn::Sub, Fn::Split, Fn::Select, both spellings of Fn::GetAtt, Fn::ForEach. A parameter is judged by its default and
allowed values; two values that must fit together by their defaults. What only a deployment can tell, such as an
import or a dynamic reference, is not judged. On this library's templates the rules take about 6 % of the time of a lint
run.
"""


def pages() -> dict[str, str]:
    """Text by path below docs/."""
    text = HEAD.format(count=len(RULES))
    for title, numbers in SECTIONS.items():
        text += f"\n## {title}\n\n| rule | |\n|---|---|\n"
        for number, rule in sorted((int(rule.id[1:]), rule) for rule in RULES.values()):
            if any(number in those for those in numbers):
                text += f"| [{rule.id}](rules/{rule.id}.md) | {rule.shortdesc} |\n"
    return {"rules.md": text} | {f"rules/{rule.id}.md": page(rule) for rule in RULES.values()}


def page(rule: type[Rule]) -> str:
    """The page of a rule, with the first bad and the first good resource of its fixture."""
    return (
        f"# {rule.id}: {rule.shortdesc}\n\n<!-- Made by `python -m tests.rules`. -->\n\n"
        f"{SEVERITIES[rule.id[0]]}. {rule.description} [Source]({rule.source_url}).\n\n"
        f"Found:\n\n```yaml\n{example(rule.id, 'Bad')}```\n\nNot found:\n\n```yaml\n{example(rule.id, 'Good')}```\n\n"
        f"[All rules](../rules.md)\n"
    )


def example(rule: str, kind: str) -> str:
    """The first resource of a fixture that is called Bad or Good, called by its type."""
    resources = json.loads(to_json((FIXTURES / f"{rule}.yaml").read_text()))["Resources"]
    name = next(name for name in resources if name.startswith(kind))
    return str(to_yaml(json.dumps({resources[name]["Type"].rpartition("::")[2]: resources[name]})))


if __name__ == "__main__":
    (ROOT / "docs" / "rules").mkdir(exist_ok=True)
    for path, text in pages().items():
        (ROOT / "docs" / path).write_text(text)
