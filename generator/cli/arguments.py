"""The options that commands share, and the options of operations that they become."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator.errors import OutputError, UsageError
from generator.layers import Deployment, Layer

if TYPE_CHECKING:
    from generator.operations import Session

DONE = 0
FAILED = 1
CHANGES = 2
DATA_WOULD_BE_LOST = 3
INTERRUPTED = 130
LONGEST_PREFIX = 100
STACKS = "stacks are named NAME-LAYER"

# What build.py's function returns, and the deployments that these are.
Returned = Deployment | Layer | Sequence[Deployment | Layer]
Deployments = Callable[[], Sequence[Deployment]]

# Options that may be given again, and those that take several values too.
REPEATABLE: Mapping[str, Any] = {"action": "append", "default": []}
SEVERAL: Mapping[str, Any] = {"nargs": "+", "action": "extend", "default": []}


@dataclass(frozen=True)
class Program:
    """How the command is called, the default prefix of its stacks' names, and what it can deploy, where that is to be
    shown."""

    prog: str
    name: str = "users"
    deployments: Sequence[Deployment] = ()


def find_rehearsal() -> None:
    """Makes `rehearsal` importable from a program in any folder: an installation, editable too, is without it."""
    sys.path.append(str(Path(__file__).parents[2]))


class _Formatter(argparse.HelpFormatter):
    """Wraps at spaces only, so that a name such as ecs-express or --data-stack stays whole."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def add_command(verbs: Any, verb: str, program: Program) -> None:
    """Adds the command of a module to a parser's subparsers. The docstring of its `run` is the description."""
    module = import_module(f"generator.cli.{verb.replace('-', '_')}")
    parser = verbs.add_parser(
        verb,
        help=module.HELP,
        description=" ".join((module.run.__doc__ or "").split()),
        epilog=f"Example: {program.prog} {verb} {module.EXAMPLE.format(name=program.name)}",
        allow_abbrev=False,
        formatter_class=_Formatter,
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=module.run, parser=parser)
    module.add_options(parser, program)


def stack_prefix(text: str) -> str:
    """A name that stacks can begin with: letters, digits and hyphens, a letter first (CloudFormation API reference,
    CreateStack, StackName)."""
    if not re.fullmatch("[A-Za-z][A-Za-z0-9-]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} must be letters, digits and hyphens, with a letter first")
    if len(text) > LONGEST_PREFIX:
        raise argparse.ArgumentTypeError(
            f"{text[:20]}... has {len(text)} characters, at most {LONGEST_PREFIX} are allowed"
        )
    return text


def role_arn(text: str) -> str:
    """The ARN of an IAM role; empty without one."""
    if text and not re.fullmatch(r"arn:aws[a-z-]*:iam::\w+:role/[!-~]+", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the ARN of a role, such as arn:aws:iam::123456789012:role/NAME"
        )
    return text


def key_value(text: str) -> tuple[str, str]:
    """KEY=VALUE as a pair."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text} is not KEY=VALUE")
    return key, value


def image(text: str) -> tuple[str, str]:
    """LAYER=URI as a pair; the layer is empty for a URI alone."""
    layer, _, uri = text.rpartition("=")
    return layer, uri


def add_color_option(parser: Any) -> None:
    parser.add_argument("--no-color", action="store_true", help="print without color, as with NO_COLOR")


def add_layer_option(parser: Any, program: Program) -> None:
    names = list(dict.fromkeys(layer.name for deployment in program.deployments for layer in deployment.layers))
    shown = f": {', '.join(names)}" if names else ", such as data"
    parser.add_argument("--layer", metavar="LAYER", choices=names or None, default="", help=f"only this layer{shown}")


def add_deployment_option(parser: Any, program: Program) -> None:
    names = [deployment.name for deployment in program.deployments]
    shown = f": {', '.join(names)}" if names else ""
    parser.add_argument(
        "--deployment",
        "--compute",
        metavar="NAME",
        choices=names or None,
        default="",
        help=f"which of build.py's deployments{shown} (default: the first, or the one that has --layer)",
    )


def add_name_option(parser: Any, program: Program, help: str) -> None:
    parser.add_argument("--name", type=stack_prefix, default=program.name, help=f"{help} (default: {program.name})")


def add_yes_option(parser: Any) -> None:
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def add_error_rate_option(parser: Any) -> None:
    parser.add_argument(
        "--ignore-error-rate",
        action="store_true",
        help="go on although so many requests fail that the service would be rolled back",
    )


def add_account_options(parser: Any, program: Program) -> None:
    """Which stacks of a deployment, and where they are."""
    add_layer_option(parser, program)
    add_deployment_option(parser, program)
    add_name_option(parser, program, STACKS)
    add_aws_options(parser)


def add_role_option(parser: Any) -> None:
    parser.add_argument(
        "--role-arn", type=role_arn, metavar="ARN", default="", help="the role that CloudFormation assumes"
    )


def add_aws_options(parser: Any) -> None:
    """Where the stacks are; --region and --profile are the AWS CLI's."""
    parser.add_argument(
        "--data-stack", metavar="STACK", default="", help="the data layer's stack (default: NAME-LAYER)"
    )
    parser.add_argument("--region", help="AWS Region (default: AWS_REGION, then the profile's)")
    parser.add_argument("--profile", help="profile of the AWS CLI (default: AWS_PROFILE)")


def add_image_options(parser: Any) -> None:
    """What an image is built from, which its tag follows from."""
    parser.add_argument(
        "--context", metavar="DIR", type=Path, help="the folder of the Dockerfile (default: the current one)"
    )
    parser.add_argument(
        "--build-arg", **REPEATABLE, metavar="KEY=VALUE", type=key_value, help="a build argument; repeatable"
    )


def add_build_options(parser: Any, tools: str) -> None:
    """How an image is built, with one of these container tools."""
    add_image_options(parser)
    parser.add_argument("--build-secret", **REPEATABLE, metavar="id=ID,src=FILE", help="a build secret; repeatable")
    parser.add_argument("--container-tool", metavar="TOOL", help=f"{tools}, by name or path")


def add_parameter_option(parser: Any) -> None:
    parser.add_argument(
        "--parameter",
        **SEVERAL,
        metavar="[LAYER.]KEY=VALUE",
        help="parameters, of every layer that has them or of one; the others keep their deployed values",
    )


def add_allow_replacement_option(parser: Any) -> None:
    parser.add_argument(
        "--allow-replacement",
        **REPEATABLE,
        metavar="LOGICAL_ID",
        help="allow this resource to be replaced or deleted; repeatable",
    )


def add_change_options(parser: Any, program: Program) -> None:
    """The options of every command that creates change sets."""
    add_account_options(parser, program)
    add_role_option(parser)
    add_color_option(parser)
    parser.add_argument(
        "--image",
        **REPEATABLE,
        metavar="[LAYER=]URI",
        type=image,
        help="the image to run: the parameter ImageUri (default: build --context); repeatable, for several services",
    )
    parser.add_argument("--parameters", metavar="FILE", help="a parameter file of the AWS CLI or CodePipeline")
    add_parameter_option(parser)
    parser.add_argument(
        "--tag",
        "--tags",
        **SEVERAL,
        metavar="[LAYER.]KEY=VALUE",
        help="tags of every stack or of one layer's; the others stay",
    )
    parser.add_argument("--untag", **SEVERAL, metavar="[LAYER.]KEY", help="tags to take off the stacks")
    add_allow_replacement_option(parser)
    parser.add_argument(
        "--notification-arn", **REPEATABLE, metavar="ARN", help="an SNS topic for stack events; repeatable"
    )
    parser.add_argument(
        "--capabilities",
        choices=("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"),
        nargs="+",
        default=[],
        metavar="CAPABILITY",
        help="refuse a template that needs another one (default: what each template needs)",
    )
    parser.add_argument(
        "--template-bucket",
        metavar="BUCKET",
        default="",
        help="an S3 bucket for templates over 51,200 bytes (docs/permissions.md)",
    )
    parser.add_argument(
        "--import-existing", action="store_true", help="import existing resources that have the same name"
    )
    parser.add_argument(
        "--revert-drift", action="store_true", help="also change back what was changed by hand, as far as it is seen"
    )


def session(arguments: argparse.Namespace) -> Session:
    """A session with the terminal as its UI. Raises UsageError where a command would ask and cannot."""
    from generator.cli.terminal import Terminal
    from generator.operations import Session

    ui = Terminal(
        yes=getattr(arguments, "yes", False),
        asks=hasattr(arguments, "yes"),
        plain=getattr(arguments, "no_color", False),
    )
    return Session(ui, region=arguments.region, profile=arguments.profile)


def chosen(found: Sequence[Deployment], arguments: argparse.Namespace) -> tuple[Deployment, dict[str, Any]]:
    """The deployment that the arguments choose, and the fields of StackOptions."""
    deployment = chosen_deployment(found, arguments.deployment, arguments.layer)
    others = () if arguments.deployment else tuple(each for each in found if each is not deployment)
    return deployment, {name: getattr(arguments, name) for name in ("name", "data_stack", "layer")} | {"others": others}


def change_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields that ChangeOptions adds. Raises UsageError for a value or a file that cannot be read."""
    from generator.parameters import files

    file = files.parameter_file(arguments.parameters) if arguments.parameters else files.Values()
    given = files.parameters("--parameter", arguments.parameter)
    images = files.unique("--image", arguments.image)
    tags = {**file.tags, **given.tags, **files.tags("--tag", arguments.tag)}
    if both := [key for key in arguments.untag if key in tags]:
        raise UsageError(f"--untag {both[0]}: the tag is also given. Remove one of the two.")
    return {
        "role_arn": arguments.role_arn,
        "parameters": {
            **{name: value for name, value in file.parameters.items() if name not in given.previous},
            **given.parameters,
        },
        "previous": given.previous | (file.previous - given.parameters.keys()),
        "tags": tags,
        "removed_tags": tuple(arguments.untag),
        "capabilities": tuple(arguments.capabilities),
        "template_bucket": arguments.template_bucket,
        "image": images.pop("", ""),
        "images": images,
        "context": arguments.context,
        "build_args": dict(arguments.build_arg),
        "allow_replacement": tuple(arguments.allow_replacement),
        "notification_arns": tuple(arguments.notification_arn),
        "import_existing": arguments.import_existing,
        "revert_drift": arguments.revert_drift,
    }


def read_file(file: Path) -> str:
    """The text of a file that an option names. Raises UsageError if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read {file}: {getattr(error, 'strerror', None) or error}.") from error


def write_file(file: Path, text: str) -> None:
    """Writes a file that an option names. Raises OutputError if that is not possible."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(action="write", path=file, reason=error.strerror or str(error)) from error


def chosen_deployment(deployments: Sequence[Deployment], name: str = "", layer: str = "") -> Deployment:
    """The deployment of that name; without a name, the first that has the layer, or simply the first.

    Raises UsageError if there is no such deployment.
    """
    if not name:
        return next((d for d in deployments if any(found.name == layer for found in d.layers)), deployments[0])
    for deployment in deployments:
        if deployment.name == name:
            return deployment
    raise UsageError(f"There is no deployment {name!r}; there are {', '.join(d.name for d in deployments)}.")


def checked_deployments(deployments: Callable[[], Returned]) -> Sequence[Deployment]:
    """What build.py returns; layers alone are one deployment. Raises UsageError for none and for two of one name."""
    if not callable(deployments):
        raise UsageError(
            "main takes the function that returns the deployments, not what it returns: main(deployments)."
        )
    returned = deployments()
    returned = (returned,) if isinstance(returned, Deployment | Layer) else returned
    if not isinstance(returned, Iterable):
        raise UsageError(f"build.py returns {returned!r} instead of deployments. Does its function end without return?")
    every = tuple(returned)
    if wrong := [type(one).__name__ for one in every if not isinstance(one, Deployment | Layer)]:
        raise UsageError(f"build.py returns a value of the type {wrong[0]} among its deployments and layers.")
    found = [one for one in every if isinstance(one, Deployment)]
    if layers := tuple(one for one in every if isinstance(one, Layer)):
        found.append(Deployment(layers[-1].name, layers))
    if not found:
        raise UsageError("build.py returns no deployment.")
    names = [deployment.name for deployment in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"Two deployments are named {twice[0]!r}: give each a name of its own.")
    return found
