"""`python -m tests.rehearsal.transcripts > docs/transcripts.md`: what the commands print, recorded on this machine.

What differs from one recording to the next is masked and long output is shortened, so that two recordings are equal.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from tempfile import TemporaryDirectory

from generator import contract
from generator.cli import main
from generator.compute.apprunner import AppRunnerCompute
from generator.iam.access import access_deployment
from generator.images.context import Context
from generator.layers import app_runner_deployment, default_deployments
from rehearsal.emulator.process import Fault
from rehearsal.local_aws import LocalAws
from tests.command import output
from tests.running import ROOT

HEAD = """\
# Transcripts

<!-- Made by `python -m tests.rehearsal.transcripts > docs/transcripts.md`. -->

What the commands print in the cases that matter, recorded one after the other against the emulator of a
[rehearsal](rehearsal.md), where everything is faster: on AWS the cluster takes about 18 minutes, and App Runner about
4. The two failures were injected. An image of the same content was pushed before, so nothing is built.

`...` stands for omitted lines, and `…` for the end of a line, an ID, a digest or a time. The first line of each output,
with the account and the Region, is left out. The exit code is 0 where no other is shown."""

KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
WIDTH = 180


@dataclass(frozen=True)
class Step:
    """A command, the exit code that it must have, the fault that is injected while it runs, and the beginning of the
    line from which its output is shown."""

    command: str
    code: int = 0
    fault: Fault | None = None
    start: str = ""


PAGE = {
    "A deployment": (Step("deploy --yes --layer data"), Step("deploy --yes", start="users-apprunner: verifying")),
    "A change that would replace the database": (
        Step(f"deploy --yes --layer data --parameter KmsKeyArn={KEY}", code=3),
    ),
    "A failed update": (
        Step(
            "deploy --yes --layer data --parameter SnapshotRetentionDays=14",
            code=1,
            fault=Fault("Cluster", "update", "No capacity in this zone"),
            start="… UPDATE_FAILED",
        ),
    ),
    "An update that App Runner rolls back while CloudFormation reports success": (
        Step(
            "deploy --yes --parameter Cpu=2048 --parameter Memory=4096",
            code=1,
            fault=Fault("Service", "start", spoils="secrets"),
            start="… UPDATE_COMPLETE",
        ),
    ),
    "Status and log after that": (Step("status"), Step("logs --since 1h --filter MEMORYDB_PASSWORD")),
    "A new password": (Step("rotate --yes"),),
    "A deletion": (Step("destroy --yes --purge-images"),),
}

# What is different in every recording.
MASKS = (
    r"\d{4}-\d\d-\d\dT[\d:.]+Z|\b\d\d:\d\d:\d\d(?:\.\d+)?Z",
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    r"\b[0-9a-f]{32,64}\b",
    # IDs of EC2, and what CloudFormation appends to a logical ID for a name
    r"(?<=-)(?:[0-9a-f]{17}|[0-9a-f]{13}|[0-9A-F]{13}(?:-\w{6})?)\b",
    r"(?<=(?:Service|Scaling)-)\w{12}(?=[/\"])",
    # host names of the cluster and of the service
    r"(?<=…\.)\w{6}(?=\.memorydb\.)",
    r"\w{10}(?=\.eu-west-1\.awsapprunner\.com)",
    r"(?<=took )\d+",
)

# Of lines of one kind that follow each other, the first is shown, with what is indented below it.
KINDS = (re.compile(r"  [-+!±~] "), re.compile(r"(  )?[A-Z]\w+: "), re.compile(r"  output "), re.compile(r"… [A-Z_]+ "))
BELOW = " " * 6


def document() -> str:
    """docs/transcripts.md. Raises AssertionError when a command ends with another code than its step has."""
    with TemporaryDirectory() as directory:
        access = access_deployment(app_runner_deployment()).layers[0]
        with LocalAws(Path(directory), Context(ROOT), (AppRunnerCompute(),), access) as aws:
            return "\n\n".join([HEAD, *("\n".join(_section(aws, title)) for title in PAGE)])


def _section(aws: LocalAws, title: str) -> Iterator[str]:
    yield f"## {title}\n\n```console"
    for number, step in enumerate(PAGE[title]):
        printed = _printed(aws, step)
        yield from ([""] if number else [])
        yield f"$ python build.py {step.command}"
        yield from shortened(printed, step.start)
        yield from ([f"[exit code {step.code}]"] if step.code else [])
        if step.command.endswith("data") and not step.code:
            aws.push(output("users-data", contract.REPOSITORY_URI))
    yield "```"


def _printed(aws: LocalAws, step: Step) -> str:
    text = io.StringIO()
    faults = [step.fault] if step.fault else []
    with aws.emulator.faults(*faults), redirect_stdout(text), redirect_stderr(text):
        code = main(default_deployments, argv=step.command.split())
    assert code == step.code, text.getvalue()
    return text.getvalue()


def shortened(text: str, start: str = "") -> Iterator[str]:
    """The lines of an output from the one that begins with `start`: masked, cut off, and one of each kind. Its
    last line is whole."""
    for mask in MASKS:
        text = re.sub(mask, "…", text)
    *lines, last = text.splitlines()[1:]
    omitted, repeated, kind = bool(start), False, None
    for line in dropwhile(lambda line: not line.startswith(start), lines):
        if not line.startswith(BELOW):
            before, kind = kind, next((kind for kind in KINDS if kind.match(line)), None)
            repeated = kind is not None and kind is before
        if repeated:
            omitted = True
            continue
        yield from ["..."] if omitted else []
        yield line if len(line) <= WIDTH else f"{line[:WIDTH]}…"
        omitted = False
    yield from ["..."] if omitted else []
    yield last


if __name__ == "__main__":
    sys.stdout.write(document() + "\n")
