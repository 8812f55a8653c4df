from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from generator.review.comment import (
    COMMENT_LIMIT,
    EFFECTS,
    LABELS,
    Property,
    Refused,
    Review,
    Row,
    Stack,
    comment,
    marker,
    outcome,
    summary,
    verdict,
)
from generator.review.rights import Right
from tests.review.reviews import FACTS, REFUSED, REVIEWS, RISKY, SMALL

COMMENTS = Path(__file__).parents[2] / "docs" / "comments"
HOSTILE = "a|b `c` @user *d* <script>x</script> </details>\n\n```\n# e"


def review(*rows: Row, **stack: tuple[Right, ...] | tuple[Refused, ...] | tuple[Property, ...]) -> Review:
    return Review("users", FACTS, (replace(Stack("users-data", rows), **stack),))  # type: ignore[arg-type]


def row(effect: str, logical_id: str = "X", value: str = "b") -> Row:
    return Row(logical_id, "AWS::T::T", effect, properties=(Property("P", "a", value),))


@pytest.mark.parametrize("name", REVIEWS)
def test_the_committed_comments_are_what_is_made(name: str) -> None:
    assert comment(REVIEWS[name]) == (COMMENTS / f"{name}.md").read_text()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (REFUSED, "Refused: Cluster replaces the database; Repository replaces the images."),
        (review(row("loses-data")), "Loses data: X."),
        (review(row("modifies"), row("replaces", "Y")), "Replaced: Y."),
        (review(row("removes")), "Removed: X."),
        (review(row("unknown")), "Not understood: X."),
        (review(row("modifies")), "Nothing is lost or replaced."),
        (review(), "Nothing to change."),
        (review(*(row("replaces", f"R{n}") for n in range(9))), "Replaced: R0, R1, R2, R3, and 5 more."),
        (
            review(row("modifies"), rights=(Right("Role", "trust policy", "broader", "{}", "w"),)),
            "Nothing is lost or replaced. Broader rights: Role.",
        ),
    ],
)
def test_the_first_line_is_the_verdict(made: Review, said: str) -> None:
    assert verdict(made) == said
    assert comment(made).splitlines()[0] == f"### {said}"


@pytest.mark.parametrize("effect", [effect for effect in EFFECTS if effect in LABELS])
def test_the_label_is_the_worst_that_happens(effect: str) -> None:
    assert outcome(review(row("modifies"), row(effect), row("adds"))) == effect


def test_rights_label_what_is_otherwise_harmless() -> None:
    right = Right("Role", "trust policy", "different", "{}", "w")
    assert outcome(review(row("adds"), rights=(right,))) == "broader"
    assert outcome(review(row("adds"), rights=(replace(right, direction="narrower"),))) == "modifies"
    assert outcome(review(row("replaces"), rights=(right,))) == "replaces"
    assert outcome(review()) == "nothing"
    assert outcome(review(outputs=(Property("Url", "a", "b"),))) == "modifies"


def test_the_summary_counts() -> None:
    assert summary(RISKY).startswith("36 changes: 2 replaced, 1 removed, 13 modified, 20 added. Rights: 4 broader, ")
    assert summary(review(row("loses-data"), row("loses-data"))) == "2 changes: 2 lose data."
    assert summary(review(row("loses-data"))) == "1 change: 1 loses data."


def test_a_refusal_names_its_flag_in_an_alert() -> None:
    text = comment(REFUSED)
    assert text.count("> [!CAUTION]") == 2
    assert "> To let it through: `--allow-replacement Cluster`" in text


def test_the_worst_comes_first_in_the_table_and_in_the_details() -> None:
    effects = list(EFFECTS)
    text = comment(review(*(row(effect, f"R{number}") for number, effect in reversed(list(enumerate(effects))))))
    found = re.findall(r"<code>R(\d)</code>", text)
    assert found == [str(number) for _ in range(2) for number in range(len(effects))]


def test_a_policy_is_shown_as_a_diff_of_its_lines_and_never_cut() -> None:
    text = comment(RISKY)
    assert '-                "secretsmanager:GetSecretValue"\n+                "secretsmanager:*"\n' in text
    (statement,) = re.findall(r"newly allows secretsmanager.*?```json\n(.*?)```", text, re.DOTALL)
    assert json.loads(statement)["Action"] == ["secretsmanager:*"]


def test_causes_are_told_for_each_property() -> None:
    text = comment(RISKY)
    assert "@@ NumShards, parameter Shards @@" in text
    assert "@@ Subnets, recreates the resource, follows PrivateSubnetB @@" in text


def test_outputs_are_shown() -> None:
    assert "@@ PrivateSubnetIds @@\n-subnet-0a1,subnet-0b2\n+subnet-0a1,subnet-0c3\n" in comment(RISKY)


def test_a_comment_ends_with_the_marker_of_its_deployment() -> None:
    assert comment(SMALL).endswith(f"\n{marker('users')}\n")
    assert marker("users") != marker("orders")


@pytest.mark.parametrize("limit", [3_000, 5_000, 8_000, 9_000])
def test_what_does_not_fit_is_least_harmful_and_counted(limit: int) -> None:
    whole, cut = comment(RISKY), comment(RISKY, limit)
    assert len(cut) <= limit < len(whole)
    assert cut.splitlines()[0] == whole.splitlines()[0]
    assert cut.endswith(f"{marker('users')}\n")
    assert "<code>VpcConnector</code> | **is replaced, the old one is deleted**" in cut
    left_out = sum(map(int, re.findall(r"(\d+) more (?:resources|rights|lists|refusals|warnings)", cut)))
    assert left_out > 0
    assert "build.py preview" in cut


def test_five_hundred_resources_fit() -> None:
    rows = [row(list(EFFECTS)[n % 7], f"Resource{n}", "x" * 400) for n in range(500)]
    refused = tuple(
        Refused(f"R{n}", "replaces the database", "KmsKeyId", "Do not. " * 30, "--allow") for n in range(500)
    )
    text = comment(review(*rows, refusals=refused))
    assert COMMENT_LIMIT * 0.9 < len(text) <= COMMENT_LIMIT
    assert text.count("<details>") == text.count("</details>")


def test_after_the_first_that_does_not_fit_nothing_less_harmful_is_shown() -> None:
    rows = [row("removes", "Long", "x\n" * 3_000), row("modifies", "Short")]
    text = comment(review(*rows), 2_000)
    assert "2 more resources' details" in text
    assert "<details>" not in text


def test_one_document_that_is_too_long_is_cut_within_its_fence() -> None:
    text = comment(review(row("modifies", value="\n".join(f"line {n}" for n in range(20_000)))))
    assert len(text) <= COMMENT_LIMIT
    assert re.search(r"\n… and \d+ more lines\n```\n\n</details>\n", text)


def test_nothing_in_a_value_is_taken_for_markdown() -> None:
    made = Row(
        HOSTILE, HOSTILE, "replaces", HOSTILE, HOSTILE, (Property(HOSTILE, HOSTILE, HOSTILE + "!", "Always", HOSTILE),)
    )
    right = Right(HOSTILE, "trust policy", "broader", HOSTILE, HOSTILE)
    refused = Refused(HOSTILE, HOSTILE, HOSTILE, HOSTILE, "--flag")
    stack = Stack(HOSTILE, (made,), (refused,), (right,), (Property(HOSTILE, HOSTILE, None),), (HOSTILE,), HOSTILE)
    text = comment(Review("users", {"account": HOSTILE}, (stack,)))
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    outside = re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL)
    assert "<script>" not in page
    assert "@user" not in outside
    assert page.count("<details>") == page.count("</details>") == 2
    assert len(re.findall("<td", page)) == 3
    assert len(re.findall("<h[1-6]", page)) == 4
