"""examples/from_python.py in a rehearsal: no command line, a UI of its own."""

from __future__ import annotations

import ast
from pathlib import Path

from examples import from_python
from generator import contract
from generator.compute.apprunner import AppRunnerCompute
from generator.iam.access import access_deployment
from generator.images.context import Context
from generator.layers import app_runner_deployment
from generator.operations import Session, Stack
from generator.report.results import Result
from rehearsal.local_aws import LocalAws
from tests.command import Captured, stacks
from tests.running import ROOT


class PushingLog(from_python.Log):
    """The example's UI, which pushes the image as soon as there is a repository: no container tool is needed."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws

    def show(self, result: Result) -> None:
        super().show(result)
        if isinstance(result, Stack) and contract.REPOSITORY_URI in result.outputs:
            self._aws.push(result.outputs[contract.REPOSITORY_URI])


def test_both_layers_are_previewed_deployed_verified_and_destroyed(tmp_path: Path, capsys: Captured) -> None:
    access = access_deployment(app_runner_deployment()).layers[0]
    with LocalAws(tmp_path, Context(ROOT), (AppRunnerCompute(),), access) as aws:
        url = from_python.run(Session(PushingLog(aws)))
        assert stacks() == {}
    assert url.startswith("https://")
    lines = capsys.readouterr().out.splitlines()
    assert "from-python-data would have 21 changes" in lines
    assert "from-python-data: CREATE_COMPLETE, 12 outputs" in lines
    assert "verified: a user: written, read back, deleted" in lines
    assert "... from-python-data is deleted." in lines


def test_the_example_needs_no_command_line() -> None:
    tree = ast.parse(Path(from_python.__file__).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not [name for name in modules if name and name.startswith(("argparse", "generator.cli", "sys"))]
