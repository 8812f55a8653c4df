"""The command line as a whole: how it is called, which layers are meant, what becomes of errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from generator.cli import main, parser
from generator.cli.arguments import chosen
from generator.layers import Deployment, Layer, app_runner_deployment, default_deployments
from generator.settings import Settings
from tests.command import Captured
from tests.layers import files, one_topic, topic
from tests.running import ROOT


def of(*arguments: str) -> list[str]:
    """The files of the deployment that a command takes."""
    deployment, _ = chosen(default_deployments(), parser(verb="status").parse_args(["status", *arguments]))
    return [layer.file_name for layer in deployment.layers]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )


def test_a_command_takes_one_deployment_by_default_the_first() -> None:
    assert of() == of("--deployment", "apprunner") == ["data-layer.json", "apprunner-layer.json"]
    assert of("--deployment", "ecs-express") == ["ecs-express-data-layer.json", "ecs-express-layer.json"]


def test_compute_is_another_name_of_the_option() -> None:
    assert of("--compute", "ecs-express") == of("--deployment", "ecs-express")


def test_a_layer_chooses_its_deployment() -> None:
    assert of("--layer", "ecs-express") == of("--deployment", "ecs-express")
    assert of("--layer", "apprunner") == of("--layer", "data") == of()


def test_an_unknown_deployment_is_named_with_the_known_ones(capsys: Captured) -> None:
    assert main(default_deployments, argv=["preview", "--deployment", "lambda"]) == 64
    assert capsys.readouterr().err == "There is no deployment 'lambda'; there are apprunner, ecs-express.\n"
    assert main(default_deployments, argv=["preview", "--deployment", "apprunner", "--layer", "ecs-express"]) == 64
    assert capsys.readouterr().err == "There is no layer 'ecs-express'; there are data, apprunner.\n"


def test_layers_alone_are_one_deployment(tmp_path: Path, capsys: Captured) -> None:
    def layers() -> tuple[Layer, ...]:
        return app_runner_deployment().layers

    assert main(layers, argv=["build", "--no-lint", "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.glob("*-layer.json")} == {"data-layer.json", "apprunner-layer.json"}
    assert main(layers, argv=["preview", "--deployment", "x"]) == 64
    assert capsys.readouterr().err == "There is no deployment 'x'; there are apprunner.\n"


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([], "build.py returns no deployment."),
        (None, "build.py returns None instead of deployments. Does its function end without return?"),
        (5, "build.py returns 5 instead of deployments. Does its function end without return?"),
        ([Settings()], "build.py returns a value of the type Settings among its deployments and layers."),
        ([app_runner_deployment(), None], "build.py returns a value of the type NoneType among its deployments and"),
        (2 * [app_runner_deployment()], "Two deployments are named 'apprunner': give each a name of its own.\n"),
    ],
)
def test_what_build_py_returns_is_checked(returned: Any, message: str, capsys: Captured) -> None:
    assert main(lambda: returned, argv=["build"]) == 64
    assert capsys.readouterr().err.startswith(message)


def test_deployments_in_place_of_their_function_are_refused(capsys: Captured) -> None:
    called: Any = [app_runner_deployment()]
    assert main(called, argv=["build"]) == 64
    assert capsys.readouterr().err.startswith("main takes the function that returns the deployments, not what it retu")


@pytest.mark.parametrize("returned", [app_runner_deployment(), topic()])
def test_one_deployment_or_layer_alone_needs_no_list(returned: Deployment | Layer, tmp_path: Path) -> None:
    assert main(lambda: returned, argv=["build", "--no-lint", "--out", str(tmp_path)]) == 0


def test_an_exception_shows_the_line_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from troposphere import sns\n"
        "from generator.cli import main\n"
        "def topic():\n"
        "    return sns.Topic('Topic', DisplayName=3)\n"
        "sys.exit(main(lambda: [topic()]))\n"
    )
    shown = run(str(tmp_path / "mine.py"))
    assert shown.returncode == 1
    assert "Topic.DisplayName is <class 'int'>, expected <class 'str'> (mine.py, line 6)." in shown.stderr


def test_the_prefix_of_the_stacks_is_that_of_build_py(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(default_deployments, name="shop", argv=["deploy", "--help"])
    assert "(default: shop)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bogus"], "Unrecognized arguments: --bogus."),
        (["frobnicate"], "There is no command 'frobnicate'. There are build, preview, deploy,"),
        (["build", "--out"], "Argument --out: expected one argument."),
        (["--layer", "dat"], "There is no layer 'dat'; there are topic."),
        (["preview", "--layer", "data"], "There is no layer 'data'; there are topic."),
        (["--chec"], "Unrecognized arguments: --chec."),
        (["--name", "n" * 130], f"Argument --name: {'n' * 20}... has 130 characters, at most 100 are allowed."),
        (["--name", "n_n"], "Argument --name: 'n_n' must be letters, digits and hyphens, with a letter first."),
        (["preview", "--parameter", "Cpu"], "--parameter Cpu is not KEY=VALUE."),
        (["preview", "--parameter", "=1"], "--parameter: a value is not KEY=VALUE."),
        (["preview", "--tag", "a"], "--tag a is not KEY=VALUE."),
        (["preview", "--format", "yaml"], "Argument --format: invalid choice: 'yaml'"),
        (["preview", "--fail-on", "narrower"], "Argument --fail-on: invalid choice: 'narrower'"),
        (["preview", "--prices", "/nonexistent"], "Cannot read /nonexistent: No such file or directory."),
        (["preview", "--prices", __file__], f"{__file__} is not a price list"),
        (["preview", "--parameters", "/nonexistent"], "Cannot read /nonexistent: No such file or directory."),
    ],
)
def test_wrong_usage_is_one_paragraph_and_64(arguments: list[str], message: str, capsys: Captured) -> None:
    assert main(one_topic, argv=arguments) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1


@pytest.mark.parametrize("attempts", ["0", "-1", ""])
def test_an_invalid_number_of_attempts_is_named(
    attempts: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", attempts)
    assert main(one_topic, argv=["preview"]) == 64
    assert capsys.readouterr().err.startswith(f"AWS_MAX_ATTEMPTS is {attempts!r}, but must be a whole number")


def test_a_bad_setting_is_one_paragraph_and_64(tmp_path: Path, capsys: Captured) -> None:
    assert main(lambda: [app_runner_deployment(Settings(zones=7))], argv=["--out", str(tmp_path)]) == 64
    assert capsys.readouterr() == ("", "Settings.zones is 7, but it must be 2 or 3.\n")
    assert files(tmp_path) == []


def test_debug_shows_the_traceback(capsys: Captured) -> None:
    assert main(lambda: [app_runner_deployment(Settings(zones=7))], argv=["--debug"]) == 64
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("Settings.zones is 7, but it must be 2 or 3.\n")


def test_ctrl_c_is_130() -> None:
    def interrupted() -> tuple[Deployment, ...]:
        raise KeyboardInterrupt

    assert main(interrupted, argv=[]) == 130


def test_help_names_how_it_was_called() -> None:
    assert run("build.py", "--help").stdout.startswith("usage: python build.py ")
    assert run("-m", "generator", "--help").stdout.startswith("usage: python -m generator ")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (False, ". Run `make build`, which installs all that is needed."),
        (True, " here, but .venv may have it: run `. .venv/bin/activate`."),
    ],
)
def test_without_its_packages_build_py_names_the_command_to_type(
    tmp_path: Path, message: str, *, environment: bool
) -> None:
    (tmp_path / "build.py").write_text((ROOT / "build.py").read_text())
    (tmp_path / "generator").symlink_to(ROOT / "generator")
    if environment:
        (tmp_path / ".venv" / "bin").mkdir(parents=True)
        (tmp_path / ".venv" / "bin" / "activate").touch()
    bare = subprocess.run(
        [sys.executable, "-S", "build.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert (bare.returncode, bare.stdout) == (1, "")
    assert bare.stderr == f"The package troposphere is not installed{message}\n"


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


@pytest.mark.parametrize("verb", ["build", "preview", "deploy", "destroy", "status", "logs"])
def test_help_lists_layers_and_deployments(verb: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(lambda: default_deployments(), argv=[verb, "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "only this layer: data, apprunner, ecs-express" in said
    assert verb == "build" or "deployments: apprunner, ecs-express (default" in said


@pytest.mark.parametrize(
    "words",
    [
        "status --role-arn arn:aws:iam::123456789012:role/r",
        "logs --role-arn arn:aws:iam::123456789012:role/r",
        "logs --no-color",
        "export-stacks --no-color",
        "build --no-color",
        "preview --build-secret id=ca,src=ca.pem",
        "rotate --role-arn arn:aws:iam::123456789012:role/r",
        "rotate --layer data",
        "rotate --deployment apprunner",
    ],
)
def test_an_option_that_would_do_nothing_is_refused(words: str, capsys: Captured) -> None:
    assert main(default_deployments, argv=words.split()) == 64
    assert words.split()[1] in capsys.readouterr().err


def test_a_fault_in_build_py_does_not_prevent_help(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(lambda: [][0], argv=["deploy", "--help"])
    assert "only this layer, such as data" in capsys.readouterr().out
