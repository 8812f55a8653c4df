"""`serve`: the service on this machine, on an embedded store."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from generator import contract
from generator.cli.verbs import Layers, Subparsers, verb
from generator.errors import MissingPackageError, UsageError


def add_to(verbs: Subparsers, prog: str) -> None:
    """Adds the verb to the command."""
    parser = verb(
        verbs,
        "serve",
        run,
        help="run the service on this machine, with an embedded store",
        description="Runs the service on an embedded Valkey in cluster mode, with the access string of the data "
        "layer's user and the variables that a compute layer sets. Listens on the loopback interface only. Ctrl-C ends "
        "both.",
        example=f"{prog} serve --data users.d",
    )
    parser.add_argument("--data", metavar="DIR", type=Path, help="keep the users here (default: forget them)")
    parser.add_argument(
        "--port", type=int, default=contract.SERVICE_PORT, help=f"where to listen (default: {contract.SERVICE_PORT})"
    )


def run(layers: Layers, arguments: argparse.Namespace) -> int:
    """Serves until Ctrl-C; returns the exit code."""
    users = [
        resource["Properties"]["AccessString"]
        for layer in layers()
        for resource in json.loads(layer.text())["Resources"].values()
        if resource["Type"] == "AWS::MemoryDB::User"
    ]
    if not users:
        raise UsageError("No layer has a MemoryDB user for the service to be.")
    try:
        from rehearsal.embedded import serve
    except ModuleNotFoundError as error:
        raise MissingPackageError(package=error.name or "rehearsal", extra="serve", make="serve") from error
    return serve(users[0], data=arguments.data, port=arguments.port)
