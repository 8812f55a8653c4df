"""What a rehearsal deploys before an upgrade: the templates of a commit, or exported stacks.

They are deployed with today's command, so that no code of the commit runs but that of its service.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from generator import contract
from generator.errors import UsageError
from generator.images.context import Context
from generator.layers import Deployment, Layer
from generator.operations import ExportedStack
from rehearsal.emulator.process import REGION

TEMPLATES = Path("templates")
# An availability zone's ID or name outside of eu-west-1, such as use1-az1 or us-east-1a.
FOREIGN_ZONE = re.compile(r"\b(?!euw1-)[a-z]{3,4}\d-az\d\b|\b(?!eu-west-1)[a-z]{2}(-[a-z]+)+-\d[a-z]\b")


@dataclass(frozen=True)
class GivenTemplate(Layer):
    """A layer whose template is not made of parts."""

    body: str = ""

    def text(self) -> str:
        return self.body


@dataclass(frozen=True)
class Before:
    """What is there before the upgrade.

    title: what it is, for the report. deployment: its layers. root: the folder of its source; by default the working
    tree's. parameters: by `layer.Key`. tags: by layer. stacks: what was exported, if it was. notes: what differs from
    the original.
    """

    title: str
    deployment: Deployment
    root: Path = Path()
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    stacks: tuple[ExportedStack, ...] = ()
    notes: tuple[str, ...] = ()

    def context(self, folder: Path) -> Path:
        """Its own version of the folder of a Dockerfile, or else the working tree's."""
        return found if Context(found := self.root / folder).exists else folder


def of_commit(deployment: Deployment, ref: str, directory: Path) -> Before:
    """The templates that a commit of this folder's repository has for the deployment's layers, and the source of its
    images, which are written to `directory`.

    Layers without a template in the commit are not deployed before. Raises UsageError for an unknown commit, and for
    one without templates.
    """
    found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", unknown=ref)
    commit = found.decode().strip()
    # Of the current folder, which may be one of many in its repository.
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit, unknown=ref))) as archive:
        archive.extractall(directory, filter="data")
    files = [directory / TEMPLATES / layer.file_name for layer in deployment.layers]
    pairs = list(zip(deployment.layers, files, strict=True))
    layers = tuple(given(layer, file.read_text(encoding="utf-8")) for layer, file in pairs if file.exists())
    if not layers:
        names = ", ".join(str(file.relative_to(directory)) for file in files)
        raise UsageError(f"--from {ref}: the commit has no {names}.")
    notes = tuple(f"The layer {layer.name} is new." for layer, file in pairs if not file.exists())
    return Before(ref, replace(deployment, layers=layers), directory, notes=notes)


def of_export(deployment: Deployment, stacks: Sequence[ExportedStack], title: str, root: Path = Path()) -> Before:
    """Exported stacks, with values in place of those that were withheld or that a rehearsal cannot have.

    Raises UsageError if none of them is a layer of the deployment.
    """
    by_layer = {stack.layer: stack for stack in stacks}
    layers = tuple(
        given(layer, json.dumps(by_layer[layer.name].template)) for layer in deployment.layers if layer.name in by_layer
    )
    if not layers:
        raise UsageError(
            f"{title} has the layers {', '.join(by_layer)}, and the deployment {deployment.name} has "
            f"{', '.join(layer.name for layer in deployment.layers)}. Pass --deployment."
        )
    values: dict[str, str] = {}
    notes = [f"The layer {layer.name} is new." for layer in deployment.layers if layer.name not in by_layer]
    for layer in layers:
        for name, value, note in _values(by_layer[layer.name]):
            values[f"{layer.name}.{name}"] = value
            notes += [f"{layer.name}.{name} is {note}."] if note else []
    return Before(
        title=title,
        deployment=replace(deployment, layers=layers),
        root=root,
        parameters=values,
        tags={layer.name: by_layer[layer.name].tags for layer in layers},
        stacks=tuple(by_layer[layer.name] for layer in layers),
        notes=tuple(notes),
    )


def given(layer: Layer, body: str) -> GivenTemplate:
    """The layer with a template that is there already."""
    return GivenTemplate(layer.name, layer.description, (), layer.compute, layer.template_name, layer.workload, body)


def _values(stack: ExportedStack) -> Iterator[tuple[str, str, str]]:
    """Name, value and note of each parameter; the image and the data stack are given by the rehearsal."""
    for name, declared in stack.template.get("Parameters", {}).items():
        if name in (contract.IMAGE_URI, contract.DATA_STACK_NAME):
            continue
        if name in stack.withheld:
            yield name, _made_up(declared), "made up: its value was not exported"
            continue
        match name, stack.parameters.get(name):
            case _, None:
                pass
            case contract.AUTHENTICATION, contract.IAM:
                yield name, contract.PASSWORD, "password, because the cluster here checks no IAM tokens"
            case "SnapshotName", str(value) if value:
                yield name, "", "empty, because the snapshot is not here"
            case _, str(value) if FOREIGN_ZONE.search(value):
                yield name, str(declared.get("Default", "")), f"its default, because {value} is not in {REGION}"
            case _, str(value):
                yield name, value, ""


def _made_up(declared: Mapping[str, Any]) -> str:
    """A value for a parameter. A pattern that it does not match is reported when it is deployed."""
    if "AllowedValues" in declared:
        return str(declared["AllowedValues"][0])
    if declared.get("Type") == "Number":
        return str(declared.get("MinValue", declared.get("MaxValue", 1)))
    length = max(int(declared.get("MinLength", 0)), min(20, int(declared.get("MaxLength", 20))))
    return ("MadeUp0" * length)[:length]


def accepted(parameters: Mapping[str, str], layers: Iterable[Layer]) -> dict[str, str]:
    """Those that one of the layers declares."""
    declared = {name for layer in layers for key in layer.parameters for name in (key, f"{layer.name}.{key}")}
    return {name: value for name, value in parameters.items() if name in declared}


def _git(*arguments: str, unknown: str) -> bytes:
    try:
        ran = subprocess.run(["git", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except FileNotFoundError:
        raise UsageError("--from needs git, which is not installed.") from None
    if ran.returncode:
        reason = ran.stderr.decode(errors="replace").strip().rpartition("\n")[2].removeprefix("fatal: ")
        raise UsageError(f"--from {unknown}: {reason or 'there is no such commit'}.")
    return ran.stdout
