"""`build`: templates as files, linted, all or none of them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from generator.cli.verbs import DONE, FAILED, Layers, Subparsers, add_layer_option, chosen, verb
from generator.errors import OutputError
from generator.layers import Layer
from generator.template import TEMPLATE_BODY_LIMIT

if TYPE_CHECKING:
    from generator.lint import Finding


def add_to(verbs: Subparsers, prog: str) -> None:
    """Adds the verb to the command."""
    parser = verb(
        verbs,
        "build",
        run,
        help="emit the templates, lint them, say what was written",
        description="Emits the templates, lints them with cfn-lint for every Region they claim, and puts each file in "
        "place. With a finding, nothing is written.",
        example=f"{prog} build --check",
    )
    add_layer_option(parser)
    parser.add_argument("--check", action="store_true", help="write nothing; fail with a diff if a file is not current")
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("templates"), help="where the files go (default: templates)"
    )
    parser.add_argument("--no-lint", dest="lint", action="store_false", help="do not lint")


@dataclass(frozen=True)
class _Emitted:
    """A template that was emitted and where it belongs."""

    path: Path
    text: str
    findings: tuple[Finding, ...] | None

    @property
    def line(self) -> str:
        template = json.loads(self.text)
        size = len(self.text.encode())
        linted = "not linted" if self.findings is None else f"{len(self.findings)} findings"
        return (
            f"{self.path}: {len(template['Resources'])} resources, {len(template.get('Parameters', {}))} parameters, "
            f"{size:,} of {TEMPLATE_BODY_LIMIT:,} bytes, {linted}"
        )


def run(layers: Layers, arguments: argparse.Namespace) -> int:
    emitted = [_emit(layer, arguments.out, lint=arguments.lint) for layer in chosen(layers(), arguments.layer)]
    objections = [
        f"{template.path}: {finding.logical_id or 'template'}: {finding.rule}: {finding.sentence}"
        for template in emitted
        for finding in template.findings or ()
    ]
    if objections:
        print(*objections, "Nothing was written.", sep="\n", file=sys.stderr)
        return FAILED
    if arguments.check:
        difference = "".join(_difference(template.path, template.text) for template in emitted)
        if difference:
            print(difference, end="")
            print("Not current: run `make build` and commit what it writes.", file=sys.stderr)
            return FAILED
    else:
        _write({template.path: template.text for template in emitted})
    print(*(template.line for template in emitted), sep="\n")
    return DONE


def _emit(layer: Layer, out: Path, *, lint: bool) -> _Emitted:
    text = layer.text()
    findings = None
    if lint:
        from generator.lint import lint as lint_text

        findings = lint_text(text)
    return _Emitted(out / layer.file_name, text, findings)


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
