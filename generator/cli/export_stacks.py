"""`export-stacks`: what is deployed, as JSON, for a rehearsal of the next version."""

from __future__ import annotations

import argparse

from generator.cli import arguments as shared


def add_to(verbs: shared.Subparsers, program: shared.Program) -> None:
    """Adds the command."""
    parser = shared.add_command(
        verbs,
        "export-stacks",
        run,
        help="print the deployed stacks as JSON, for a rehearsal",
        description="Prints the stacks of a deployment as JSON: templates, parameters, tags, outputs and resources, "
        "without secrets and without the values of parameters with NoEcho. Only reads. `rehearse --from-file` deploys "
        "them on this machine and upgrades them.",
        example=f"{program.prog} export-stacks {program.name} > stacks.json",
    )
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
    """Prints the document; returns the exit code."""
    from generator.operations import StackOptions, export_document, export_stacks

    deployment = shared.chosen_deployment(deployments(), arguments.deployment, arguments.layer)
    options = StackOptions(name=arguments.name, data_stack=arguments.data_stack, layer=arguments.layer)
    print(export_document(export_stacks(deployment, shared.session(arguments), options)), end="")
    return shared.DONE
