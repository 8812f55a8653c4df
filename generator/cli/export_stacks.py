"""`export-stacks`: what is deployed, as JSON, for a rehearsal of the next version."""

from __future__ import annotations

import argparse
from typing import Any

from generator.cli import arguments as shared

HELP = "print the deployed stacks as JSON, for a rehearsal"
EXAMPLE = "{name} > stacks.json"


def add_options(parser: Any, program: shared.Program) -> None:
    parser.add_argument(
        "name",
        type=shared.stack_prefix,
        nargs="?",
        default=program.name,
        help=f"the deployment, whose stacks are NAME-LAYER, such as {program.name}",
    )
    shared.add_layer_option(parser, program)
    shared.add_deployment_option(parser, program)
    shared.add_aws_options(parser)


def run(deployments: shared.Deployments, arguments: argparse.Namespace) -> int:
    """Prints the stacks of a deployment as JSON: templates, parameters, tags, outputs and resources, without secrets
    and without the values of parameters with NoEcho. Only reads. `rehearse --from-file` deploys them on this machine
    and upgrades them."""
    from generator.operations import StackOptions, export_document, export_stacks

    deployment, stacks = shared.chosen(deployments(), arguments)
    print(export_document(export_stacks(deployment, shared.session(arguments), StackOptions(**stacks))), end="")
    return shared.DONE
