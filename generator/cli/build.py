"""`build`: templates and IAM policies as files, the templates linted, all or none of them."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from generator.cli.terminal import say
from generator.cli.verbs import (
    DONE,
    FAILED,
    Layers,
    Subparsers,
    add_layer_option,
    chosen,
    deployment_name,
    together,
    verb,
)
from generator.contract import TEMPLATE_BODY_LIMIT
from generator.errors import OutputError
from generator.layers import Layer

if TYPE_CHECKING:
    from generator.template.lint import Finding

POLICIES, PICTURES = "iam", "pictures"


def add_to(verbs: Subparsers, prog: str) -> None:
    """Adds the verb to the command."""
    parser = verb(
        verbs,
        "build",
        run,
        help="write the templates and the IAM policies, linted",
        description="Lints the templates with cfn-lint for every Region they support, and writes them; with a finding, "
        "writes nothing. Also draws them, in pictures/, and writes the IAM policies of those who preview and deploy "
        "them and of the role that CloudFormation assumes, in iam/. With --layer there are no policies, nor with "
        "--no-lint, because cfn-lint knows what CloudFormation needs.",
        example=f"{prog} build --check",
    )
    add_layer_option(parser)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail with a diff if a file is not up to date"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("templates"), help="where the files go (default: templates)"
    )
    parser.add_argument("--no-lint", dest="lint", action="store_false", help="do not lint, and write no policies")
    parser.add_argument(
        "--name",
        type=deployment_name,
        default="users",
        help="the policies are for stacks named NAME-LAYER (default: users)",
    )


@dataclass(frozen=True)
class _File:
    """A file that was made: where it belongs, what is in it, and what to say of it."""

    path: Path
    text: str
    line: str


def run(layers: Layers, arguments: argparse.Namespace) -> int:
    """Emits what is wanted, or compares it with what is there; returns the exit code."""
    wanted = chosen(layers(), arguments.layer)
    texts = {layer.file_name: layer.text() for layer in wanted}
    findings = {name: _lint(text) for name, text in texts.items()} if arguments.lint else None
    objections = [
        f"{arguments.out / name}: {finding.logical_id or 'template'}: {finding.rule}: {finding.sentence}"
        for name, found in (findings or {}).items()
        for finding in found
    ]
    if objections:
        say("\n".join([*objections, "Nothing was written."]))
        return FAILED
    made = [_template(arguments.out / name, text, linted=arguments.lint) for name, text in texts.items()]
    # A part of a deployment has no policies of its own, and is in no picture of the whole.
    if not arguments.layer:
        for group, layers_of_it in deployments(wanted).items():
            made += _pictures(group, layers_of_it, texts, arguments.out)
            made += _policies(group, layers_of_it, arguments) if arguments.lint else []
    if arguments.check:
        difference = "".join(_difference(file.path, file.text) for file in made)
        if difference:
            print(difference, end="")
            say("Not current: run `make build` and commit what it writes.")
            return FAILED
    else:
        _write({file.path: file.text for file in made})
    print(*(file.line for file in made), sep="\n")
    return DONE


def deployments(layers: Sequence[Layer]) -> dict[str, list[Layer]]:
    """The layers that are deployed together, by the compute that they are made for; the first is called ""."""
    computes = list(dict.fromkeys(layer.made_for for layer in layers if layer.made_for)) or [""]
    return {"" if compute == computes[0] else compute: together(layers, compute) for compute in computes}


def _lint(text: str) -> Sequence[Finding]:
    from generator.template.lint import lint

    return lint(text)


def _template(path: Path, text: str, *, linted: bool) -> _File:
    """A template that was not linted, or in which nothing was found."""
    template = json.loads(text)
    line = (
        f"{path}: {len(template['Resources'])} resources, {len(template.get('Parameters', {}))} parameters, "
        f"{len(text.encode()):,} of {TEMPLATE_BODY_LIMIT:,} bytes, {'0 findings' if linted else 'not linted'}"
    )
    return _File(path, text, line)


def _policies(group: str, layers: Sequence[Layer], arguments: argparse.Namespace) -> list[_File]:
    from generator.iam.policies import INLINE_LIMIT, actions, documents, size

    made = []
    for name, text in sorted(documents(layers, arguments.name).items()):
        path = arguments.out / POLICIES / group / name
        line = f"{path}: {len(actions(text))} actions, {size(text):,} of {INLINE_LIMIT:,} characters"
        made.append(_File(path, text, line))
    return made


def _pictures(group: str, layers: Sequence[Layer], texts: Mapping[str, str], out: Path) -> list[_File]:
    """A picture of each layer, and one of all of them together where there are several."""
    from generator.template.diagram import diagram

    drawn = {layer.file_name.removesuffix("-layer.json"): {layer.name: texts[layer.file_name]} for layer in layers}
    if len(layers) > 1:
        drawn[f"{group or 'default'}-together"] = {layer.name: texts[layer.file_name] for layer in layers}
    made = []
    for name, templates in drawn.items():
        path, text = out / PICTURES / f"{name}.mmd", diagram(templates)
        made.append(_File(path, text, f"{path}: {text.count('[') - text.count('subgraph')} boxes"))
    return made


def _difference(path: Path, text: str) -> str:
    import difflib

    try:
        committed = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        committed = ""
    except OSError as error:
        raise OutputError(action="read", path=path, reason=error.strerror or str(error)) from error
    return "".join(
        difflib.unified_diff(
            committed.splitlines(keepends=True),
            text.splitlines(keepends=True),
            fromfile=f"{path} (as it is)",
            tofile=f"{path} (as it should be)",
        )
    )


def _write(texts: Mapping[Path, str]) -> None:
    """Puts every file in place, or none when one cannot be written."""
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in texts}
    path = Path()
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise IsADirectoryError(None, "it is a directory")
            temporary[path].write_text(text, encoding="utf-8", newline="\n")
        for path in texts:
            temporary[path].replace(path)
    except OSError as error:
        raise OutputError(action="write", path=path, reason=error.strerror or str(error)) from error
    finally:
        for leftover in temporary.values():
            with suppress(OSError):
                leftover.unlink(missing_ok=True)
