"""`rotate`: new passwords, without a failed request."""

from __future__ import annotations

import argparse
from typing import Any

from generator.cli import arguments as shared

HELP = "change the passwords without a failed request"
EXAMPLE = "--name {name}"


def add_options(parser: Any, program: shared.Program) -> None:
    shared.add_name_option(parser, program, shared.STACKS)
    shared.add_aws_options(parser)
    shared.add_color_option(parser)
    shared.add_yes_option(parser)
    parser.add_argument(
        "--user",
        **shared.REPEATABLE,
        metavar="NAME",
        help="only this MemoryDB user, by name; repeatable (default: every user with a password)",
    )
    shared.add_error_rate_option(parser)


def run(deployments: shared.Deployments, arguments: argparse.Namespace) -> int:
    """Gives each MemoryDB user a second password, puts it into the secret, redeploys every service that reads it, of
    every deployment, verifies that each runs, and removes the old password. If interrupted, run it again: it
    continues."""
    from generator.operations import RotateOptions, rotate

    options = RotateOptions(
        name=arguments.name,
        data_stack=arguments.data_stack,
        users=tuple(arguments.user),
        ignore_error_rate=arguments.ignore_error_rate,
    )
    rotate(deployments(), shared.session(arguments), options)
    return shared.DONE
