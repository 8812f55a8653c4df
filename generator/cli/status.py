"""`status`: the stacks as they are, their outputs, what runs, and manual changes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from generator.cli import arguments as shared
from generator.errors import UsageError

HELP = "show stacks, outputs, drift and what is running"
EXAMPLE = "--name {name} --format json"


def add_options(parser: Any, program: shared.Program) -> None:
    shared.add_account_options(parser, program)
    shared.add_color_option(parser)
    parser.add_argument("--drift", action="store_true", help="detect drift, which takes a minute or more")
    parser.add_argument("--detailed-exitcode", action="store_true", help="with --drift: exit with 2 if there is drift")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument("--outputs-file", metavar="FILE", type=Path, help="write the outputs as JSON")


def run(deployments: shared.Deployments, arguments: argparse.Namespace) -> int:
    """Shows each layer's stack: its status, its outputs (PushCommands only as JSON), what is running and how it
    answers, and with --drift what was changed by hand. Changes nothing. Exit codes: 0 shown; 1 no stack, or the
    detection of drift failed; 2 there is drift, with --detailed-exitcode; 64 wrong usage."""
    from generator.cli.terminal import print_lines
    from generator.operations import StatusOptions, status
    from generator.operations.instead import another_deployed
    from generator.report.as_json import outputs_document, status_document
    from generator.report.text import lines

    if arguments.detailed_exitcode and not arguments.drift:
        raise UsageError("--detailed-exitcode reports drift: pass --drift too.")
    deployment, stacks = shared.chosen(deployments(), arguments)
    session = shared.session(arguments)
    options = StatusOptions(**stacks, drift=arguments.drift)
    statuses = status(deployment, session, options)
    if arguments.format == "json":
        print(status_document(statuses), end="")
    else:
        print_lines((line for found in statuses for line in lines(found)), plain=arguments.no_color)
    if arguments.outputs_file:
        shared.write_file(arguments.outputs_file, outputs_document(statuses))
    if instead := another_deployed(session.cloudformation, deployment, options, "change {} to its template"):
        print(instead, file=sys.stderr)
    if not any(found.stack for found in statuses):
        names = " or ".join(found.stack_name for found in statuses)
        print(f"There is no stack {names} here: pass another --name or --region.", file=sys.stderr)
        return shared.FAILED
    drifts = [found.drift for found in statuses if found.drift]
    if any(drift.failures for drift in drifts):
        return shared.FAILED
    return shared.CHANGES if arguments.detailed_exitcode and any(drift.resources for drift in drifts) else shared.DONE
