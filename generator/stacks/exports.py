"""The exports of an account and Region: whether one exists, and which one is nearest to one that does not."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from generator.aws.calls import pages
from generator.aws.errors import translate_errors


@dataclass(frozen=True)
class MissingExport:
    """An export that no stack has; the nearest one and its stack, which are empty where there is none."""

    name: str
    nearest: str = ""
    stack_name: str = ""


def missing_export(client: Any, name: str) -> MissingExport | None:
    """The export with what is nearest to it, an export of the same output first; None if it exists."""
    with translate_errors(name):
        listed = [export for page in pages(client.list_exports) for export in page["Exports"]]
    stacks = {export["Name"]: export["ExportingStackId"].split("/")[1] for export in listed}
    if name in stacks:
        return None
    same_output = [other for other in stacks if other.rpartition("-")[2] == name.rpartition("-")[2]]
    near = difflib.get_close_matches(name, same_output or stacks, 1, cutoff=0)
    return MissingExport(name, near[0], stacks[near[0]]) if near else MissingExport(name)
