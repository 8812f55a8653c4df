"""`preview`: what the change sets would do, in a terminal, a pull request, or a program."""

from __future__ import annotations

import argparse

from generator.cli.plans import plan, show, unseen
from generator.cli.requests import requests
from generator.cli.service import service
from generator.cli.source import check_source
from generator.cli.stacks import conversation
from generator.cli.terminal import say
from generator.cli.verbs import (
    CHANGES,
    DATA_WOULD_BE_LOST,
    DONE,
    Layers,
    Subparsers,
    add_stack_options,
    chosen,
    of_compute,
    verb,
)


def add_to(verbs: Subparsers, prog: str) -> None:
    """Adds the verb to the command."""
    parser = verb(
        verbs,
        "preview",
        run,
        help="show what a deployment would change",
        description="Creates a change set for each layer's stack, shows what it would do with values before and after, "
        "and deletes it. Exit codes: 0 shown; 1 failed; 2 there are changes, with --detailed-exitcode; 3 data would be "
        "lost; 64 wrong usage.",
        example=f"{prog} preview --name users --format markdown > comment.md",
    )
    add_stack_options(parser)
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text", help="default: text")
    parser.add_argument("--keep", action="store_true", help="keep the change sets and print their ARNs")
    parser.add_argument("--detailed-exitcode", action="store_true", help="exit with 2 if there are changes")


def run(layers: Layers, arguments: argparse.Namespace) -> int:
    """Shows the plans and returns the exit code."""
    every = of_compute(layers(), arguments)
    check_source(chosen(every, arguments.layer), arguments)
    wanted = list(requests(every, chosen(every, arguments.layer), arguments))
    talk = conversation(arguments)
    plans = []
    for layer, request in wanted:
        told = unseen(talk, layer, request)
        if told is None:
            held = service(talk, layer, arguments)
            if held:
                request = held.previewed(request)
            say(f"Creating a change set for {request.stack_name} ...")
            with talk.prepared(request) as prepared:
                if arguments.keep:
                    prepared.keep()
                told = plan(talk, layer.name, prepared, arguments.allow_replacement)
        plans.append(told)
    show(plans, arguments.format)
    if any(told.refusals for told in plans):
        return DATA_WOULD_BE_LOST
    return CHANGES if arguments.detailed_exitcode and any(told.changes for told in plans) else DONE
