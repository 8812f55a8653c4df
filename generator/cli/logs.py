"""`logs`: what the service writes, with its deployments."""

from __future__ import annotations

import argparse
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from generator.cli import arguments as shared

HELP = "show what the service writes"
EXAMPLE = "--name {name} --since 2h --filter ERROR"
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_options(parser: Any, program: shared.Program) -> None:
    shared.add_account_options(parser, program)
    parser.add_argument("--follow", action="store_true", help="wait for new lines")
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=moment,
        default="10m",
        help="how long ago, such as 90s, 10m, 2h, 3d or 1w, or an ISO time, in UTC without a zone (default: 10m)",
    )
    parser.add_argument(
        "--filter", metavar="PATTERN", default="", help="a filter pattern of CloudWatch Logs (default: every line)"
    )


def run(deployments: shared.Deployments, arguments: argparse.Namespace) -> int:
    """Shows the log of every instance or task, oldest line first, each with its time in UTC and its log stream, and
    when deployments started and ended. Secrets are redacted. With --follow until Ctrl-C, which is exit code 130."""
    from generator.operations import LogsOptions, logs
    from generator.report.text import log_line, utc

    deployment, stacks = shared.chosen(deployments(), arguments)
    options = LogsOptions(**stacks, follow=arguments.follow, since=arguments.since, pattern=arguments.filter)
    line = None
    for line in logs(deployment, shared.session(arguments), options):
        print(log_line(line), flush=arguments.follow)
    if not line:
        print(f"There are no lines since {utc(arguments.since)}: pass another --since or --filter.", file=sys.stderr)
    return shared.DONE


def moment(text: str) -> datetime:
    """A time before now, or an ISO time."""
    try:
        if ago := re.fullmatch(r"([0-9]+)([smhdw])", text):
            return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        given = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is neither like 10m, 2h or 3d nor an ISO time") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)
