"""`serve`: the service on this machine, on an embedded store."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from generator import contract
from generator.cli.arguments import Deployments, Program, find_rehearsal
from generator.errors import MissingPackageError, UsageError

HELP = "run the service on this machine, with an embedded store"
EXAMPLE = "--data users.d"


def add_options(parser: Any, program: Program) -> None:
    parser.add_argument("--data", metavar="DIR", type=Path, help="keep the users here (default: in memory only)")
    parser.add_argument(
        "--port",
        type=int,
        default=contract.SERVICE_PORT,
        help=f"the port to listen on (default: {contract.SERVICE_PORT})",
    )


def run(deployments: Deployments, arguments: argparse.Namespace) -> int:
    """Runs the service on an embedded Valkey in cluster mode, with the access string of the data layer's user and the
    variables that a compute layer sets. Listens on the loopback interface only. Ctrl-C ends both."""
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
