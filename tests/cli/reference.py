"""`python -m tests.cli.reference > docs/reference.md`: names and values, generated from the code."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import fields

from generator import cli
from generator.layers import Layer, default_deployments
from generator.settings import Settings

HEAD = """\
# Reference

<!-- Made by `python -m tests.cli.reference > docs/reference.md`. -->

Names and values, from the code. What they are for is in the README and the pages beside this one; the lint rules are in
[rules.md](rules.md), the service's variables in [service.md](service.md).
"""

EXIT_CODES = """\
## Exit codes

| code | means |
|---|---|
| 0 | done, or nothing to change |
| 1 | failed, declined, not verified; not current under `--check`; lint findings |
| 2 | there are changes (`preview --detailed-exitcode`), or drift (`status --drift --detailed-exitcode`) |
| 3 | data would be lost (`preview`, `deploy`) |
| 64 | wrong usage, a missing `--yes` without a terminal included |
| 130 | ended by Ctrl-C or SIGTERM |
"""

PREVIEW = """\
## What `preview --format json` prints

[preview.schema.json](preview.schema.json) is its JSON Schema. `version` grows when a field changes its meaning or goes.
"""


def document() -> str:
    """docs/reference.md."""
    layers = [layer for deployment in default_deployments() for layer in deployment.layers]
    sections = [line for layer in layers for line in _layer(layer)]
    return "\n".join([HEAD, *_command(), EXIT_CODES, *_settings(), *sections, PREVIEW])


def _command() -> Iterator[str]:
    yield "## The command\n"
    verbs = next(
        action for action in cli.parser("python build.py")._actions if isinstance(action, argparse._SubParsersAction)
    )
    for name, parser in verbs.choices.items():
        yield f"### {name}\n\n{parser.description}\n"
        yield f"`{str(parser.epilog).removeprefix('Example: ')}`\n"
        yield "| option | |\n|---|---|"
        for action in parser._actions:
            if "--help" not in action.option_strings:
                value = f" {action.metavar or _choices(action)}" if action.nargs != 0 else ""
                yield f"| `{', '.join(action.option_strings)}{value}` | {action.help} |"
        yield ""


def _choices(action: argparse.Action) -> str:
    return "\\|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def _settings() -> Iterator[str]:
    yield "## Settings\n\nThe shape of the templates, in `build.py`.\n\n| field | default | |\n|---|---|---|"
    # From Python 3.13 on the compiler takes the indentation off.
    documentation = inspect.cleandoc(str(Settings.__doc__))
    for field in fields(Settings):
        found = re.search(rf"^{field.name}: (.*?)(?=^\w+: |\n\n)", documentation, re.MULTILINE | re.DOTALL)
        assert found, field.name
        yield f"| `{field.name}` | `{field.default!r}` | {' '.join(found[1].split())} |"
    yield ""


def _layer(layer: Layer) -> Iterator[str]:
    yield f"## {layer.file_name}\n\n{layer.description}\n"
    yield "| parameter | default | |\n|---|---|---|"
    for name, parameter in layer.parameters.items():
        default = f"`{parameter['Default']}`" if parameter.get("Default", "") != "" else _absent(parameter)
        allowed = ", ".join(map(str, parameter.get("AllowedValues", ())))
        values = f" One of {allowed}." if allowed else ""
        yield f"| `{name}` | {default} | {_cell(parameter['Description'])}{values} |"
    yield "\n| output | exported | |\n|---|---|---|"
    for name, output in layer.template.get("Outputs", {}).items():
        yield f"| `{name}` | {'yes' if 'Export' in output else ''} | {_cell(output['Description'])} |"
    yield ""


def _absent(parameter: dict[str, object]) -> str:
    return "empty" if "Default" in parameter else "none: it must be given"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(document())
