from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from generator.compute import Outcome
from generator.errors import UsageError
from generator.report.as_json import outputs_document, preview_document, status_document
from generator.report.comment import Heading, comment
from generator.report.results import (
    LastOperation,
    LayerStatus,
    LogLine,
    Plan,
    Removal,
    Result,
    RotationPlan,
    ServiceStatus,
    happens,
    rehearsed,
    summary,
)
from generator.report.text import lines as result_lines
from generator.report.text import log_line, plan_lines
from generator.review.quantities import Billed, Prices
from generator.review.rights import Right
from generator.stacks.change_set import Change, Effect, PropertyChange
from generator.stacks.cloudformation import Stack
from generator.stacks.drift import PropertyDrift, ResourceDrift, StackDrift
from generator.stacks.events import Finding
from generator.stacks.guard import Refusal
from generator.stacks.inventory import Inventory, StackResource
from tests.report.reviews import HEADING

CLUSTER = Change(
    action="Modify",
    logical_id="Cluster",
    resource_type="AWS::MemoryDB::Cluster",
    physical_id="db-51af3dc0",
    replacement="True",
    policy_action="ReplaceAndDelete",
    properties=(PropertyChange("KmsKeyId", None, "arn:aws:kms:k", "Always", "parameter KmsKeyArn"),),
    holds_data=True,
)
SERVICE = Change(
    action="Modify",
    logical_id="Service",
    resource_type="AWS::AppRunner::Service",
    physical_id="arn:service",
    replacement="False",
    properties=(PropertyChange("InstanceConfiguration.Cpu", "1024", "2048", "Never", "parameter Cpu"),),
)
ADDED = Change(action="Add", logical_id="Topic", resource_type="AWS::SNS::Topic")
STRANGE = Change(action="Transmogrify", logical_id="What", resource_type="T", unknown=("NewThing: surprise",))
REFUSED = Refusal("Cluster", "replaces the database", "KmsKeyId", "Side by side.")

DATA = Plan("data", "users-data", (CLUSTER, ADDED), (REFUSED,))
COMPUTE = Plan("apprunner", "users-apprunner", (SERVICE,))

TEXT = """\
users-data:
  ! Cluster  AWS::MemoryDB::Cluster  db-51af3dc0
      is replaced, the old one is deleted
      KmsKeyId  (none) → arn:aws:kms:k  recreates it  (parameter KmsKeyArn)
  + Topic  AWS::SNS::Topic
  refused: Cluster: replaces the database (KmsKeyId).
    Side by side.
    To do it anyway: --allow-replacement Cluster

users-apprunner:
  ~ Service  AWS::AppRunner::Service  arn:service
      InstanceConfiguration.Cpu  1024 → 2048  (parameter Cpu)

! loses data, ~ modified, + added
3 changes: 1 loses data, 1 modified, 1 added.
Refused: Cluster replaces the database."""


def lines(*plans: Plan) -> str:
    return "\n".join(line.text for line in plan_lines(plans))


def shown(result: Result) -> list[str]:
    return [line.text for line in result_lines(result)]


def document(status: LayerStatus) -> dict[str, Any]:
    (found,) = json.loads(status_document([status]))["stacks"]
    return dict(found)


def test_text_has_each_resource_what_happens_to_it_and_why() -> None:
    assert lines(DATA, COMPUTE) == TEXT


BROADER = Right("Cluster", "IAM statement", "broader", '{"Effect": "Allow"}', "newly allows a")


@pytest.mark.parametrize(
    ("plan", "effect"),
    [
        (DATA, Effect.LOSES_DATA),
        (replace(COMPUTE, failed=True), Effect.LOSES_DATA),
        (Plan("data", "s", (STRANGE,)), Effect.UNKNOWN),
        (replace(COMPUTE, rights=(BROADER,)), Effect.UNKNOWN),
        (COMPUTE, None),
    ],
)
def test_the_verdict_has_the_effect_of_what_decides(plan: Plan, effect: Effect | None) -> None:
    assert list(plan_lines([plan]))[-1].effect == effect


def test_json_has_a_version_and_all_that_is_known() -> None:
    found = json.loads(preview_document([DATA, COMPUTE]))
    assert found["version"] == 1
    assert found["summary"] == "3 changes: 1 loses data, 1 modified, 1 added."
    cluster = found["layers"][0]["changes"][0]
    assert (cluster["effect"], cluster["policyAction"]) == ("loses-data", "ReplaceAndDelete")
    assert cluster["properties"][0] == {
        "path": "KmsKeyId",
        "before": None,
        "after": "arn:aws:kms:k",
        "deployed": None,
        "recreation": "Always",
        "cause": "parameter KmsKeyArn",
    }
    assert found["layers"][0]["refusals"][0]["logicalId"] == "Cluster"


def test_nothing_to_change_is_one_line() -> None:
    nothing = Plan("data", "users-data", ())
    assert lines(nothing) == "users-data: nothing to change.\n"
    assert summary([nothing]) == "Nothing to change."


def test_an_unknown_action_is_shown() -> None:
    text = lines(Plan("data", "s", (STRANGE,)))
    assert "? What  T\n      Transmogrify\n      NewThing: surprise" in text
    assert "not understood" in text
    assert "NewThing: surprise" in preview_document([Plan("data", "s", (STRANGE,))])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"action": "Modify", "replacement": "Conditional"}, "may be replaced"),
        (
            {"action": "Modify", "replacement": "True", "policy_action": "ReplaceAndRetain"},
            "is replaced, the old one stays",
        ),
        ({"action": "Remove", "policy_action": "Retain"}, "leaves the stack and stays"),
        ({"action": "Remove", "policy_action": "Delete"}, "is deleted"),
        ({"action": "Remove", "policy_action": "Evaporate"}, "Evaporate"),
        ({"action": "SyncWithActual"}, "stays as it is, and counts as drifted no longer"),
        ({"action": "Add", "drift": "DELETED"}, "was deleted by hand, is created again"),
        ({"action": "Add"}, ""),
    ],
)
def test_what_happens_in_words(fields: dict[str, Any], words: str) -> None:
    assert happens(Change(logical_id="A", resource_type="T", **fields)) == words


def test_a_warning_of_cloudformation_is_shown_in_every_form() -> None:
    found = Finding("", "", "No export named users-data-VpcId found <late>.", blocking=False)
    plan = Plan("apprunner", "users-apprunner", (ADDED,), findings=(found,))
    assert "  warning: No export named users-data-VpcId found <late>." in lines(plan)
    assert "> [!WARNING]\n> No export named users-data-VpcId found &lt;late&gt;.\n" in comment([plan], HEADING)
    (layer,) = json.loads(preview_document([plan]))["layers"]
    assert layer["findings"] == [
        {"where": "", "rule": "", "reason": "No export named users-data-VpcId found <late>.", "blocking": False}
    ]
    assert "arning" not in "".join((comment([COMPUTE], HEADING), lines(COMPUTE)))


def test_a_plan_from_the_template_has_its_note() -> None:
    unseen = Plan("apprunner", "users-apprunner", (ADDED,), new=True, seen=False, note="cannot be previewed yet.")
    assert lines(unseen).startswith("users-apprunner: cannot be previewed yet. Its template has:\n  + Topic")
    assert summary([unseen]) == "Up to 1 added in users-apprunner."
    assert summary([DATA, unseen]) == f"{summary([DATA])} Up to 1 added in users-apprunner."


def test_a_kept_change_set_is_named_with_its_link() -> None:
    assert "change set: arn:x\n  https://console" in lines(
        Plan("data", "s", (ADDED,), kept="arn:x", console="https://console")
    )


def test_a_long_value_is_cut_and_its_length_shown() -> None:
    long = PropertyChange("Body", None, "x" * 1000, "Never", "")
    text = lines(Plan("data", "s", (Change("Modify", "A", "T", properties=(long,)),)))
    assert f"{'x' * 160}… (1000 characters)" in text
    assert "x" * 161 not in text


def variables(key: str = "Value", **values: str) -> str:
    return json.dumps([{"Name": name, key: value} for name, value in values.items()])


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (variables(A="1", B="2"), variables(A="1", B="2", C="3"), ["P.C.Value  (none) → 3"]),
        (variables(A="1", B="2", C="3"), variables(C="4", A="1"), ["P.B.Value  2 → (none)", "P.C.Value  3 → 4"]),
        (variables("ValueFrom", A="arn:a"), variables("ValueFrom", A="arn:b"), ["P.A.ValueFrom  arn:a → arn:b"]),
        # A hidden value may have changed.
        (
            variables(P="(hidden)"),
            variables(P="(hidden)", Q="1"),
            ["P.P.Value  (hidden) → (hidden)", "P.Q.Value  (none) → 1"],
        ),
        # Another order, another form, a name twice.
        (variables(A="1", B="2"), variables(B="2", A="1"), None),
        (variables(A="1"), "[]", None),
        ('[{"Name": "A", "Value": "1", "Unit": "s"}]', variables(A="1"), None),
        ('[{"Name": "A", "Value": "1"}, {"Name": "A", "Value": "2"}]', variables(A="1"), None),
        ('{"Name": "A", "Value": "1"}', variables(A="1"), None),
        (variables(A="1"), "(known after deployment)", None),
    ],
)
def test_of_a_list_of_named_values_those_that_differ_are_shown(
    before: str, after: str, shown: list[str] | None
) -> None:
    change = Change("Modify", "Service", "AWS::T::T", properties=(PropertyChange("P", before, after, "Never", ""),))
    _, _, *found = [line.text for line in plan_lines([Plan("web", "users-web", (change,))])][: 2 + len(shown or "1")]
    assert found == [f"      {line}" for line in shown or [f"P  {before} → {after}"]]


def test_of_two_long_values_what_differs_is_shown() -> None:
    long = PropertyChange("Policies", "a" * 500 + "old" + "b" * 500, "a" * 500 + "new", "Never", "")
    text = lines(Plan("data", "s", (Change("Modify", "A", "T", properties=(long,)),)))
    assert f"Policies  …{'a' * 20}old{'b' * 137}… (1003 characters) → …{'a' * 20}new (503 characters)" in text


def test_a_status_has_the_last_operation_and_its_cause() -> None:
    stack = Stack("users-data", "arn:aws:cloudformation:eu-west-1:1:stack/users-data/1", "UPDATE_ROLLBACK_COMPLETE")
    began = datetime(2026, 11, 25, 12, 3, 4, tzinfo=UTC)
    status = LayerStatus(
        "users-data", stack, operation=LastOperation("UPDATE_STACK", "7", Outcome.FAILED, began, "Cluster (T): full")
    )
    assert shown(status) == [
        "users-data: UPDATE_ROLLBACK_COMPLETE",
        "  last operation: UPDATE_STACK failed, begun 2026-11-25T12:03:04Z",
        "  cause: Cluster (T): full",
    ]
    assert list(result_lines(status))[2].effect is Effect.LOSES_DATA
    found = document(status)
    assert found["cause"] == "Cluster (T): full"
    assert found["lastOperation"] == {
        "type": "UPDATE_STACK",
        "id": "7",
        "outcome": "failed",
        "began": "2026-11-25T12:03:04Z",
        "cause": "Cluster (T): full",
    }


def test_a_status_names_the_url_first_and_how_the_service_answers() -> None:
    outputs = {
        "DashboardUrl": "d",
        "PushCommands": "TAG=1 && docker",
        "ServiceUrl": "https://a",
        "UsersPushCommands": "b",
    }
    stack = Stack("web", "arn:aws:cloudformation:eu-west-1:1:stack/web/1", "CREATE_COMPLETE", outputs=outputs)
    service = ServiceStatus("RUNNING", "CREATE_SERVICE", "i", True, "https://a", True, {"/live": "200", "/": "503"})
    assert shown(LayerStatus("web", stack, service))[1:] == [
        "  ServiceUrl: https://a",
        "  DashboardUrl: d",
        "  runs: RUNNING, after CREATE_SERVICE",
        "  image: i",
        "  GET /live: 200",
        "  GET /: 503",
    ]
    assert shown(stack) == ["ServiceUrl: https://a", "DashboardUrl: d"]


SERVICE_STATUS = ServiceStatus(
    "RUNNING", "UPDATE", "image:1", False, "https://a", True, {"/ready": "200"}, "", "another image runs"
)
DRIFT = StackDrift(
    resources=(ResourceDrift("Cluster", "MODIFIED", (PropertyDrift("NumShards", "1", "2"),)),),
    failures={"": "one region is down", "Vpc": "denied"},
    unchecked={"B": "AWS::T::T", "A": "AWS::T::T", "C": "AWS::S::S"},
)
STACK = Stack("users-data", "arn:s", "CREATE_COMPLETE", outputs={"Url": "https://a", "Arn": "arn:a"})


def status_lines(**fields: Any) -> list[str]:
    return shown(LayerStatus("users-data", STACK, **fields))[3:]


def test_a_status_has_the_service_as_it_runs() -> None:
    assert status_lines(service=replace(SERVICE_STATUS, fault="")) == [
        "  runs: RUNNING, after UPDATE",
        "  image: image:1, which is not the one that was deployed",
        "  GET /ready: 200",
    ]
    private = replace(SERVICE_STATUS, fault="", public=False, answers={}, as_deployed=True)
    assert status_lines(service=private)[1:] == [
        "  image: image:1",
        "  not checked: the service can be reached inside its VPC only",
    ]
    status = LayerStatus("users-data", STACK, SERVICE_STATUS)
    assert "  cause: another image runs" in shown(status)
    found = document(status)
    assert found["service"] == {
        "status": "RUNNING",
        "operation": "UPDATE",
        "image": "image:1",
        "asDeployed": False,
        "url": "https://a",
        "public": True,
        "answers": {"/ready": "200"},
        "build": None,
        "fault": "another image runs",
        "errorRate": None,
    }
    assert (found["lastOperation"], found["cause"]) == (None, "another image runs")


def test_a_status_has_the_drift() -> None:
    assert status_lines(drift=DRIFT) == [
        "  drift: Cluster is MODIFIED",
        "    NumShards: 1 is 2",
        "  drift detection failed: one region is down",
        "  drift detection failed for Vpc: denied",
        "  drift not checked, AWS::S::S: C",
        "  drift not checked, AWS::T::T: A, B",
    ]
    assert status_lines(drift=StackDrift()) == ["  no drift"]
    assert status_lines(drift=StackDrift(unchecked={"A": "T"}))[-1] == "  no drift in what was checked"
    found = document(LayerStatus("users-data", STACK, drift=DRIFT))
    assert found["drift"] == [
        {
            "logicalId": "Cluster",
            "status": "MODIFIED",
            "properties": [{"path": "NumShards", "expected": "1", "actual": "2"}],
        }
    ]
    assert (found["driftFailures"], found["driftUnchecked"]) == (DRIFT.failures, DRIFT.unchecked)


def test_a_stack_that_does_not_exist_is_shown_so() -> None:
    missing = LayerStatus("users-data", None)
    assert shown(missing) == ["users-data: does not exist"]
    assert document(missing) == {"stackName": "users-data", "status": None, "outputs": {}}
    assert json.loads(outputs_document([missing])) == {"users-data": {}}
    assert list(json.loads(outputs_document([LayerStatus("users-data", STACK)]))["users-data"]) == ["Arn", "Url"]


def test_a_deletion_names_what_goes_and_what_stays() -> None:
    resources = (
        StackResource("Repository", "images", "AWS::ECR::Repository", retained=False),
        StackResource("Vpc", "vpc-1", "AWS::EC2::VPC", retained=False),
        StackResource("Secret", "arn:p", "AWS::SecretsManager::Secret", retained=True),
    )
    inventory = Inventory(STACK, resources, "", declares_cluster=False)
    assert shown(Removal((inventory,), {"users-data": ("the password",)}, {"images": 2})) == [
        "users-data will be deleted, with:",
        "  - Repository  AWS::ECR::Repository  images, with 2 images",
        "  - Vpc  AWS::EC2::VPC  vpc-1",
        "  kept: the password",
    ]


@pytest.mark.parametrize(
    ("continues", "what"), [(False, "a new password will be set"), (True, "an unfinished rotation will be continued")]
)
def test_a_rotation_names_users_and_services(continues: bool, what: str) -> None:
    plan = RotationPlan(("users-data",), ("user-1",), ("users-apprunner",), continues)
    assert shown(plan) == [
        f"users-data: {what} for user-1",
        "  users-apprunner will be redeployed",
    ]


def test_a_property_and_a_right_have_their_effect() -> None:
    changed = PropertyChange("Days", "3", "14", "Conditionally", "parameter Days", deployed="")
    harmless = PropertyChange("Name", None, None, "Never", "")
    change = replace(CLUSTER, properties=(changed, harmless))
    rights = (BROADER, replace(BROADER, direction="narrower", rule="b"), replace(BROADER, logical_id="Other"))
    assert [(line.text, line.effect) for line in plan_lines([Plan("data", "s", (change,), rights=rights)])][3:8] == [
        (
            "      Days  3 → 14  (changed by hand; deployed: (none))  may recreate it  (parameter Days)",
            Effect.LOSES_DATA,
        ),
        ("      Name", None),
        ("      broader, IAM statement: newly allows a", Effect.UNKNOWN),
        ("      narrower, IAM statement: newly allows a: b", None),
        ("", None),
    ]


def test_outputs_and_costs_are_lines_of_a_plan() -> None:
    output = PropertyChange("Url", "a", "b", "", "")
    text = lines(Plan("data", "s", (), outputs=(output,), billed=Billed({"alarm": Decimal(2)}, {}, {"X": "not known"})))
    assert "\n  output Url  a → b\n  cost: +2 alarm\n  cost: X: not known\n" in text
    assert "cost" not in lines(Plan("data", "s", (), outputs=(output,)))


def test_json_has_what_is_billed_and_the_rights_of_each_resource() -> None:
    prices = Prices("r", "EUR", "d", {"alarm": Decimal("0.105")})
    right = Right("Cluster", "IAM statement", "broader", "b", "why")
    billed = Billed({"alarm": Decimal(2), "secret": Decimal(-1)})
    plan = replace(DATA, billed=billed, rights=(right, replace(right, logical_id="Topic")), kept="arn:cs")
    (layer,) = json.loads(preview_document([plan], prices))["layers"]
    assert layer["cost"] == {
        "quantities": {"alarm": 2, "secret": -1},
        "perMonth": {"alarm": 0.21},
        "currency": "EUR",
        "usage": {},
        "unknown": {},
    }
    assert [[right["rule"] for right in change["rights"]] for change in layer["changes"]] == [["b"], ["b"]]
    assert (layer["changeSet"], layer["note"], layer["permissionsBroadened"]) == ("arn:cs", None, True)
    (layer,) = json.loads(preview_document([DATA]))["layers"]
    assert (layer["cost"]["perMonth"], layer["cost"]["currency"], layer["changeSet"]) == ({}, None, None)


def test_a_line_of_a_log_has_its_time_in_utc_and_its_stream() -> None:
    moment = datetime(2026, 11, 25, 12, 3, 4, 5000, tzinfo=UTC)
    assert log_line(LogLine(moment, "instance/a", "text")) == "2026-11-25T12:03:04.005Z instance/a text"
    assert log_line(LogLine(moment, "", "--- deployment 1 started ---")) == "--- deployment 1 started ---"


def test_a_preview_names_the_result_of_a_rehearsal_in_every_format() -> None:
    result = {"from": "v1", "summary": "3,412 requests, 0 failed; 200 users, 0 lost", "reasons": []}
    line = rehearsed(json.dumps(result), "it")
    assert line == "Rehearsed from v1: 3,412 requests, 0 failed; 200 users, 0 lost."
    assert line in [found.text for found in plan_lines([DATA], rehearsal=line)]
    assert json.loads(preview_document([DATA], rehearsal=line))["rehearsal"] == line
    assert f"\n\n{line}\n\n" in comment([DATA], Heading("users", rehearsal=line))


def test_a_rehearsal_that_does_not_hold_is_named_with_its_first_reason() -> None:
    upgrade = {"from": "v1", "summary": "2 users, 0 lost", "reasons": ["interrupted: a", "b"]}
    line = rehearsed(json.dumps(upgrade), "it")
    assert line == "Rehearsed from v1: 2 users, 0 lost. Does not hold: interrupted: a"
    deployment = {"summary": "8 steps, 1 failed", "reasons": ["rotation failed"]}
    assert rehearsed(json.dumps(deployment), "it") == "Rehearsed: 8 steps, 1 failed. Does not hold: rotation failed"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"from": "v1", "summary": ""}'])
def test_another_file_is_no_result_of_a_rehearsal(text: str) -> None:
    with pytest.raises(UsageError, match=r"x\.json is not a result of `rehearse`: "):
        rehearsed(text, "x.json")
