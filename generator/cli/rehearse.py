"""`rehearse`: all of it on this machine, without an AWS account."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from generator.cli.arguments import (
    DONE,
    FAILED,
    INTERRUPTED,
    Deployments,
    Program,
    Subparsers,
    add_allow_replacement_option,
    add_aws_options,
    add_build_options,
    add_color_option,
    add_command,
    add_deployment_option,
    add_parameter_option,
    chosen_deployment,
    find_rehearsal,
    read_file,
    session,
    stack_prefix,
    write_file,
)
from generator.cli.build import check_findings
from generator.errors import MissingPackageError, UsageError
from generator.layers import Deployment

if TYPE_CHECKING:
    from rehearsal.before import Before

FAULTS = ("build", "push", "data", "unhealthy", "rollback", "image", "redis")


def add_to(verbs: Subparsers, program: Program) -> None:
    """Adds the command."""
    parser = add_command(
        verbs,
        "rehearse",
        run,
        help="run all of this on this machine, without an AWS account",
        description="Previews, deploys, verifies and destroys a deployment on this machine: an emulator in place of "
        "AWS, a real cluster with TLS in place of MemoryDB, each service in a container (if podman is installed) or a "
        "process. Each command runs with its role of the access layer, and no other "
        "rights. Ends with the time of each part, the calls to AWS, and what is left behind. With --fault one step "
        "fails, and the exit code is 1. With --from, --from-stacks or --from-file an upgrade is rehearsed: what they "
        "name is deployed and gets users, then the working tree is deployed over it under load, rolled back and "
        "destroyed. The exit code is 1 if it would be refused, interrupts the service or loses a user.",
        example=f"{program.prog} rehearse --fault rollback",
    )
    add_deployment_option(parser, program)
    parser.add_argument("--fault", choices=FAULTS, help="the step to make fail")
    parser.add_argument("--stay", action="store_true", help="wait before destroying, for commands of your own")
    parser.add_argument("--process", action="store_true", help="use no container tool")
    add_color_option(parser)
    add_build_options(parser, "podman or buildah")
    _add_upgrade_options(parser)
    parser.set_defaults(program_name=program.name)


def _add_upgrade_options(parser: Any) -> None:
    parser.add_argument("--from", dest="ref", metavar="REF", help="rehearse the upgrade from this commit's templates")
    exported = parser.add_mutually_exclusive_group()
    exported.add_argument("--from-stacks", metavar="NAME", type=stack_prefix, help="from the stacks NAME-LAYER in AWS")
    exported.add_argument("--from-file", metavar="FILE", type=Path, help="from what export-stacks printed")
    add_aws_options(parser)
    add_parameter_option(parser)
    add_allow_replacement_option(parser)
    parser.add_argument("--result", metavar="FILE", type=Path, help="write the result as JSON")


def run(deployments: Deployments, arguments: argparse.Namespace) -> int:
    """Rehearses; returns the exit code."""
    from generator.cli import main
    from generator.iam.access import AccessLayer, access_deployment
    from generator.parameters.files import parameters

    find_rehearsal()
    try:
        from rehearsal.run import Options, rehearse
    except ModuleNotFoundError as error:
        raise MissingPackageError(package=error.name or "rehearsal", extra="rehearse", make="rehearse") from error
    if arguments.no_color:
        os.environ["NO_COLOR"] = "1"
    found = deployments()
    deployment = chosen_deployment(found, arguments.deployment)
    layers = [each.layers[0] for each in (*found, access_deployment(deployment))]
    access = next(each for each in layers if isinstance(each, AccessLayer) and each.deployment is deployment)

    def command(deployment: Deployment, argv: list[str]) -> int:
        code = main(lambda: [deployment], argv=argv)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        return code

    check_findings(found, deployment, arguments.program_name)
    program = {
        "deployment": deployment,
        "access": access,
        "context": arguments.context,
        "build_args": dict(arguments.build_arg),
        "build_secrets": tuple(arguments.build_secret),
        "parameters": parameters("--parameter", arguments.parameter).parameters,
        "container_tool": arguments.container_tool,
        "process": arguments.process,
    }
    if arguments.ref or arguments.from_stacks or arguments.from_file:
        return _upgrade(program, arguments)
    rehearsal = rehearse(command, Options(**program, fault=arguments.fault, stay=arguments.stay))
    rehearsal.report()
    if arguments.result:
        write_file(arguments.result, rehearsal.document())
    return rehearsal.code


def _upgrade(program: dict[str, Any], arguments: argparse.Namespace) -> int:
    from generator.cli.terminal import Terminal
    from rehearsal.upgrade import Options, rehearse_upgrade

    if arguments.fault or arguments.stay:
        raise UsageError("--fault and --stay are for a rehearsal without --from.")
    with TemporaryDirectory(prefix="rehearsal-") as directory:
        options = Options(
            **program,
            before=_before(program["deployment"], arguments, Path(directory)),
            ui=Terminal(yes=True),
            allow_replacement=tuple(arguments.allow_replacement),
        )
        result = rehearse_upgrade(options)
    print("", *result.lines(), sep="\n")
    if arguments.result:
        write_file(arguments.result, result.document())
    return FAILED if result.reasons else DONE


def _before(deployment: Deployment, arguments: argparse.Namespace, directory: Path) -> Before:
    """What is deployed first. A commit with stacks is the source of their image."""
    from generator.operations import StackOptions, export_stacks, read_export
    from rehearsal.before import of_commit, of_export

    commit = of_commit(deployment, arguments.ref, directory) if arguments.ref else None
    if arguments.from_stacks:
        options = StackOptions(name=arguments.from_stacks, data_stack=arguments.data_stack)
        title, stacks = arguments.from_stacks, export_stacks(deployment, session(arguments), options)
    elif arguments.from_file:
        title, stacks = str(arguments.from_file), read_export(read_file(arguments.from_file), str(arguments.from_file))
    else:
        assert commit
        return commit
    return of_export(deployment, stacks, title, commit.root if commit else Path())
