"""`deploy`: the data layer, the image and the compute layer."""

from __future__ import annotations

import argparse
from typing import Any

from generator import contract
from generator.cli import arguments as shared

HELP = "deploy the data layer, the image and the compute layer; verify that the service runs"
EXAMPLE = "--name {name}"


def add_options(parser: Any, program: shared.Program) -> None:
    shared.add_change_options(parser, program)
    shared.add_build_options(parser, "docker, finch, podman or buildah")
    shared.add_yes_option(parser)
    parser.add_argument("--change-set", metavar="ARN", help="execute this change set, which `preview --keep` created")
    parser.add_argument("--recreate", action="store_true", help="first delete a stack whose creation failed")
    shared.add_error_rate_option(parser)
    parser.add_argument("--disable-rollback", action="store_true", help="keep the resources when something fails")
    parser.add_argument("--no-wait", dest="wait", action="store_false", help="do not wait for CloudFormation")
    parser.add_argument("--no-verify", dest="verify", action="store_false", help="do not verify that the service runs")


def run(deployments: shared.Deployments, arguments: argparse.Namespace) -> int:
    """For each layer: creates a change set, shows it, asks, executes exactly that one, and follows the stack's events
    to the end. Before the compute layer, builds and pushes the image, unless the repository has it or --image names
    another; afterwards verifies that what runs is what was deployed. Exit codes: 0 done, or nothing to change; 1
    failed, declined or not verified; 3 data would be lost; 64 wrong usage."""
    from generator.operations import DeployOptions, deploy, deploy_change_set

    found = deployments()
    deployment, stacks = shared.chosen(found, arguments)
    options = DeployOptions(
        **stacks,
        **shared.change_options(arguments),
        build_secrets=tuple(arguments.build_secret),
        container_tool=arguments.container_tool,
        recreate=arguments.recreate,
        ignore_error_rate=arguments.ignore_error_rate,
        disable_rollback=arguments.disable_rollback,
        wait=arguments.wait,
        verify=arguments.verify,
    )
    session = shared.session(arguments)
    deployed = (
        (deploy_change_set(found, arguments.change_set, session, options),)
        if arguments.change_set
        else deploy(deployment, session, options)
    )
    for layer in deployed:
        if layer.stack and (url := layer.stack.outputs.get(contract.SERVICE_URL)):
            print(f"{layer.stack.name} is at {url}")
    return shared.DONE
