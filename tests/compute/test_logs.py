"""What a service has logged, against botocore's own stubs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.stub import ANY

from generator.compute.logs import Window, important_lines, last_lines, set_retention
from tests.stubbed import stubbed


def test_the_end_of_a_log_is_put_together_from_the_streams_that_began_last() -> None:
    with stubbed("logs") as (client, stubber):
        window = Window(datetime.fromtimestamp(1, UTC), datetime.fromtimestamp(9, UTC))
        begun = {"oldest": 0, "b": 4000, "later": 9001, "old": 1000, "a": 3000}
        streams = [{"logStreamName": name, "firstEventTimestamp": moment} for name, moment in begun.items()]
        newest = {"logGroupName": "g", "orderBy": "LastEventTime", "descending": True}
        stubber.add_response("describe_log_streams", {"logStreams": streams}, newest)
        for name, events in (("b", [(4, "third\n"), (6, "fifth")]), ("a", [(3, "second"), (5, "fourth")]), ("old", [])):
            asked = {"logGroupName": "g", "logStreamName": name, "limit": 3, "startFromHead": False}
            found = [{"timestamp": moment, "message": message} for moment, message in events]
            stubber.add_response("get_log_events", {"events": found}, {**asked, "startTime": 1000, "endTime": 9001})
        assert last_lines(client, "g", window, 3) == ["third", "fourth", "fifth"]


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException"])
def test_a_log_that_cannot_be_read_is_empty(code: str) -> None:
    with stubbed("logs") as (client, stubber):
        stubber.add_client_error("describe_log_streams", code)
        assert last_lines(client, "g") == []


def test_routine_is_left_out_of_a_log_unless_there_is_nothing_else() -> None:
    routine = '{"level": "INFO", "message": "request"}'
    assert important_lines([routine, "Traceback", '{"level": "ERROR"}', "3", routine]) == [
        "Traceback",
        '{"level": "ERROR"}',
        "3",
    ]
    assert important_lines([routine]) == [routine]


def test_only_a_log_group_without_a_retention_gets_one() -> None:
    with stubbed("logs") as (client, stubber):
        for name, retention in (("a", {}), ("b", {"retentionInDays": 7})):
            groups = [{"logGroupName": name, **retention}, {"logGroupName": f"{name}-other"}]
            stubber.add_response("describe_log_groups", {"logGroups": groups}, {"logGroupNamePrefix": name})
            if not retention:
                stubber.add_response("put_retention_policy", {}, {"logGroupName": "a", "retentionInDays": ANY})
        stubber.add_response("describe_log_groups", {"logGroups": []}, {"logGroupNamePrefix": "c"})
        assert set_retention(client, ("a", "b", "c")) == ["a"]
