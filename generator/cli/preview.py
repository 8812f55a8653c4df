"""`preview`: what the change sets would do, in a terminal, a pull request, or a program."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from generator.cli import arguments as shared

HELP = "show what a deployment would change"
EXAMPLE = "--name {name} --format markdown > comment.md"


def add_options(parser: Any, program: shared.Program) -> None:
    shared.add_change_options(parser, program)
    shared.add_image_options(parser)
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text", help="default: text")
    parser.add_argument(
        "--fail-on",
        choices=("broader",),
        help="exit with 3 if a right becomes broader, is granted by a new stack, or is different in a way that "
        "cannot be compared",
    )
    parser.add_argument("--prices", metavar="FILE", type=Path, help="a price list, for money per month (docs/cost.md)")
    parser.add_argument("--commit", metavar="SHA", default="", help="the commit to name in the comment")
    parser.add_argument(
        "--rehearsal", metavar="FILE", type=Path, help="a result of `rehearse` to name beside the changes"
    )
    parser.add_argument("--keep", action="store_true", help="keep the change sets and print their ARNs")
    parser.add_argument("--detailed-exitcode", action="store_true", help="exit with 2 if there are changes")


def run(deployments: shared.Deployments, arguments: argparse.Namespace) -> int:
    """Creates a change set for each layer's stack, shows what it would do with values before and after, and deletes it.
    Exit codes: 0 shown; 1 failed; 2 there are changes, with --detailed-exitcode; 3 data would be lost, or what
    --fail-on names; 64 wrong usage."""
    from generator.cli.terminal import print_lines
    from generator.operations import PreviewOptions, preview
    from generator.report.as_json import preview_document
    from generator.report.comment import Heading, comment
    from generator.report.results import rehearsed
    from generator.report.text import plan_lines
    from generator.review.quantities import price_list

    deployment, stacks = shared.chosen(deployments(), arguments)
    prices = price_list(shared.read_file(arguments.prices), str(arguments.prices)) if arguments.prices else None
    rehearsal = (
        rehearsed(shared.read_file(arguments.rehearsal), str(arguments.rehearsal)) if arguments.rehearsal else ""
    )
    options = PreviewOptions(**stacks, **shared.change_options(arguments), keep=arguments.keep)
    plans = preview(deployment, shared.session(arguments), options)
    if arguments.format == "json":
        print(preview_document(plans, prices, rehearsal), end="")
    elif arguments.format == "markdown":
        heading = Heading(arguments.name, deployment.name, arguments.commit, rehearsal)
        print(comment(plans, heading, prices), end="")
    else:
        print_lines(plan_lines(plans, prices, rehearsal), plain=arguments.no_color)
    if any(plan.refusals or (arguments.fail_on and plan.broadens) for plan in plans):
        return shared.DATA_WOULD_BE_LOST
    if any(plan.failed for plan in plans):
        return shared.FAILED
    return shared.CHANGES if arguments.detailed_exitcode and any(plan.changes for plan in plans) else shared.DONE
