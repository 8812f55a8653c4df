"""The command in this process, and the outputs of its stacks."""

from __future__ import annotations

from typing import NamedTuple

import boto3
import pytest

from generator.cli import main
from generator.cli.arguments import Deployments
from generator.contract import ACCESS_LAYER
from generator.redaction import redact
from rehearsal import local_aws

Captured = pytest.CaptureFixture[str]
"""The fixture capsys or capfd."""


class Run(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


class Command:
    """build.py with these deployments. `captured` is the running test's capsys or capfd."""

    def __init__(self, deployments: Deployments, captured: Captured) -> None:
        self._deployments = deployments
        self._captured = captured

    def __call__(self, *arguments: str, deployments: Deployments | None = None) -> Run:
        self._captured.readouterr()
        code = main(deployments or self._deployments, argv=list(arguments))
        run = Run(code, *self._captured.readouterr())
        assert redact(run.said) == run.said
        return run

    def must(self, *arguments: str, deployments: Deployments | None = None) -> str:
        """The output of a command that must succeed."""
        run = self(*arguments, deployments=deployments)
        assert run.code == 0, run.said
        return run.said


def output(stack: str, key: str) -> str:
    (found,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return local_aws.outputs(found)[key]


def stacks() -> dict[str, str]:
    """The status of each stack that is there, except that with the roles of a rehearsal."""
    found = boto3.client("cloudformation").describe_stacks()["Stacks"]
    names = {stack["StackName"]: stack["StackStatus"] for stack in found if stack["StackStatus"] != "DELETE_COMPLETE"}
    return {name: status for name, status in names.items() if name != f"{local_aws.NAME}-{ACCESS_LAYER}"}
