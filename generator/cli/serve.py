"""`serve`: the service on this machine, on an embedded store."""

from __future__ import annotations

import argparse
from pathlib import Path

from generator import contract
from generator.cli.arguments import Deployments, Program, Subparsers, add_command, find_rehearsal
from generator.errors import MissingPackageError, UsageError


def add_to(verbs: Subparsers, program: Program) -> None:
    """Adds the command."""
    parser = add_command(
        verbs,
        "serve",
        run,
        help="run the service on this machine, with an embedded store",
        description="Runs the service on an embedded Valkey in cluster mode, with the access string of the data "
        "layer's user and the variables that a compute layer sets. Listens on the loopback interface only. Ctrl-C ends "
        "both.",
        example=f"{program.prog} serve --data users.d",
    )
    parser.add_argument("--data", metavar="DIR", type=Path, help="keep the users here (default: in memory only)")
    parser.add_argument(
        "--port",
        type=int,
        default=contract.SERVICE_PORT,
        help=f"the port to listen on (default: {contract.SERVICE_PORT})",
    )


def run(deployments: Deployments, arguments: argparse.Namespace) -> int:
    """Serves until Ctrl-C; returns the exit code."""
    find_rehearsal()
    try:
        from rehearsal.embedded import serve
    except ModuleNotFoundError as error:
        raise MissingPackageError(package=error.name or "rehearsal", extra="serve", make="serve") from error
    # Lazily: an access layer, which has no user, needs cfn-lint.
    access_strings = (
        resource["Properties"]["AccessString"]
        for deployment in deployments()
        for layer in deployment.layers
        for resource in layer.template["Resources"].values()
        if resource["Type"] == "AWS::MemoryDB::User"
    )
    access_string = next(access_strings, None)
    if access_string is None:
        raise UsageError("No layer has a MemoryDB user, which the service needs.")
    return serve(access_string, data=arguments.data, port=arguments.port)
