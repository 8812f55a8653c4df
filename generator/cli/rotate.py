"""`rotate`: new passwords, without a failed request."""

from __future__ import annotations

import argparse

from generator.cli.arguments import (
    DONE,
    STACKS,
    Deployments,
    Program,
    Subparsers,
    add_aws_options,
    add_color_option,
    add_command,
    add_error_rate_option,
    add_name_option,
    add_yes_option,
    session,
)


def add_to(verbs: Subparsers, program: Program) -> None:
    """Adds the command."""
    parser = add_command(
        verbs,
        "rotate",
        run,
        help="change the passwords without a failed request",
        description="Gives each MemoryDB user a second password, puts it into the secret, redeploys every service that "
        "reads it, of every deployment, verifies that each runs, and removes the old password. If interrupted, run it "
        "again: it continues.",
        example=f"{program.prog} rotate --name {program.name}",
    )
    add_name_option(parser, program, STACKS)
    add_aws_options(parser)
    add_color_option(parser)
    add_yes_option(parser)
    parser.add_argument(
        "--user",
        metavar="NAME",
        action="append",
        default=[],
        help="only this MemoryDB user, by name; repeatable (default: every user with a password)",
    )
    add_error_rate_option(parser)


def run(deployments: Deployments, arguments: argparse.Namespace) -> int:
    """Rotates; returns the exit code."""
    from generator.operations import RotateOptions, rotate

    options = RotateOptions(
        name=arguments.name,
        data_stack=arguments.data_stack,
        users=tuple(arguments.user),
        ignore_error_rate=arguments.ignore_error_rate,
    )
    rotate(deployments(), session(arguments), options)
    return DONE
