"""A deployment on this machine, for tests that run further commands and send requests to it."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from generator import contract
from generator.cli import main
from generator.cli.arguments import Deployments
from generator.compute import Compute
from generator.iam.access import access_deployment
from generator.images.context import Context
from generator.layers import app_runner_deployment, default_deployments
from rehearsal.local_aws import LocalAws
from tests.command import Command, output
from tests.load import CONNECTIONS
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
        proxy = urlsplit(os.environ["HTTPS_PROXY"])
        assert proxy.hostname
        trust = ssl.create_default_context()
        connection = http.client.HTTPSConnection(proxy.hostname, proxy.port, timeout=20, context=trust)
        connection.set_tunnel(urlsplit(url).netloc, 443)
        try:
            connection.request(method, path, json.dumps(body) if body else None)
            answered = connection.getresponse()
            return answered.status, answered.read()
        finally:
            connection.close()

    @contextmanager
    def load(self, stack: str = "users-apprunner") -> Iterator[list[str]]:
        """Writes and reads from 16 connections until the `with` block ends; then the list has the failed requests."""
        url = output(stack, contract.SERVICE_URL)
        ended = threading.Event()
        wrong: list[str] = []
        done = [0] * CONNECTIONS

        def work(number: int) -> None:
            while not ended.is_set():
                email = f"load-{number}-{done[number]}@foo.com"
                try:
                    wrote, _ = self.answer("POST", url, "/", {"email": email, "name": "a"})
                    read, body = self.answer("GET", url, f"/{email}")
                    if (wrote, read) != (200, 200) or json.loads(body)["email"] != email:
                        wrong.append(f"{email}: {wrote}, {read}")
                except (OSError, http.client.HTTPException, ValueError) as error:
                    wrong.append(f"{email}: {error!r}")
                done[number] += 1

        threads = [threading.Thread(target=work, args=(number,)) for number in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        try:
            yield wrong
        finally:
            ended.set()
            for thread in threads:
                thread.join()
            print(f"{2 * sum(done)} requests from {CONNECTIONS} connections")
        assert min(done) > 0
