"""`rehearse`: all of it on this machine, without an AWS account."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from generator.cli import arguments as shared
from generator.cli.build import check_findings
from generator.errors import MissingPackageError, UsageError
from generator.layers import Deployment, Layer

if TYPE_CHECKING:
    from rehearsal.before import Before

HELP = "run all of this on this machine, without an AWS account"
EXAMPLE = "--fault rollback"
FAULTS = ("build", "push", "data", "unhealthy", "rollback", "image", "redis")


def add_options(parser: Any, program: shared.Program) -> None:
    shared.add_deployment_option(parser, program)
    parser.add_argument("--fault", choices=FAULTS, help="the step to make fail")
    parser.add_argument("--stay", action="store_true", help="wait before destroying, for commands of your own")
    parser.add_argument("--process", action="store_true", help="use no container tool")
    shared.add_color_option(parser)
    shared.add_build_options(parser, "podman or buildah")
    parser.set_defaults(name=program.name, layer="")
    parser.add_argument("--from", dest="ref", metavar="REF", help="rehearse the upgrade from this commit's templates")
    exported = parser.add_mutually_exclusive_group()
    exported.add_argument(
        "--from-stacks", metavar="NAME", type=shared.stack_prefix, help="from the stacks NAME-LAYER in AWS"
    )
    exported.add_argument("--from-file", metavar="FILE", type=Path, help="from what export-stacks printed")
    shared.add_aws_options(parser)
    shared.add_parameter_option(parser)
    shared.add_allow_replacement_option(parser)
    parser.add_argument("--result", metavar="FILE", type=Path, help="write the result as JSON")


def run(deployments: shared.Deployments, arguments: argparse.Namespace) -> int:
    """Previews, deploys, verifies and destroys a deployment on this machine: an emulator in place of AWS, a real
    cluster with TLS in place of MemoryDB, each service in a container (if podman is installed) or a process. Each
    command runs with its role of the access layer, and no other rights. Ends with the time of each part, the calls to
    AWS, and what is left behind. With --fault one step fails, and the exit code is 1. With --from, --from-stacks or
    --from-file an upgrade is rehearsed: what they name is deployed and gets users, then the working tree is deployed
    over it under load, rolled back and destroyed. The exit code is 1 if it would be refused, interrupts the service or
    loses a user."""
    from generator.cli import main
    from generator.parameters.files import parameters

    shared.find_rehearsal()
    try:
        from rehearsal.run import Options, rehearse
    except ModuleNotFoundError as error:
        raise MissingPackageError(package=error.name or "rehearsal", extra="rehearse", make="rehearse") from error
    if arguments.no_color:
        os.environ["NO_COLOR"] = "1"
    found = deployments()
    deployment, stacks = shared.chosen(found, arguments)

    def command(deployment: Deployment, argv: list[str]) -> int:
        code = main(lambda: [deployment], argv=argv)
        if code == shared.INTERRUPTED:
            raise KeyboardInterrupt
        return code

    check_findings(found, deployment, arguments.name)
    program = {
        "deployment": deployment,
        "access": _access(found, deployment),
        "context": arguments.context,
        "build_args": dict(arguments.build_arg),
        "build_secrets": tuple(arguments.build_secret),
        "parameters": parameters("--parameter", arguments.parameter).parameters,
        "container_tool": arguments.container_tool,
        "process": arguments.process,
    }
    if arguments.ref or arguments.from_stacks or arguments.from_file:
        return _upgrade(program, stacks, arguments)
    rehearsal = rehearse(command, Options(**program, fault=arguments.fault, stay=arguments.stay))
    rehearsal.report()
    if arguments.result:
        shared.write_file(arguments.result, rehearsal.document())
    return rehearsal.code


def _access(found: Sequence[Deployment], deployment: Deployment) -> Layer:
    """The access layer of the program for this deployment, or one without statements of the program's own."""
    from generator.iam.access import AccessLayer, access_deployment
    from generator.iam.boundary import EVERYTHING, unknown_rights
    from generator.iam.execution_role import unknown_types

    for layer in (each.layers[0] for each in found):
        if isinstance(layer, AccessLayer) and layer.deployment is deployment:
            return layer
    unknown, types = unknown_rights(deployment.layers), unknown_types(deployment.layers)
    for what, who in ((unknown, "the permissions boundary"), (types, "CloudFormation's role")):
        if what:
            print(
                f"What {' and '.join(what)} needs is not known here, so {who} of this rehearsal allows everything. In "
                "an access layer, pass it to access_deployment, as statements.",
                file=sys.stderr,
            )
    return access_deployment(
        deployment, *[EVERYTHING] * bool(unknown), for_cloudformation=[EVERYTHING] * bool(types)
    ).layers[0]


def _upgrade(program: dict[str, Any], stacks: dict[str, Any], arguments: argparse.Namespace) -> int:
    from generator.cli.terminal import Terminal
    from rehearsal.upgrade import Options, rehearse_upgrade

    if arguments.fault or arguments.stay:
        raise UsageError("--fault and --stay are for a rehearsal without --from.")
    with TemporaryDirectory(prefix="rehearsal-") as directory:
        options = Options(
            **program,
            before=_before(program["deployment"], stacks, arguments, Path(directory)),
            ui=Terminal(yes=True),
            allow_replacement=tuple(arguments.allow_replacement),
        )
        result = rehearse_upgrade(options)
    print("", *result.lines(), sep="\n")
    if arguments.result:
        shared.write_file(arguments.result, result.document())
    return shared.FAILED if result.reasons else shared.DONE


def _before(deployment: Deployment, stacks: dict[str, Any], arguments: argparse.Namespace, directory: Path) -> Before:
    """What is deployed first. A commit with stacks is the source of their image."""
    from generator.operations import StackOptions, export_stacks, read_export
    from rehearsal.before import of_commit, of_export

    commit = of_commit(deployment, arguments.ref, directory) if arguments.ref else None
    if arguments.from_stacks:
        title = arguments.from_stacks
        exported = export_stacks(deployment, shared.session(arguments), StackOptions(**(stacks | {"name": title})))
    elif arguments.from_file:
        title = str(arguments.from_file)
        exported = read_export(shared.read_file(arguments.from_file), title)
    else:
        assert commit
        return commit
    return of_export(deployment, exported, title, commit.root if commit else Path())
