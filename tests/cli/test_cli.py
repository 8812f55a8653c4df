"""The command line as a whole: how it is called, which layers are meant, what becomes of errors."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from troposphere import sns

from generator.cli import main
from generator.cli.verbs import add_account_options, of_compute
from generator.layers import Layer, all_layers, default_layers
from generator.settings import Settings
from tests.running import ROOT


@dataclass(frozen=True)
class Topic:
    topic: sns.Topic


def one_topic(**properties: Any) -> tuple[Layer, ...]:
    return (Layer("topic", "A topic.", (Topic(sns.Topic("Topic", **properties)),)),)


def files(directory: Path) -> list[str]:
    """The names of templates and policies; pictures have a test of their own."""
    return sorted(path.name for path in directory.rglob("*") if path.suffix != ".mmd" and path.name != "pictures")


def of(*arguments: str) -> list[str]:
    """The files of the layers that a verb takes."""
    parser = argparse.ArgumentParser()
    add_account_options(parser)
    return [layer.file_name for layer in of_compute(all_layers(), parser.parse_args(arguments))]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )


def test_another_verb_takes_the_layers_of_one_compute_by_default_the_first() -> None:
    assert of() == of("--compute", "apprunner") == ["data-layer.json", "apprunner-layer.json"]
    assert of("--compute", "ecs-express") == ["ecs-express-data-layer.json", "ecs-express-layer.json"]


def test_a_layer_names_its_compute() -> None:
    assert of("--layer", "ecs-express") == of("--compute", "ecs-express")
    assert of("--layer", "apprunner") == of("--layer", "data") == of()


def test_a_compute_that_is_none_is_named_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(all_layers, ["preview", "--compute", "lambda"]) == 64
    assert capsys.readouterr().err == "There is no compute layer 'lambda'; there are apprunner, ecs-express.\n"
    assert main(all_layers, ["preview", "--compute", "apprunner", "--layer", "ecs-express"]) == 64
    assert capsys.readouterr().err == "There is no layer 'ecs-express'; there are data, apprunner.\n"


def test_layers_made_for_no_compute_go_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(one_topic, ["preview", "--layer", "data"]) == 64
    assert capsys.readouterr().err == "There is no layer 'data'; there are topic.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bogus"], "Unrecognized arguments: --bogus."),
        (["frobnicate"], "Argument COMMAND: invalid choice: 'frobnicate'"),
        (["build", "--out"], "Argument --out: expected one argument."),
        (["--layer", "dat"], "There is no layer 'dat'; there are topic."),
        (["--chec"], "Unrecognized arguments: --chec."),
    ],
)
def test_wrong_usage_is_one_paragraph_and_64(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(one_topic, arguments) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_a_bad_setting_is_one_paragraph_and_64(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(lambda: default_layers(Settings(zones=7)), ["--out", str(tmp_path)]) == 64
    assert capsys.readouterr() == ("", "Settings.zones is 7, but it must be 2 or 3.\n")
    assert files(tmp_path) == []


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(lambda: default_layers(Settings(zones=7)), ["--debug"]) == 64
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("Settings.zones is 7, but it must be 2 or 3.\n")


def test_ctrl_c_is_130() -> None:
    def interrupted() -> tuple[Layer, ...]:
        raise KeyboardInterrupt

    assert main(interrupted, []) == 130


def test_help_names_how_it_was_called() -> None:
    assert run("build.py", "--help").stdout.startswith("usage: python build.py ")
    assert run("-m", "generator", "--help").stdout.startswith("usage: python -m generator ")


def test_without_its_packages_build_py_says_what_to_type() -> None:
    bare = run("-S", "build.py", PYTHONPATH="")
    assert (bare.returncode, bare.stdout) == (1, "")
    assert bare.stderr == (
        "The package troposphere is not installed. Run `make build`, which brings all that is needed.\n"
    )


def test_a_reader_that_leaves_early_gets_no_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "build.py", "--check", "--no-lint"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1
