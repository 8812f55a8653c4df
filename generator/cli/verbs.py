"""What the verbs share: exit codes, and which layers are meant."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from generator.errors import TemplateError, UsageError
from generator.layers import Layer

DONE = 0
FAILED = 1
CHANGES = 2
DATA_WOULD_BE_LOST = 3
INTERRUPTED = 130

Layers = Callable[[], Sequence[Layer]]
Run = Callable[[Layers, argparse.Namespace], int]
Subparsers = Any


def verb(verbs: Subparsers, name: str, run: Run, *, help: str, description: str, example: str) -> Any:
    """A new verb's parser, with the options that every verb has."""
    parser = verbs.add_parser(
        name, help=help, description=description, epilog=f"Example: {example}", allow_abbrev=False
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=run)
    return parser


def deployment_name(text: str) -> str:
    """A name that stacks can begin with: letters, digits and hyphens, a letter first (CloudFormation API reference,
    CreateStack, StackName)."""
    if not re.fullmatch("[A-Za-z][A-Za-z0-9-]{0,99}", text):
        raise argparse.ArgumentTypeError(f"{text!r} must be letters, digits and hyphens, with a letter first")
    return text


def add_layer_option(parser: Any) -> None:
    """The option that narrows a verb."""
    parser.add_argument("--layer", metavar="LAYER", help="only this layer, such as data")


def add_compute_option(parser: Any) -> None:
    """The option that chooses among layers that are not deployed together."""
    parser.add_argument("--compute", metavar="LAYER", help="the compute layer; takes the data layer made for it")


def add_account_options(parser: Any) -> None:
    """The options of every verb that talks to AWS; --region and --profile are the AWS CLI's."""
    add_layer_option(parser)
    add_compute_option(parser)
    parser.add_argument(
        "--name", type=deployment_name, default="users", help="stacks are named NAME-LAYER (default: users)"
    )
    parser.add_argument("--data-stack", metavar="STACK", help="the data layer's stack (default: NAME-data)")
    parser.add_argument("--role-arn", metavar="ARN", default="", help="the role that CloudFormation assumes")
    parser.add_argument("--region", help="as in the AWS CLI")
    parser.add_argument("--profile", help="as in the AWS CLI")


def add_stack_options(parser: Any) -> None:
    """The options of every verb that says what stacks should become."""
    add_account_options(parser)
    parser.add_argument(
        "--image", metavar="URI", help="the image to run: the parameter ImageUri (default: build --context)"
    )
    parser.add_argument(
        "--context", metavar="DIR", type=Path, help="the folder of the Dockerfile (default: the current one)"
    )
    parser.add_argument(
        "--build-arg", metavar="KEY=VALUE", action="append", default=[], help="a build argument; repeatable"
    )
    parser.add_argument(
        "--build-secret", metavar="id=ID,src=FILE", action="append", default=[], help="a build secret; repeatable"
    )
    parser.add_argument(
        "--parameters", metavar="FILE", type=Path, help="a parameter file of the AWS CLI or CodePipeline"
    )
    parser.add_argument(
        "--parameter",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="one parameter; repeatable; others keep what is deployed",
    )
    parser.add_argument(
        "--tag", "--tags", metavar="KEY=VALUE", action="append", default=[], help="a tag of the stacks; repeatable"
    )
    parser.add_argument(
        "--allow-replacement",
        metavar="LOGICAL_ID",
        action="append",
        default=[],
        help="allow this resource to be replaced or deleted; repeatable",
    )
    parser.add_argument(
        "--notification-arn",
        metavar="ARN",
        action="append",
        default=[],
        help="an SNS topic for stack events; repeatable",
    )
    parser.add_argument(
        "--import-existing", action="store_true", help="import existing resources that have the same name"
    )


def of_compute(layers: Sequence[Layer], arguments: argparse.Namespace) -> Sequence[Layer]:
    """The layers that are deployed together: those of the compute that --compute names, by default that of the layer
    that --layer names, otherwise the first that a layer is made for. All, where no layer is made for one.

    Raises UsageError for a compute that no layer is made for.
    """
    _refuse_twice(layers)
    computes = list(dict.fromkeys(layer.made_for for layer in layers if layer.made_for))
    named = arguments.compute or _compute_of(layers, arguments.layer) or next(iter(computes), "")
    if arguments.compute and named not in computes:
        raise UsageError(f"There is no compute layer {named!r}; there are {', '.join(computes) or 'none'}.")
    return together(layers, named)


def together(layers: Sequence[Layer], compute: str) -> list[Layer]:
    """The layers made for a compute, and those made for none, unless it has one of that name."""
    own = {layer.name for layer in layers if layer.made_for == compute}
    return [layer for layer in layers if layer.made_for == compute or (not layer.made_for and layer.name not in own)]


def _compute_of(layers: Sequence[Layer], name: str | None) -> str:
    made_for = [layer.made_for for layer in layers if layer.name == name]
    return "" if "" in made_for else next(iter(made_for), "")


def chosen(layers: Sequence[Layer], name: str | None) -> Sequence[Layer]:
    """The layers of that name, or all; raises UsageError for a name that none has."""
    _refuse_twice(layers)
    if name is None:
        return layers
    names = list(dict.fromkeys(layer.name for layer in layers))
    if name not in names:
        raise UsageError(f"There is no layer {name!r}; there are {', '.join(names)}.")
    return [layer for layer in layers if layer.name == name]


def _refuse_twice(layers: Sequence[Layer]) -> None:
    files = [layer.file_name for layer in layers]
    twice = [layer.name for layer in layers if files.count(layer.file_name) > 1]
    if twice:
        raise TemplateError(f"Two layers are named {min(twice)!r} and would be written to the same file.")
