"""docs/api.md, from the docstrings: `python -m tests.project.api > docs/api.md`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass

import generator

HEAD = """\
# API

<!-- Made by `python -m tests.project.api > docs/api.md`. -->

What `generator` exports, with an example each, which a test runs. [The tutorial](tutorial.md) uses it. What deploys is
`generator.operations`, which [`examples/from_python.py`](../examples/from_python.py) uses; the roles of CI are
`generator.iam.access.access_deployment(deployment)`, which [permissions](permissions.md) describes. mypy needs
`follow_untyped_imports = true` for `troposphere.*`, which has annotations but no `py.typed`.
"""

GROUPS = {
    "What is deployed": (
        "Deployment",
        "Layer",
        "Settings",
        "app_runner_deployment",
        "ecs_express_deployment",
        "data_layer",
        "app_runner_layer",
        "ecs_express_layer",
    ),
    "What runs": ("Workload", "HealthCheck", "Verification", "MemoryDBAccess", "Place"),
    "What a layer consists of": ("user", "repository", "existing_network", "export", "imported", "why", "Part"),
    "Elements that troposphere lacks": (
        "Input",
        "Condition",
        "Mapping",
        "Rule",
        "Transform",
        "ForEach",
        "TemplateMetadata",
    ),
    "What is raised": ("GeneratorError", "SettingsError", "TemplateError"),
}

# A type alias has no docstring of its own.
PART = """\
What a layer consists of: a troposphere resource, custom resource, output or parameter; an `Input`, `Condition`,
`Mapping`, `Rule`, `Transform`, `ForEach` or `TemplateMetadata`; a frozen dataclass whose fields are parts; a tuple of
parts; or None.
"""


def page() -> str:
    """The page's text."""
    return "\n".join([HEAD, *(line for group in GROUPS for line in _group(group))])


def _group(group: str) -> Iterator[str]:
    yield f"## {group}\n"
    for name in GROUPS[group]:
        yield f"### `{name}`\n"
        if name == "Part":
            yield PART
            continue
        value = getattr(generator, name)
        yield f"```python\n{name}{_signature(value)}\n```\n"
        # From Python 3.13 on the compiler takes the indentation off.
        yield f"```text\n{inspect.cleandoc(str(value.__doc__))}\n```\n"


def _signature(value: object) -> str:
    """A line for each argument where there are several."""
    if isinstance(value, type) and issubclass(value, Exception):
        return ""
    assert callable(value)
    signature = inspect.signature(value)
    arguments = [_argument(argument) for argument in signature.parameters.values()]
    kinds = [argument.kind for argument in signature.parameters.values()]
    first = next((i for i, kind in enumerate(kinds) if kind is inspect.Parameter.KEYWORD_ONLY), None)
    if first is not None and inspect.Parameter.VAR_POSITIONAL not in kinds:
        arguments.insert(first, "*")
    returns = "" if isinstance(value, type) else f" -> {signature.return_annotation}"
    if len(arguments) < 3:
        return f"({', '.join(arguments)}){returns}"
    return "(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){returns}"


def _argument(argument: inspect.Parameter) -> str:
    """The argument, with a default that is a whole object as its type, and one that is made anew as `{}`."""
    stars = "*" if argument.kind is inspect.Parameter.VAR_POSITIONAL else ""
    default = argument.default
    value = f"{type(default).__name__}()" if is_dataclass(default) and not isinstance(default, type) else repr(default)
    if argument.default is inspect.Parameter.empty:
        return f"{stars}{argument.name}: {argument.annotation}"
    return f"{argument.name}: {argument.annotation} = {'{}' if value == '<factory>' else value}"


if __name__ == "__main__":
    sys.stdout.write(page())
