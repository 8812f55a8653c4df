"""The exports of an account and Region."""

from __future__ import annotations

import difflib
from typing import Any

from generator.aws.calls import pages
from generator.aws.errors import translate_errors
from generator.errors import DeployError
from generator.stacks.cloudformation import name_in


def check_import(client: Any, stack_name: str, name: str) -> None:
    """Raises DeployError if no stack exports what a stack imports. It names the nearest export, one of the same output
    first."""
    with translate_errors(stack_name):
        listed = [export for page in pages(client.list_exports) for export in page["Exports"]]
    stacks = {export["Name"]: name_in(export["ExportingStackId"]) for export in listed}
    if name in stacks:
        return
    same_output = [other for other in stacks if other.rpartition("-")[2] == name.rpartition("-")[2]]
    nearest = "".join(
        f"The nearest export is {near}, of the stack {stacks[near]}. "
        for near in difflib.get_close_matches(name, same_output or stacks, 1, cutoff=0)
    )
    raise DeployError(
        stack=stack_name,
        what="Nothing was deployed to it",
        why=f"it imports {name}, which no stack exports",
        then=f"{nearest}Correct --data-stack, or deploy the stack that exports it first.",
    )
