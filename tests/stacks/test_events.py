from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from generator.stacks.events import (
    Event,
    Operation,
    advice,
    event,
    first_failure,
    in_progress,
    last_operation,
    left_behind,
    still_running,
)

STACK = "AWS::CloudFormation::Stack"


def an_event(logical_id: str, status: str, reason: str = "", resource_type: str = "T") -> Event:
    physical = "arn:stack" if resource_type == STACK else "x"
    moment = datetime(2026, 1, 1)
    return Event(
        f"{logical_id}-{status}", moment, logical_id, physical, resource_type, status, reason, stack_id="arn:stack"
    )


def test_the_first_failure_is_the_one_with_a_reason_of_its_own() -> None:
    events = [
        an_event("Other", "CREATE_FAILED", "Resource creation cancelled"),
        an_event("Cluster", "CREATE_FAILED", "Quota exceeded"),
        an_event("Late", "CREATE_FAILED", "Something else"),
        an_event("users-data", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed", STACK),
    ]
    failure = first_failure(events)
    assert failure
    assert (failure.logical_id, failure.reason) == ("Cluster", "Quota exceeded")


def test_a_failure_without_any_reason_is_better_than_none() -> None:
    failure = first_failure([an_event("A", "UPDATE_FAILED")])
    assert failure
    assert failure.logical_id == "A"
    assert first_failure([an_event("A", "CREATE_COMPLETE")]) is None


def test_where_no_resource_failed_the_stack_has_the_reason() -> None:
    stack = an_event("users-data", "UPDATE_ROLLBACK_IN_PROGRESS", "Export X cannot be updated", STACK)
    failure = first_failure([stack])
    assert failure
    assert failure.reason == "Export X cannot be updated"
    earlier = first_failure([stack, an_event("A", "UPDATE_FAILED")])
    assert earlier
    assert earlier.logical_id == "A"


def test_what_failed_in_the_rollback_only_is_said_once() -> None:
    rollback = an_event("users-data", "UPDATE_ROLLBACK_IN_PROGRESS", "Export X cannot be updated", STACK)
    operation = Operation((rollback, an_event("A", "UPDATE_FAILED", "not now")))
    assert operation.cause == "A (T): not now"


@pytest.mark.parametrize(
    ("mode", "cause"),
    [("FAIL", "Cluster (T): too large (Company::Guard)"), ("WARN", "Cluster (T): The following hook(s) failed")],
)
def test_a_hook_that_refuses_is_the_cause_where_only_events_can_be_read(mode: str, cause: str) -> None:
    hook = {"HookType": "Company::Guard", "HookStatus": "HOOK_COMPLETE_FAILED", "HookStatusReason": "too large"}
    common = {"EventId": "1", "Timestamp": datetime(2026, 1, 1), "LogicalResourceId": "Cluster", "ResourceType": "T"}
    refused = event({**common, **hook, "HookFailureMode": mode, "ResourceStatus": "CREATE_IN_PROGRESS"})
    reason = {"ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "The following hook(s) failed"}
    assert Operation((refused, event({**common, **reason}))).cause == cause


def test_the_last_operation_begins_with_the_stacks_own_event() -> None:
    """A nested stack's event, and that of a rollback, begin none."""
    names = ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE")
    begins, rolls_back, ends = (an_event("users-data", status, "", STACK) for status in names)
    nested = replace(an_event("Nested", "UPDATE_IN_PROGRESS", "", STACK), physical_id="arn:nested")
    before = an_event("users-data", "CREATE_COMPLETE", "", STACK)
    found = last_operation([ends, rolls_back, nested, begins, before])
    assert found == (begins, nested, rolls_back, ends)
    assert Operation(found).kind == "UPDATE_STACK"


def test_deletions_that_failed_are_found_behind_success() -> None:
    events = [an_event("Group", "DELETE_FAILED", "in use"), an_event("users-data", "UPDATE_COMPLETE", "", STACK)]
    assert [event.logical_id for event in left_behind(events)] == ["Group"]


def test_what_still_runs_has_started_and_not_ended() -> None:
    events = [
        an_event("A", "CREATE_IN_PROGRESS"),
        an_event("B", "CREATE_IN_PROGRESS"),
        an_event("A", "CREATE_COMPLETE"),
    ]
    assert [event.logical_id for event in still_running(events)] == ["B"]


@pytest.mark.parametrize(
    ("status", "works"),
    [
        ("CREATE_IN_PROGRESS", True),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", True),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", True),
        ("REVIEW_IN_PROGRESS", False),
        ("CREATE_COMPLETE", False),
        ("UPDATE_ROLLBACK_FAILED", False),
    ],
)
def test_a_stack_that_waits_for_its_first_change_set_is_not_in_progress(status: str, works: bool) -> None:
    assert in_progress(status) is works


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("ROLLBACK_COMPLETE", "--recreate"),
        ("CREATE_FAILED", "--recreate"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name users-data"),
        ("DELETE_FAILED", "why its deletion failed"),
        ("CREATE_COMPLETE", ""),
        ("UPDATE_ROLLBACK_COMPLETE", ""),
        ("REVIEW_IN_PROGRESS", ""),
    ],
)
def test_advice_says_what_to_type(status: str, words: str) -> None:
    assert words in advice(status, "users-data")
    assert bool(words) == bool(advice(status, "users-data"))
