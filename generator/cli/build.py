"""`build`: linted templates, stack policies, IAM policies and diagrams as files; all files are written or none."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.cli import build_memory
from generator.cli.arguments import DONE, FAILED, Deployments, Program, add_layer_option, add_name_option
from generator.contract import TEMPLATE_BODY_LIMIT
from generator.errors import FindingsError, OutputError, TemplateError, UsageError
from generator.layers import Deployment, Layer

HELP = "write the templates and the IAM policies, linted"
EXAMPLE = "--check"
POLICIES, DIAGRAMS = "iam", "diagrams"
STACK_POLICY = "-stack-policy.json"
# The first deployment: its policies are in no folder of their own.
DEFAULT = "default"
# How cfn-lint's rules begin that find no error.
LEVELS = {"W": " (warning)", "I": " (information)"}


def add_options(parser: Any, program: Program) -> None:
    add_layer_option(parser, program)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail with a diff if a file is not up to date"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("templates"), help="the folder to write to (default: templates)"
    )
    parser.add_argument(
        "--no-lint", dest="lint", action="store_false", help="do not lint, and write no policies and no access layers"
    )
    add_name_option(parser, program, "the policies are for stacks named NAME-LAYER")


@dataclass(frozen=True)
class _File:
    """A file to write, and the line that is printed about it."""

    path: Path
    text: str
    line: str


def run(deployments: Deployments, arguments: argparse.Namespace) -> int:
    """Lints the templates with cfn-lint for every Region that they support, and writes them. With a finding, nothing is
    written. It also writes a stack policy for each stack that holds data, diagrams (diagrams/) and IAM policies (iam/)
    for the commands and for CloudFormation's role. With --layer there are no IAM policies, which are derived from all
    layers; with --no-lint neither they nor access layers, which are derived with cfn-lint's schemas."""
    from generator.iam.access import AccessLayer

    found = deployments()
    # Policies and diagrams are of whole deployments, which an access layer belongs to one of.
    whole = {
        deployment.name if number else DEFAULT: deployment
        for number, deployment in enumerate(found)
        if not isinstance(deployment.layers[0], AccessLayer)
    }
    if not (arguments.lint or arguments.layer):
        # An access layer consists of policies.
        found = tuple(whole.values()) or found
    layers = _layers(found, arguments.layer)
    for layer in layers.values():
        layer.stack_name(arguments.name)
        _check_context(layer)
    if arguments.lint:
        texts = _clean(found, layers, {} if arguments.layer else whole, arguments)
    else:
        texts = {name: layer.text() for name, layer in layers.items()}
    files = [_template(arguments.out / name, texts[name], linted=arguments.lint) for name in layers]
    files += [_stack_policy(arguments.out / name, layer) for name, layer in layers.items() if layer.holds_data]
    for name, deployment in whole.items() if not arguments.layer else ():
        files += _diagrams(name, deployment, arguments.out)
    files += [_policy(arguments.out / name, text) for name, text in texts.items() if name not in layers]
    files = list({file.path: file for file in files}.values())
    left = [] if arguments.layer or not arguments.lint else _left_over(arguments.out, {file.path for file in files})
    for path in left:
        print(f"{path}: no layer or deployment makes this file. Delete it if it is of an earlier one.", file=sys.stderr)
    if arguments.check:
        difference = "".join(_difference(file.path, file.text) for file in files)
        if difference:
            print(difference, end="")
            print("Not current: run `make build` and commit what it writes.", file=sys.stderr)
            return FAILED
        if left:
            return FAILED
    else:
        _write({file.path: file.text for file in files})
    print(*(file.line for file in files), sep="\n")
    return DONE


def _left_over(out: Path, made: Collection[Path]) -> list[Path]:
    """Files named as `build` names them that it does not make, such as those of a layer that was renamed."""
    patterns = ("*-layer.json", f"*{STACK_POLICY}", f"{POLICIES}/**/*.json", f"{DIAGRAMS}/*.mmd")
    return sorted(path for pattern in patterns for path in out.glob(pattern) if path not in made)


def _layers(deployments: Sequence[Deployment], name: str) -> dict[str, Layer]:
    """The layers of that name, or all, by their files. Raises UsageError for an unknown name, TemplateError for a file
    of two layers."""
    every = [layer for deployment in deployments for layer in deployment.layers]
    found: dict[str, Layer] = {}
    for layer in every:
        if name not in ("", layer.name):
            continue
        other = found.setdefault(layer.file_name, layer)
        if other is not layer and other.text() != layer.text():
            raise TemplateError(
                f"Two layers would be written to {layer.file_name}: give one of them a template_name of its own."
            )
    if not found:
        raise UsageError(f"There is no layer {name!r}; there are {', '.join(dict.fromkeys(x.name for x in every))}.")
    return found


def _check_context(layer: Layer) -> None:
    """Raises UsageError where the folder of a service's image does not exist."""
    context = layer.workload.context if layer.workload and layer.workload.repository_output else ""
    if context and not Path(context).is_dir():
        raise UsageError(
            f"Workload.context of the layer {layer.name} is {context!r}, and there is no such folder. Leave it empty "
            "where the image is built elsewhere."
        )


def check_findings(found: Sequence[Deployment], deployment: Deployment, name: str) -> None:
    """Raises FindingsError if cfn-lint finds something in a template of `deployment`, one of `found`.

    Nothing is linted where `build` wrote the same before.
    """
    key = "" if os.environ.get("CI") else build_memory.key(found, "", name)
    if not (key and build_memory.recall(key)):
        _lint({Path(layer.file_name): layer.text() for layer in deployment.layers}, "Nothing was deployed.")


def _lint(texts: Mapping[Path, str], last: str = "Nothing was written.") -> None:
    """Raises FindingsError if cfn-lint finds something in a template."""
    from generator.template.lint import lint_all

    found = lint_all({str(path): text for path, text in texts.items()})
    templates = {str(path): json.loads(text) for path, text in texts.items()}
    lines = [
        f"{path}: {finding.logical_id or 'template'}: {finding.rule}{LEVELS.get(finding.rule[0], '')}: "
        f"{_unknown_reference(finding.message, path, templates) or finding.message}"
        for path, findings in found.items()
        for finding in findings
    ]
    rules = sorted({finding.rule for findings in found.values() for finding in findings if finding.rule[0] in LEVELS})
    if rules:
        lines.append(
            "A warning or information is accepted in the resource's Metadata: "
            f"{json.dumps({'cfn-lint': {'config': {'ignore_checks': rules}}})}"
        )
    if lines:
        raise FindingsError(lines, last)


def _unknown_reference(message: str, path: str, templates: Mapping[str, Mapping[str, Any]]) -> str:
    """What to do about a reference to a name that the template at `path` does not have; empty for another finding."""

    def names(template: Mapping[str, Any]) -> set[str]:
        return {*template["Resources"], *template.get("Parameters", ())}

    found = re.match(r"'(\w+)' is not one of (\[.*?\])", message)
    own = names(templates[path])
    # cfn-lint lists what could be named: attributes, conditions or mappings in other findings.
    if not found or not own & {*re.findall(r"'(\w+)'", found[2])}:
        return ""
    name = found[1]
    elsewhere = next((Path(other).name for other, template in templates.items() if name in names(template)), "")
    if elsewhere:
        advice = f"{elsewhere} has it: export(…) it there, and use imported(…) here."
    elif near := difflib.get_close_matches(name, own, 1, 0.75):
        advice = f"Did you mean {near[0]}?"
    else:
        advice = "Pass that resource or parameter to the layer as a part."
    return f"{name!r} is not in this template. {advice}"


def _template(path: Path, text: str, *, linted: bool) -> _File:
    """A template without findings, or one that was not linted."""
    template = json.loads(text)
    size = len(text.encode())
    length = f"{size:,} of {TEMPLATE_BODY_LIMIT:,} bytes"
    if size > TEMPLATE_BODY_LIMIT:
        # As it is sent then (`StackUpdate.body`).
        compact = json.dumps(template, ensure_ascii=False, separators=(",", ":"))
        length = f"{size:,} bytes, {len(compact.encode()):,} of {TEMPLATE_BODY_LIMIT:,} without white space"
    line = (
        f"{path}: {len(template['Resources'])} resources, {len(template.get('Parameters', ()))} parameters, {length}, "
        f"{'0 findings' if linted else 'not linted'}"
    )
    return _File(path, text, line)


def _stack_policy(template: Path, layer: Layer) -> _File:
    """What guards a layer's stack against every tool that updates it."""
    from generator.stacks.stack_policy import protected, stack_policy

    path = template.with_name(template.name.removesuffix("-layer.json") + STACK_POLICY)
    names = protected(layer.template)
    return _File(path, stack_policy(names, indent=2) + "\n", f"{path}: {len(names)} resources protected")


def _clean(
    found: Sequence[Deployment],
    layers: Mapping[str, Layer],
    whole: Mapping[str, Deployment],
    arguments: argparse.Namespace,
) -> dict[str, str]:
    """The templates of the layers and the policies of whole deployments, by their files, if cfn-lint finds nothing.

    Remembered from an earlier build of the same, except for a part of it, under --check and in CI. Raises
    FindingsError.
    """
    fresh = not whole or arguments.check or os.environ.get("CI")
    key = "" if fresh else build_memory.key(found, arguments.layer, arguments.name)
    remembered = (build_memory.recall(key) if key else None) or {}
    if layers.keys() <= remembered.keys():
        return remembered
    texts = {name: layer.text() for name, layer in layers.items()}
    _lint({arguments.out / name: text for name, text in texts.items()})
    texts |= {file: text for name, each in whole.items() for file, text in _policies(name, each, arguments.name)}
    if key:
        build_memory.remember(key, texts)
    return texts


def _policies(name: str, deployment: Deployment, prefix: str) -> Iterator[tuple[str, str]]:
    from generator.iam.policies import documents

    folder = f"{POLICIES}/" if name == DEFAULT else f"{POLICIES}/{name}/"
    for document, text in sorted(documents(deployment.layers, prefix).items()):
        yield folder + document, text


def _policy(path: Path, text: str) -> _File:
    from generator.iam.policies import EXECUTION_ROLE, INLINE_LIMIT, MANAGED_LIMIT, actions, size

    # A boundary is a managed policy, and so is what an inline policy has no room for.
    managed = path.stem == "boundary" or path.stem.startswith(f"{EXECUTION_ROLE}-")
    limit = MANAGED_LIMIT if managed else INLINE_LIMIT
    return _File(path, text, f"{path}: {len(actions(text))} actions, {size(text):,} of {limit:,} characters")


def _diagrams(name: str, deployment: Deployment, out: Path) -> list[_File]:
    """The references in each layer, those of all layers together if there are several, and the architecture."""
    from generator.template.architecture import architecture
    from generator.template.diagram import diagram

    texts = {layer.name: layer.text() for layer in deployment.layers}
    drawn = {
        layer.file_name.removesuffix("-layer.json"): diagram({layer.name: texts[layer.name]})
        for layer in deployment.layers
    }
    if len(texts) > 1:
        drawn[f"{name}-together"] = diagram(texts)
    drawn[f"{name}-architecture"] = architecture(texts)
    paths = {out / DIAGRAMS / f"{stem}.mmd": text for stem, text in drawn.items() if text}
    return [
        _File(path, text, f"{path}: {text.count('[') - text.count('subgraph')} boxes") for path, text in paths.items()
    ]


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
    """Writes every file, or none if one cannot be written."""
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
