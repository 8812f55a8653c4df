"""`rehearse`: all of it on this machine, without an AWS account."""

from __future__ import annotations

import argparse
from pathlib import Path

from generator.cli.requests import pairs
from generator.cli.verbs import INTERRUPTED, Layers, Subparsers, add_compute_option, of_compute, verb
from generator.errors import MissingPackageError
from generator.images.context import Context

FAULTS = ("build", "push", "data", "unhealthy", "rollback", "image", "redis")


def add_to(verbs: Subparsers, prog: str) -> None:
    """Adds the verb to the command."""
    parser = verb(
        verbs,
        "rehearse",
        run,
        help="run all of this on this machine, without an AWS account",
        description="Previews, deploys, proves and destroys both layers on this machine: an emulator in place of AWS, "
        "a real cluster with TLS in place of MemoryDB, the service in a container (where podman is) or a process in "
        "place of what runs it. Each verb runs with the IAM policy that `build` emits for it, and no other rights. "
        "Ends with the time of each part, the calls to AWS, and what is left behind. With --fault one step fails, and "
        "the exit code is 1.",
        example=f"{prog} rehearse --fault rollback",
    )
    add_compute_option(parser)
    parser.set_defaults(layer=None)
    parser.add_argument("--fault", choices=FAULTS, help="the step to make fail")
    parser.add_argument("--stay", action="store_true", help="wait before destroying, for commands of your own")
    parser.add_argument("--process", action="store_true", help="use no container tool")
    parser.add_argument("--context", metavar="DIR", type=Path, default=Path(), help="as for deploy")
    parser.add_argument("--build-arg", metavar="KEY=VALUE", action="append", default=[], help="as for deploy")
    parser.add_argument("--build-secret", metavar="id=ID,src=FILE", action="append", default=[], help="as for deploy")
    parser.add_argument("--container-tool", metavar="TOOL", help="podman or buildah, by name or path")


def run(layers: Layers, arguments: argparse.Namespace) -> int:
    """Rehearses; returns the exit code."""
    from generator.cli import main
    from generator.iam.policies import documents

    group = of_compute(layers(), arguments)

    def command(argv: list[str]) -> int:
        code = main(lambda: group, argv)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        return code

    try:
        from rehearsal.local_aws import NAME
        from rehearsal.run import Options, rehearse
    except ModuleNotFoundError as error:
        raise MissingPackageError(package=error.name or "rehearsal", extra="rehearse", make="rehearse") from error
    options = Options(
        policies=documents(group, NAME),
        context=Context(arguments.context, pairs("--build-arg", arguments.build_arg), tuple(arguments.build_secret)),
        container_tool=arguments.container_tool,
        process=arguments.process,
        fault=arguments.fault,
        stay=arguments.stay,
        computes=tuple(layer.compute for layer in group if layer.compute),
    )
    return rehearse(command, options)
