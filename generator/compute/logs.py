"""The last lines of a service's logs, and how long they are kept. The client of CloudWatch Logs is passed in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from generator.aws.calls import pages

# Lines that are shown, and lines that are read to find them.
LINES_SHOWN = 10
LINES_READ = 100
# Streams that are read: those of the newest instances.
STREAMS_READ = 3
RETENTION_DAYS = 30


@dataclass(frozen=True)
class Window:
    """A time, both ends included."""

    since: datetime
    until: datetime


ALWAYS = Window(datetime.fromtimestamp(0, UTC), datetime.max.replace(tzinfo=UTC))


def milliseconds(moment: datetime) -> int:
    return round(1000 * moment.timestamp())


def last_lines(logs: Any, group: str, window: Window = ALWAYS, number: int = LINES_READ) -> list[str]:
    """The last lines that a log group got in a time, from the streams that began last until then; empty if it cannot be
    read. Lines of the version before are mostly in earlier streams."""
    first, last = milliseconds(window.since), milliseconds(window.until)
    try:
        # All pages would be all instances that ever ran.
        streams = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True)["logStreams"]
        begun = [stream for stream in streams if stream.get("firstEventTimestamp", 0) <= last]
        newest = sorted(begun, key=lambda stream: stream.get("firstEventTimestamp", 0), reverse=True)[:STREAMS_READ]
        events: list[Mapping[str, Any]] = []
        for stream in newest:
            found = logs.get_log_events(
                logGroupName=group,
                logStreamName=stream["logStreamName"],
                limit=number,
                startFromHead=False,
                startTime=first,
                # It is exclusive (API reference, GetLogEvents).
                endTime=last + 1,
            )
            events += found["events"]
    except (BotoCoreError, ClientError):
        # The caller reports another error, which this one must not hide.
        return []
    ordered = sorted(events, key=lambda event: event["timestamp"])
    return [str(event["message"]).rstrip() for event in ordered][-number:]


def important_lines(lines: list[str]) -> list[str]:
    """The lines that are not JSON objects of level DEBUG or INFO; all lines if there is none."""

    def level(line: str) -> str:
        with suppress(ValueError):
            document = json.loads(line)
            return str(document.get("level", "")).upper() if isinstance(document, dict) else ""
        return ""

    return [line for line in lines if level(line) not in ("DEBUG", "INFO")] or lines


def set_retention(logs: Any, groups: tuple[str, ...], days: int = RETENTION_DAYS) -> list[str]:
    """Sets a retention for those of the log groups that never expire; returns their names."""
    changed = []
    for group in groups:
        for page in pages(logs.describe_log_groups, logGroupNamePrefix=group):
            for found in page["logGroups"]:
                if found["logGroupName"] == group and "retentionInDays" not in found:
                    logs.put_retention_policy(logGroupName=group, retentionInDays=days)
                    changed.append(group)
    return changed
