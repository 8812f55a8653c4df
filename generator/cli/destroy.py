"""`destroy`: the stacks in reverse order."""

from __future__ import annotations

import argparse
from typing import Any

from generator.cli import arguments as shared

HELP = "delete the stacks in reverse order; keep a final snapshot"
EXAMPLE = "--name {name}"


def add_options(parser: Any, program: shared.Program) -> None:
    shared.add_account_options(parser, program)
    shared.add_role_option(parser)
    shared.add_color_option(parser)
    shared.add_yes_option(parser)
    parser.add_argument("--purge-images", action="store_true", help="delete the images in the repository too")


def run(deployments: shared.Deployments, arguments: argparse.Namespace) -> int:
    """Deletes the compute stack, then the data stack. Lists what is deleted and what is kept, and asks for the
    deployment's name. Refuses while another stack imports from the data stack, while the repository holds images, and
    while the final snapshot's name is taken."""
    from generator.operations import DestroyOptions, destroy

    deployment, stacks = shared.chosen(deployments(), arguments)
    options = DestroyOptions(**stacks, role_arn=arguments.role_arn, purge_images=arguments.purge_images)
    destroyed = destroy(deployment, shared.session(arguments), options)
    if not destroyed.stacks:
        print(f"There is nothing to destroy: no stack {' or '.join(destroyed.absent)}.")
    return shared.DONE
