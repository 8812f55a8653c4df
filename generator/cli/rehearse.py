"""`rehearse`: all of it on this machine, without an AWS account."""

from __future__ import annotations

import argparse
from pathlib import Path

from generator.cli.arguments import (
    INTERRUPTED,
    Deployments,
    Program,
    Subparsers,
    add_command,
    add_deployment_option,
    add_image_options,
    chosen_deployment,
)
from generator.errors import MissingPackageError
from generator.images.context import Context

FAULTS = ("build", "push", "data", "unhealthy", "rollback", "image", "redis")


def add_to(verbs: Subparsers, program: Program) -> None:
    """Adds the command."""
    parser = add_command(
        verbs,
        "rehearse",
        run,
        help="run all of this on this machine, without an AWS account",
        description="Previews, deploys, verifies and destroys both layers on this machine: an emulator in place of "
        "AWS, a real cluster with TLS in place of MemoryDB, the service in a container (if podman is installed) or a "
        "process. Each command runs with its role of the access layer, and no other "
        "rights. Ends with the time of each part, the calls to AWS, and what is left behind. With --fault one step "
        "fails, and the exit code is 1.",
        example=f"{program.prog} rehearse --fault rollback",
    )
    add_deployment_option(parser)
    parser.add_argument("--fault", choices=FAULTS, help="the step to make fail")
    parser.add_argument("--stay", action="store_true", help="wait before destroying, for commands of your own")
    parser.add_argument("--process", action="store_true", help="use no container tool")
    add_image_options(parser)
    parser.add_argument("--container-tool", metavar="TOOL", help="podman or buildah, by name or path")


def run(deployments: Deployments, arguments: argparse.Namespace) -> int:
    """Rehearses; returns the exit code."""
    from generator.cli import main
    from generator.iam.access import AccessLayer, access_deployment

    found = deployments()
    deployment = chosen_deployment(found, arguments.deployment)
    access = [each.layers[0] for each in (*found, access_deployment(deployment))]

    def command(argv: list[str]) -> int:
        code = main(lambda: [deployment], argv=argv)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        return code

    try:
        from rehearsal.run import Options, rehearse
    except ModuleNotFoundError as error:
        raise MissingPackageError(package=error.name or "rehearsal", extra="rehearse", make="rehearse") from error
    options = Options(
        access=next(each for each in access if isinstance(each, AccessLayer) and each.deployment is deployment),
        context=Context(arguments.context or Path(), dict(arguments.build_arg), tuple(arguments.build_secret)),
        container_tool=arguments.container_tool,
        process=arguments.process,
        fault=arguments.fault,
        stay=arguments.stay,
        computes=tuple(layer.compute for layer in deployment.layers if layer.compute),
    )
    return rehearse(command, options)
