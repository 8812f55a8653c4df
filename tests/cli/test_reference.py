"""The page of names is current, its examples are commands, and the preview's JSON is as its schema says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import jsonschema
import pytest

from generator import cli
from generator.layers import default_deployments
from generator.report.as_json import preview_document
from generator.report.results import Plan
from generator.review.quantities import difference, price_list
from generator.review.rights import Right
from generator.stacks.change_set import Change, PropertyChange
from generator.stacks.events import Finding
from generator.stacks.guard import Refusal
from tests.cli.reference import document
from tests.command import Captured

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "preview.schema.json").read_text())


@pytest.fixture(autouse=True)
def build_py(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["build.py"])


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "reference.md").read_text() == document()


@pytest.mark.parametrize("line", [line.strip("`") for line in document().splitlines() if line.startswith("`python")])
def test_every_example_is_a_command(line: str) -> None:
    words = shlex.split(line.partition(" > ")[0])[2:]
    assert cli.parser().parse_args(words).run


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md", "docs/ci.md", "docs/permissions.md"])
def test_every_command_of_a_page_is_one(page: str) -> None:
    """Verbs and options; alternatives, pipes and comments left out, and a name in place of CI's variable."""
    lines = re.findall(r"^(?:    - )?(python \w+\.py\b[^#|>\n]*)", (ROOT / page).read_text(), re.MULTILINE)
    assert lines
    for line in lines:
        words = shlex.split(line.replace("$DEPLOYMENT_NAME", "users"))[2:]
        given = words if words and not words[0].startswith("-") else ["build", *words]
        assert cli.parser().parse_args(given).run


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_linked_from_the_readme() -> None:
    linked = (ROOT / "README.md").read_text()
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"docs/{page.name})" not in linked] == []
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    records = (ROOT / "docs" / "decisions").glob("0*.md")
    assert [record.name for record in records if f"({record.name})" not in index] == []


def test_every_make_target_of_a_page_has_a_recipe() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipes = set(re.findall(r"^([a-z]+):.*\n\t", makefile, re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"(?:`|^|\$ )make ([a-z]+)", page.read_text(), re.MULTILINE)}
    assert {"build", "rehearse", "serve"} <= named
    assert named | set(re.findall(r"^# make ([a-z]+)", makefile, re.MULTILINE)) <= recipes


def test_every_verb_has_an_example(capsys: Captured) -> None:
    for name in cli.VERBS:
        with pytest.raises(SystemExit, match="0"):
            cli.main(default_deployments, argv=[name, "--help"])
        said = capsys.readouterr().out
        assert f"build.py {name}" in said.partition("Example:")[2]


PLANS = [
    [],
    [Plan("data", "users-data", (), new=True, seen=False, note="it has no image", failed=True)],
    [
        Plan(
            "data",
            "users-data",
            (
                Change("Add", "A", "AWS::EC2::VPC"),
                Change(
                    "Modify",
                    "Cluster",
                    "AWS::MemoryDB::Cluster",
                    "db-1",
                    "True",
                    "Delete",
                    ("Properties",),
                    (PropertyChange("KmsKeyId", None, "arn", "Always", ""),),
                    ("NewField",),
                ),
            ),
            (Refusal("Cluster", "replaces the database", "KmsKeyId", "side by side"),),
            rights=(Right("Cluster", "access string", "different", "acl", "another list of users"),),
            outputs=(PropertyChange("Url", None, "a", "", ""),),
            findings=(Finding("Cluster", "SERVICE_QUOTA", "nearly used up", blocking=False),),
            billed=difference({}, {"Address": {"Type": "AWS::EC2::EIP"}, "Q": {"Type": "AWS::Braket::Quantum"}}),
            kept="arn:aws:cloudformation:eu-west-1:123456789012:changeSet/preview-1/5",
        )
    ],
]


@pytest.mark.parametrize("plans", PLANS, ids=["nothing", "not seen", "refused"])
def test_a_preview_is_as_its_schema_says(plans: list[Plan]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for prices in (None, price_list((ROOT / "examples" / "prices.json").read_text(), "prices.json")):
        jsonschema.validate(json.loads(preview_document(plans, prices)), SCHEMA)


def test_the_schema_would_notice_another_field() -> None:
    document = json.loads(preview_document(PLANS[1]))
    document["layers"][0]["more"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)
