"""The plans of a deployment: from what CloudFormation prepared, and how they are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from generator import contract
from generator.layers import Layer
from generator.report.report import Line, Plan, as_json, markdown, text
from generator.stacks.change_set import Effect, additions, refusals

if TYPE_CHECKING:
    from generator.stacks.cloudformation import Conversation, Prepared, Request

STYLES = {
    Effect.LOSES_DATA: "bold red",
    Effect.REPLACES: "red",
    Effect.REMOVES: "red",
    Effect.UNKNOWN: "magenta",
    Effect.MODIFIES: "yellow",
    Effect.ADDS: "green",
    Effect.IMPORTS: "cyan",
}


def show(plans: Sequence[Plan], format: str) -> None:
    """Prints the plans to standard output, in colour on a terminal that takes it."""
    if format == "json":
        print(as_json(plans), end="")
    elif format == "markdown":
        print(markdown(plans), end="")
    elif sys.stdout.isatty():
        _print_coloured(text(plans))
    else:
        print(*(line.text for line in text(plans)), sep="\n")


def _print_coloured(lines: Iterator[Line]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text(line.text, style=STYLES[line.effect] if line.effect is not None else ""))


def unseen(talk: Conversation, layer: Layer, request: Request) -> Plan | None:
    """The plan of a layer that imports what no stack exports yet, without asking CloudFormation."""
    template = json.loads(request.template)
    needed = request.parameters.get(contract.DATA_STACK_NAME)
    data = talk.stack(needed) if needed else None
    lacks = "exists" if needed and not (data and data.exists) else ""
    named = contract.IMAGE_URI in request.parameters
    if data and data.exists and layer.compute and not named and layer.compute.repository not in data.outputs:
        lacks = f"has the output {layer.compute.repository}"
    if not lacks:
        return None
    note = f"cannot be previewed before the stack {needed} {lacks}."
    return Plan(layer.name, request.stack_name, additions(template), new=True, seen=False, note=note)


def plan(talk: Conversation, layer: str, prepared: Prepared, allowed: Sequence[str]) -> Plan:
    """The plan that a prepared change set is, with what the guard says of it."""
    made = prepared.change_set
    return Plan(
        layer=layer,
        stack_name=made.stack_name,
        changes=made.changes,
        refusals=refusals(made.changes, allowed),
        new=made.creates,
        kept=made.arn if prepared.kept else "",
        console=_console(talk.region, made.stack_id, made.arn) if prepared.kept else "",
        note="" if made.changes or made.empty else "only outputs, metadata or tags of the stack change.",
    )


def _console(region: str, stack_id: str, arn: str) -> str:
    return (
        f"https://{region}.console.aws.amazon.com/cloudformation/home?region={region}#/stacks/changesets/changes"
        f"?stackId={quote(stack_id, safe='')}&changeSetId={quote(arn, safe='')}"
    )
