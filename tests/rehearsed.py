"""A deployment on this machine, for tests that run further commands and send requests to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from generator import contract
from generator.cli import main
from generator.cli.arguments import Deployments
from generator.compute import Compute
from generator.iam.access import access_deployment
from generator.images.context import Context
from generator.layers import app_runner_deployment, default_deployments
from rehearsal.load import CONNECTIONS, Client, load
from rehearsal.local_aws import LocalAws
from tests.command import Command, output
from tests.running import ROOT


@contextmanager
def deployed(directory: Path, *computes: Compute) -> Iterator[LocalAws]:
    """Local AWS with the data layer and App Runner deployed; the image is pushed without a container tool."""
    with LocalAws(directory, Context(ROOT), computes, access_deployment(app_runner_deployment()).layers[0]) as made:
        assert main(default_deployments, argv=["deploy", "--yes", "--layer", "data"]) == 0
        made.push(output("users-data", contract.REPOSITORY_URI))
        assert main(default_deployments, argv=["deploy", "--yes"]) == 0
        yield made


class LocalDeployment:
    """The command with these deployments, and the deployed service. `capsys` is the running test's."""

    def __init__(self, aws: LocalAws, capsys: pytest.CaptureFixture[str], deployments: Deployments) -> None:
        self.aws = aws
        self.said = ""
        self._command = Command(deployments, capsys)

    def __call__(self, *arguments: str) -> int:
        run = self._command(*arguments)
        self.said = run.said
        return run.code

    def must(self, *arguments: str) -> None:
        assert self(*arguments) == 0, self.said

    def build(self) -> str:
        """The build that the service reports."""
        _, body = self.answer("GET", output("users-apprunner", contract.SERVICE_URL), "/ready")
        return str(json.loads(body)["build"])

    def ask(self, method: str, path: str, body: dict[str, str] | None = None, stack: str = "users-apprunner") -> int:
        """The status of a request to the service's public URL, over a connection of its own."""
        return self.answer(method, output(stack, contract.SERVICE_URL), path, body)[0]

    def answer(self, method: str, url: str, path: str, body: dict[str, str] | None = None) -> tuple[int, bytes]:
        return Client(url)(method, path, body)

    @contextmanager
    def load(self, stack: str = "users-apprunner") -> Iterator[list[str]]:
        """Writes and reads from 16 connections until the `with` block ends; then the list has the failed requests."""
        failed: list[str] = []
        with load(Client(output(stack, contract.SERVICE_URL))) as made:
            yield failed
        failed += made.failed
        print(f"{made.sent} requests from {CONNECTIONS} connections")
        assert made.sent >= CONNECTIONS
