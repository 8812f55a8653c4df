"""What a service has logged, and for how long that is kept. The client of CloudWatch Logs is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

# As many are shown of those that say something, and read to find them.
LINES_SHOWN = 10
LINES_READ = 100
RETENTION_DAYS = 30


def last_lines(logs: Any, group: str, number: int = LINES_READ) -> list[str]:
    """The last lines of a log group, from its newest streams; none where there is no such group."""
    try:
        streams = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True, limit=3)
        events: list[Mapping[str, Any]] = []
        for stream in streams["logStreams"]:
            found = logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], limit=number, startFromHead=False
            )
            events += found["events"]
    except (BotoCoreError, ClientError):
        # A log that cannot be read must not hide what it was wanted for.
        return []
    return [str(event["message"]).rstrip() for event in sorted(events, key=lambda event: event["timestamp"])][-number:]


def telling(lines: list[str]) -> list[str]:
    """Those lines of a log that are more than routine: all that are no JSON object of level DEBUG or INFO; all of them
    where none is."""

    def level(line: str) -> str:
        with suppress(ValueError):
            document = json.loads(line)
            return str(document.get("level", "")).upper() if isinstance(document, dict) else ""
        return ""

    return [line for line in lines if level(line) not in ("DEBUG", "INFO")] or lines


def keep_for(logs: Any, groups: tuple[str, ...], days: int = RETENTION_DAYS) -> list[str]:
    """Gives those of the log groups a retention that have none and so would be kept for ever; their names."""
    changed = []
    for group in groups:
        found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        for one in found:
            if one["logGroupName"] == group and "retentionInDays" not in one:
                logs.put_retention_policy(logGroupName=group, retentionInDays=days)
                changed.append(group)
    return changed
