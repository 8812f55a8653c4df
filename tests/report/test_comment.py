from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from generator.report.as_json import preview_document
from generator.report.comment import COMMENT_LIMIT, Heading, marker
from generator.report.results import Plan, outcome, summary, verdict
from generator.report.text import plan_lines
from generator.review.quantities import Billed
from generator.review.rights import Right
from generator.stacks.change_set import Change, PropertyChange
from generator.stacks.events import Finding
from generator.stacks.guard import Refusal
from tests.report.reviews import EFFECTS, REFUSED, REVIEWS, RISKY, SMALL, Preview, change, stack, template

COMMENTS = Path(__file__).parents[2] / "docs" / "comments"
HOSTILE = "a|b `c` @user *d* <script>x</script> </details>\n\n```\n# e"


def review(*changes: Change, **fields: Any) -> Preview:
    return Preview((stack("data", *changes, **fields),))


def row(effect: str, logical_id: str = "X", value: str = "b") -> Change:
    resource_type = "AWS::MemoryDB::Cluster" if effect == "loses-data" else "AWS::T::T"
    return change(logical_id, resource_type, effect, PropertyChange("P", "a", value, "", ""))


@pytest.mark.parametrize("name", REVIEWS)
def test_what_is_reviewed_is_in_the_templates(name: str) -> None:
    """But for what is added."""
    for plan in REVIEWS[name].plans:
        resources = template(plan.layer)["Resources"]
        known = [found for found in plan.changes if found.action != "Add"]
        assert [(found.logical_id, found.resource_type) for found in known] == [
            (found.logical_id, resources[found.logical_id]["Type"]) for found in known
        ]


@pytest.mark.parametrize("name", REVIEWS)
def test_the_committed_comments_are_what_is_made(name: str) -> None:
    assert REVIEWS[name].comment() == (COMMENTS / f"{name}.md").read_text()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            REFUSED,
            "Refused: Cluster replaces the database; Repository replaces the images, and the old one stays "
            "outside of the stack.",
        ),
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
def test_the_first_line_is_the_verdict(made: Preview, said: str) -> None:
    assert verdict(made.plans) == said
    assert made.comment().splitlines()[0] == f"### {said}"


def test_of_several_layers_each_is_named() -> None:
    right = Right("Role", "trust policy", "broader", "{}", "w")
    both = [stack(layer, row("replaces"), rights=(right, right)) for layer in ("data", "web")]
    assert verdict(both) == "Replaced: X (data), X (web). Broader rights: Role (data), Role (web)."
    refused = [replace(plan, refusals=(Refusal("X", "is replaced", "Tags", "No."),)) for plan in both]
    assert verdict(refused).startswith("Refused: X (data) is replaced; X (web) is replaced. ")
    assert verdict([both[0], stack("web")]) == "Replaced: X. Broader rights: Role."


def test_what_a_new_stack_grants_is_listed_and_not_called_broader() -> None:
    plan = stack("data", row("adds"), new=True, rights=(Right("X", "trust policy", "granted", "{}", "w"),))
    assert (outcome([plan]), verdict([plan]), plan.broadens) == ("modifies", "Nothing is lost or replaced.", True)
    assert summary([plan]) == "1 change: 1 added. Rights: 1 granted."
    assert "<summary>granted, <code>X</code>, trust policy: w</summary>" in Preview((plan,)).comment()
    assert "      granted, trust policy: w" in [line.text for line in plan_lines([plan])]


def test_many_added_resources_are_folded() -> None:
    added = [row("adds", f"A{number}") for number in range(6)]
    assert "<summary>6 resources are added</summary>" in review(*added).comment()
    assert "are added" not in review(*added[1:]).comment()
    assert "\n\n- <code>NatGatewayA</code> by usage" in RISKY.comment()


NO_IMAGE = stack("apprunner", seen=False, note="there is no such image. Push it first.", failed=True)
UNSEEN = "Could not be previewed: users-apprunner: there is no such image. Push it first."
NOT_NAMED = replace(NO_IMAGE, changes=(row("adds"), row("adds")), new=True)
NOT_EXPORTED = stack(
    "apprunner",
    row("replaces", "Service"),
    rights=(Right("Service", "security group", "different", "", "w"),),
    note="it imports a-B, which no stack exports.",
    failed=True,
)


@pytest.mark.parametrize(
    ("plans", "label", "said", "counted"),
    [
        ([stack("data"), NO_IMAGE], "failed", UNSEEN, "Nothing to change."),
        ([NO_IMAGE], "failed", UNSEEN, ""),
        ([stack("data", row("modifies")), NOT_NAMED], "failed", UNSEEN, "1 change: 1 modified."),
        (
            [stack("data"), NOT_EXPORTED],
            "failed",
            "Could not be previewed: users-apprunner: it imports a-B, which no stack exports.",
            "Nothing to change.",
        ),
        ([stack("data", row("replaces")), NO_IMAGE], "failed", f"{UNSEEN} Replaced: X.", "1 change: 1 replaced."),
        (
            [replace(REFUSED.plans[0], changes=()), NO_IMAGE],
            "refused",
            f"{UNSEEN} {verdict(REFUSED.plans)}",
            "Nothing to change.",
        ),
    ],
)
def test_a_failed_preview_is_said_first_and_never_good_news(
    plans: list[Plan], label: str, said: str, counted: str
) -> None:
    text = Preview(tuple(plans)).comment()
    assert text.startswith(f"### {said}\n\n")
    assert text.endswith(f"<!-- preview of users: {label} -->\n")
    assert summary(plans) == counted
    document = json.loads(preview_document(plans))
    assert (document["outcome"], document["verdict"]) == (label, said)
    assert document["layers"][-1]["failed"]
    assert [line.text for line in plan_lines(plans)][-1] in (said, "")


@pytest.mark.parametrize("effect", [effect for effect in EFFECTS if effect not in ("adds", "imports")])
def test_the_label_is_the_worst_that_happens(effect: str) -> None:
    assert outcome(review(row("modifies"), row(effect), row("adds")).plans) == effect


def test_rights_label_what_is_otherwise_harmless() -> None:
    right = Right("Role", "trust policy", "different", "{}", "w")
    assert outcome(review(row("adds"), rights=(right,)).plans) == "broader"
    assert outcome(review(row("adds"), rights=(replace(right, direction="narrower"),)).plans) == "modifies"
    assert outcome(review(row("replaces"), rights=(right,)).plans) == "replaces"
    assert outcome(review().plans) == "nothing"
    assert outcome(review(outputs=(PropertyChange("Url", "a", "b", "", ""),)).plans) == "modifies"


def test_the_summary_counts() -> None:
    assert summary(RISKY.plans).startswith(
        "36 changes: 2 replaced, 1 removed, 13 modified, 20 added. Rights: 4 broader, "
    )
    assert summary(review(row("loses-data"), row("loses-data")).plans) == "2 changes: 2 lose data."
    assert summary(review(row("loses-data")).plans) == "1 change: 1 loses data."


def test_a_refusal_names_its_flag_in_an_alert() -> None:
    text = REFUSED.comment()
    assert text.count("> [!CAUTION]") == 2
    assert "> To let it through: <code>--allow-replacement Cluster</code>" in text


def test_the_worst_comes_first_in_the_table_and_in_the_details() -> None:
    effects = list(EFFECTS)
    text = review(*(row(effect, f"R{number}") for number, effect in reversed(list(enumerate(effects))))).comment()
    found = re.findall(r"<code>R(\d)</code>", text)
    assert found == [str(number) for _ in range(2) for number in range(len(effects))]


def test_a_policy_is_shown_as_a_diff_of_its_lines_and_never_cut() -> None:
    text = RISKY.comment()
    assert '-                "secretsmanager:GetSecretValue"\n+                "secretsmanager:*"\n' in text
    (statement,) = re.findall(r"newly allows secretsmanager.*?```json\n(.*?)```", text, re.DOTALL)
    assert json.loads(statement)["Action"] == ["secretsmanager:*"]


def test_causes_are_told_for_each_property() -> None:
    text = RISKY.comment()
    assert "@@ NumShards, parameter Shards @@" in text
    assert "@@ Subnets, recreates the resource, follows PrivateSubnetB @@" in text


def follower(logical_id: str, *causes: str, effect: str = "modifies", **fields: Any) -> Change:
    properties = tuple(
        PropertyChange(f"P{number}", "a", "(known after deployment)", "", cause, **fields)
        for number, cause in enumerate(causes)
    )
    return change(logical_id, "AWS::T::T", effect, *properties)


SERVICE = row("modifies", "Service")


@pytest.mark.parametrize(
    ("changes", "folded"),
    [
        (
            [SERVICE, follower("A", "follows Service.Id"), follower("B", "follows Service.Id")],
            {("Service",): ["A", "B"]},
        ),
        (
            [SERVICE, follower("A", "follows Service"), follower("B", "follows A.Arn")],
            {("Service",): ["A"], ("A",): ["B"]},
        ),
        (
            [SERVICE, row("modifies", "Topic"), follower("A", "follows Service.Id, follows Topic", "follows Topic")],
            {("Service", "Topic"): ["A"]},
        ),
        # What it follows is replaced, and so is another value; or it is replaced itself.
        ([row("replaces", "Service"), follower("A", "follows Service.Id")], {}),
        ([SERVICE, follower("A", "follows Service.Id", effect="replaces")], {}),
        # Something else changes it too.
        ([SERVICE, follower("A", "follows Service.Id", "parameter Days")], {}),
        ([SERVICE, follower("A", "follows Service.Id, parameter Days")], {}),
        ([SERVICE, follower("A", "follows Service.Id", direct=True)], {}),
        ([SERVICE, follower("A", "follows Service.Id", deployed="c")], {}),
        ([SERVICE, follower("A", "follows Service.Id", "")], {}),
        ([SERVICE, replace(follower("A", "follows Service.Id"), unknown=("New: x",))], {}),
        ([SERVICE, replace(follower("A", "follows Service.Id"), drift="UNKNOWN")], {}),
    ],
)
def test_what_only_follows_a_change_in_place_is_one_line(
    changes: list[Change], folded: dict[tuple[str, ...], list[str]]
) -> None:
    plan = stack("web", *changes)
    assert {names: [found.logical_id for found in followers] for names, followers in plan.followers.items()} == folded
    names = {name for followers in folded.values() for name in followers}
    assert {found.logical_id for found in plan.listed} == {found.logical_id for found in changes} - names
    assert len(json.loads(preview_document([plan]))["layers"][0]["changes"]) == len(changes)


def test_followers_are_named_with_what_they_follow_and_direct_changes_come_first() -> None:
    plan = stack(
        "web",
        follower("Early", "follows Other.Id"),
        row("replaces", "Other"),
        *(follower(name, "follows Service.Id") for name in ("A", "B")),
        SERVICE,
    )
    assert [found.logical_id for found in plan.listed] == ["Other", "Service", "Early"]
    assert "\n  ~ 2 resources follow Service: A, B\n" in "\n".join(line.text for line in plan_lines([plan]))
    text = Preview((plan,)).comment()
    assert "| 2 resources follow <code>Service</code> | modified | <code>A</code>, <code>B</code> |\n" in text
    assert summary([plan]) == "5 changes: 1 replaced, 4 modified."


def with_tags(logical_id: str, effect: str = "modifies", path: str = "Tags", **fields: Any) -> Change:
    values = {"before": None, "after": None, **fields}
    return change(logical_id, "AWS::T::T", effect, PropertyChange(path, recreation="", cause="", **values))


def test_what_only_takes_the_tags_of_the_stack_is_one_line() -> None:
    both = replace(with_tags("Both"), properties=(*with_tags("Both").properties, *follower("Both", "").properties))
    in_full = (
        with_tags("Service", "replaces"),
        both,
        with_tags("Own", path="Tags.0.Value", before="a", after="b"),
        with_tags("Other", path="Size"),
    )
    plan = stack("web", with_tags("A"), *in_full, with_tags("B"))
    assert [found.logical_id for found in plan.listed] == ["Service", "Both", "Own", "Other"]
    assert "\n  ~ 2 resources take the stack's tags: A, B\n" in "\n".join(line.text for line in plan_lines([plan]))
    text = Preview((plan,)).comment()
    assert "| 2 resources take the stack's tags | modified | <code>A</code>, <code>B</code> |\n" in text
    assert len(json.loads(preview_document([plan]))["layers"][0]["changes"]) == 6
    assert "  ~ 1 resource takes the stack's tags: A" in [
        line.text for line in plan_lines([stack("web", with_tags("A"))])
    ]


def test_a_follower_whose_rights_change_is_listed() -> None:
    right = Right("A", "IAM statement", "different", "{}", "w")
    plan = stack("web", SERVICE, follower("A", "follows Service.Id"), rights=(right,))
    assert [found.logical_id for found in plan.listed] == ["Service", "A"]


def test_outputs_are_shown() -> None:
    assert "@@ PrivateSubnetIds @@\n-subnet-0a1,subnet-0b2\n+subnet-0a1,subnet-0c3\n" in RISKY.comment()


def test_a_comment_ends_with_the_marker_of_its_deployment() -> None:
    assert SMALL.comment().endswith("\n<!-- preview of users: modifies -->\n")


@pytest.mark.parametrize("limit", [3_000, 5_000, 8_000, 9_000])
def test_what_does_not_fit_is_least_harmful_and_counted(limit: int) -> None:
    whole, cut = RISKY.comment(), RISKY.comment(limit)
    assert len(cut) <= limit < len(whole)
    assert cut.splitlines()[0] == whole.splitlines()[0]
    assert cut.endswith(f"{marker('users', 'replaces')}\n")
    assert "<code>VpcConnector</code> | **is replaced, the old one is deleted**" in cut
    left_out = sum(map(int, re.findall(r"(\d+) more (?:resources|rights|lists|refusals|warnings)", cut)))
    assert left_out > 0
    assert "build.py preview" in cut


def test_five_hundred_resources_fit() -> None:
    rows = [row(list(EFFECTS)[n % 7], f"Resource{n}", "x" * 400) for n in range(500)]
    refused = tuple(Refusal(f"R{n}", "replaces the database", "KmsKeyId", "Do not. " * 30) for n in range(500))
    text = review(*rows, refusals=refused).comment()
    assert COMMENT_LIMIT * 0.9 < len(text) <= COMMENT_LIMIT
    assert text.count("<details>") == text.count("</details>")


def test_after_the_first_that_does_not_fit_nothing_less_harmful_is_shown() -> None:
    rows = [row("removes", "Long", "x\n" * 3_000), row("modifies", "Short")]
    text = review(*rows).comment(1_800)
    assert "2 more resources' details" in text
    assert "<details>" not in text


def test_one_document_that_is_too_long_is_cut_within_its_fence() -> None:
    text = review(row("modifies", value="\n".join(f"line {n}" for n in range(20_000)))).comment()
    assert len(text) <= COMMENT_LIMIT
    assert re.search(r"\n… and \d+ more lines\n```\n\n</details>\n", text)


def test_nothing_in_a_value_is_taken_for_markdown() -> None:
    property_change = PropertyChange(HOSTILE, HOSTILE, HOSTILE + "!", "Always", HOSTILE)
    made = change(HOSTILE, HOSTILE, "replaces", property_change, physical_id=HOSTILE)
    plan = Plan(
        "data",
        HOSTILE,
        (made,),
        (Refusal(HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        note=HOSTILE,
        image=HOSTILE,
        rights=(Right(HOSTILE, "trust policy", "broader", HOSTILE, HOSTILE),),
        outputs=(PropertyChange(HOSTILE, HOSTILE, None, "", ""),),
        findings=(Finding(HOSTILE, HOSTILE, HOSTILE, blocking=False),),
    )
    text = Preview((plan,), Heading("users", HOSTILE, HOSTILE)).comment()
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    outside = re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL)
    assert "<script>" not in page
    assert "@user" not in outside
    assert page.count("<details>") == page.count("</details>") == 2
    assert len(re.findall("<td", page)) == 3
    assert len(re.findall("<h[1-6]", page)) == 4


def test_what_was_changed_by_hand_has_three_values() -> None:
    retention = PropertyChange("RetentionInDays", "3", "14", "Never", "parameter Days", deployed="30")
    made = review(change("Logs", "AWS::Logs::LogGroup", "modifies", retention)).comment()
    assert "| <code>Logs</code> | modified | <code>RetentionInDays</code> (changed by hand, parameter Days) |" in made
    assert "@@ RetentionInDays, parameter Days, changed by hand, deployed: 30 @@\n-3\n+14\n" in made


@pytest.mark.parametrize("status", ["UNKNOWN", "UNSUPPORTED"])
def test_a_resource_that_was_not_compared_is_said_to_be_so(status: str) -> None:
    vpc = change("Vpc", "AWS::EC2::VPC", "modifies")
    assert "manual changes are not seen: it c" in review(replace(vpc, drift=status)).comment()
    assert "not seen" not in review(replace(vpc, drift="IN_SYNC")).comment()


def test_a_finding_that_blocks_is_a_caution() -> None:
    finding = Finding("Cluster", "NAME", "taken", blocking=True)
    assert "> [!CAUTION]\n> " in review(findings=(finding,)).comment()
    assert "> [!WARNING]\n> " in review(findings=(replace(finding, blocking=False),)).comment()


def test_costs_without_a_price_list_have_no_money() -> None:
    billed = Billed({"alarm": Decimal(2)})
    plain, priced = (replace(review(billed=billed), prices=prices).comment() for prices in (None, RISKY.prices))
    assert "| quantity | change | per month |\n|---|---:|---:|\n| <code>alarm</code> | +2 |  |\n" in plain
    assert "Prices of" not in plain
    assert "| quantity | change | USD per month |" in priced
    assert "Prices of" in priced
