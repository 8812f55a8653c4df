"""The command: arguments, files, printing, exit codes, and nothing else."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import generator
from generator import contract
from generator.errors import GeneratorError, MissingPackageError, OutputError, TemplateError, UsageError
from generator.layers import Layer
from generator.template import TEMPLATE_BODY_LIMIT

if TYPE_CHECKING:
    from generator.lint import Finding

DONE = 0
FAILED = 1
INTERRUPTED = 130

Layers = Callable[[], Sequence[Layer]]


def main(layers: Layers, argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` (by default the process's own) on what `layers` makes; returns the exit code.

    `layers` is called, not passed as a value, so that a bad setting ends in a sentence and `--help` needs no template.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = _parser().parse_args(_with_verb(given))
        code: int = arguments.run(layers, arguments)
        sys.stdout.flush()
        return code
    except GeneratorError as error:
        if "--debug" in given:
            traceback.print_exception(error)
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain once more while closing it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}. `{self.prog} --help` lists what there is.")


def _parser() -> argparse.ArgumentParser:
    name = Path(sys.argv[0]).name
    prog = "python -m generator" if name == "__main__.py" else f"python {name}"
    parser = _Parser(prog=prog, description="Without a verb: build.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=generator.__version__)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    build = verbs.add_parser(
        "build",
        help="emit the templates, lint them, say what was written",
        description="Emits the templates, lints them with cfn-lint for every Region they claim, and puts each file in "
        "place. With a finding, nothing is written.",
        epilog=f"Example: {prog} build --check",
        allow_abbrev=False,
    )
    build.add_argument("--check", action="store_true", help="write nothing; fail with a diff if a file is not current")
    build.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("templates"), help="where the files go (default: templates)"
    )
    build.add_argument("--no-lint", dest="lint", action="store_false", help="do not lint")
    build.add_argument("--layer", metavar="LAYER", help="only this layer")
    build.add_argument("--debug", action="store_true", help="show the traceback of an error")
    build.set_defaults(run=_build)

    serve = verbs.add_parser(
        "serve",
        help="the service on this machine, on an embedded store",
        description="Runs the service on an embedded Valkey in cluster mode, with the access string of the data "
        "layer's user and the variables of the App Runner layer, on the loopback interface only. Ctrl-C ends both.",
        epilog=f"Example: {prog} serve --data users.d",
        allow_abbrev=False,
    )
    serve.add_argument("--data", metavar="DIR", type=Path, help="keep the users here (default: forget them at the end)")
    serve.add_argument(
        "--port", type=int, default=contract.SERVICE_PORT, help=f"where to listen (default: {contract.SERVICE_PORT})"
    )
    serve.add_argument("--debug", action="store_true", help="show the traceback of an error")
    serve.set_defaults(run=_serve)
    return parser


def _with_verb(given: list[str]) -> list[str]:
    if given and (not given[0].startswith("-") or given[0] in ("-h", "--help", "--version")):
        return given
    return ["build", *given]


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


def _build(layers: Layers, arguments: argparse.Namespace) -> int:
    emitted = [_emit(layer, arguments.out, lint=arguments.lint) for layer in _chosen(layers(), arguments.layer)]
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


def _serve(layers: Layers, arguments: argparse.Namespace) -> int:
    users = [
        resource["Properties"]["AccessString"]
        for layer in layers()
        for resource in json.loads(layer.text())["Resources"].values()
        if resource["Type"] == "AWS::MemoryDB::User"
    ]
    if not users:
        raise UsageError("No layer has a MemoryDB user for the service to be.")
    try:
        from rehearsal.serve import serve
    except ModuleNotFoundError as error:
        raise MissingPackageError(package=error.name or "rehearsal", extra="serve", make="serve") from error
    return serve(users[0], data=arguments.data, port=arguments.port)


def _chosen(layers: Sequence[Layer], name: str | None) -> Sequence[Layer]:
    names = [layer.name for layer in layers]
    twice = sorted({given for given in names if names.count(given) > 1})
    if twice:
        raise TemplateError(f"Two layers are named {twice[0]!r} and would be written to the same file.")
    if name is None:
        return layers
    if name not in names:
        raise UsageError(f"There is no layer {name!r}; there are {', '.join(names)}.")
    return [layer for layer in layers if layer.name == name]


def _emit(layer: Layer, out: Path, *, lint: bool) -> _Emitted:
    text = layer.text()
    findings = None
    if lint:
        from generator.lint import lint as lint_text

        findings = lint_text(text)
    return _Emitted(out / layer.file_name, text, findings)


def _difference(path: Path, text: str) -> str:
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
