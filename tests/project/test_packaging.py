"""The library as its users have it: a wheel in an environment of its own, with or without extras, and their code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.environments import PROJECT, interpreter, run
from tests.running import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that building leaves nothing in the working tree."""
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "generator", source / "generator", ignore=shutil.ignore_patterns("__pycache__"))
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(source / "dist"), str(source))
    (made,) = (source / "dist").iterdir()
    return made


def installed(wheel: Path, directory: Path, extras: str) -> Path:
    """Python of an environment with the wheel and what it installs with these extras."""
    python = interpreter(directory, f"{PROJECT}{extras}")
    pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    return python


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(wheel, tmp_path_factory.mktemp("environment"), "[deploy,lint]")


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without extras."""
    return installed(wheel, tmp_path_factory.mktemp("environment"), "")


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True, capture_output=True)


def test_the_wheel_holds_every_module_and_the_marker_of_typed_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("generator/")}
    assert packed == {
        str(path.relative_to(ROOT))
        for path in (ROOT / "generator").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_source_distribution_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    source = wheel.parents[1]
    code = "from setuptools import build_meta; build_meta.build_sdist('sdist')"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    (packed,) = (source / "sdist").iterdir()
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(packed))
    (made,) = tmp_path.iterdir()
    with zipfile.ZipFile(made) as one, zipfile.ZipFile(wheel) as other:
        assert {name: one.read(name) for name in one.namelist()} == {
            name: other.read(name) for name in other.namelist()
        }


def test_the_installed_module_makes_the_committed_templates(python: Path, tmp_path: Path) -> None:
    assert run(python, "-m", "generator", directory=tmp_path).returncode == 0
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.json"))
    assert made == sorted(path.relative_to(ROOT) for path in (ROOT / "templates").rglob("*.json"))
    assert all((tmp_path / path).read_text() == (ROOT / path).read_text() for path in made)


OWN_BUILD = """\
import sys
from generator import Layer, export
from generator.cli import main
from troposphere import s3

bucket = s3.Bucket("Logs")
layer = Layer("logs", "Logs.", (bucket, export("LogsName", "The logs.", bucket.ref())))
sys.exit(main(lambda: [layer]))
"""


def test_a_build_of_ones_own_in_an_empty_directory(python: Path, tmp_path: Path) -> None:
    (tmp_path / "build.py").write_text(OWN_BUILD)
    built = run(python, "build.py", directory=tmp_path)
    assert (built.returncode, built.stderr) == (0, "")
    assert '"AWS::S3::Bucket"' in (tmp_path / "templates" / "logs-layer.json").read_text()


def test_a_preview_there_says_that_credentials_are_missing(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    (tmp_path / "build.py").write_text(OWN_BUILD)
    previewed = run(python, "build.py", "preview", directory=tmp_path)
    assert (previewed.returncode, previewed.stdout) == (1, "")
    assert previewed.stderr.startswith(
        "There are no AWS credentials: Unable to locate credentials. Run `aws configure`"
    )


def missing(package: str, extra: str, instead: str = "") -> str:
    either = rf"Run `make build`, or install this project with its extra \[{extra}\]{instead}\."
    return f"{package} is not installed. {either}\n"


LINT = missing("cfn-lint", "lint", ", or pass --no-lint to build")
DEPLOY = missing("boto(3|core)", "deploy")
CLONE = "This command works only in a clone of the project: the installed package does not have it.\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        *((verb, LINT) for verb in ("build", "build --check")),
        *((verb, DEPLOY) for verb in ("preview", "status", "logs", "export-stacks users")),
        *((f"{verb} --yes", DEPLOY) for verb in ("deploy", "destroy", "rotate")),
        ("completion bash", missing("shtab", "completion")),
        *((verb, CLONE) for verb in ("serve", "rehearse")),
    ],
)
def test_a_command_without_its_extra_names_it(bare: Path, tmp_path: Path, command: str, message: str) -> None:
    shutil.copy(ROOT / "build.py", tmp_path)
    ran = run(bare, "build.py", *command.split(), directory=tmp_path)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert re.fullmatch(message, ran.stderr)


@pytest.mark.parametrize(
    ("package", "message"),
    [("rich", missing("rich", "deploy")), ("of_ones_own", r"ModuleNotFoundError: .* \(build\.py, line 8\)\. .*\n")],
)
def test_a_missing_package_of_a_program_is_of_an_extra_or_its_own(
    bare: Path, tmp_path: Path, package: str, message: str
) -> None:
    (tmp_path / "build.py").write_text(OWN_BUILD.replace("lambda: [layer]", f"lambda: __import__({package!r})"))
    ran = run(bare, "build.py", directory=tmp_path)
    assert re.fullmatch(message, ran.stderr)


def test_the_examples_pass_strict_mypy_against_the_installed_package(python: Path, tmp_path: Path) -> None:
    examples = [file.name for file in (ROOT / "examples").glob("*.py")]
    for name in examples:
        shutil.copy(ROOT / "examples" / name, tmp_path)
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from generator import Settings\nSettings(zones='2')\n")
    # What docs/api.md says that mypy needs.
    (tmp_path / "mypy.ini").write_text("[mypy]\n[mypy-troposphere.*]\nfollow_untyped_imports = true\n")
    options = ("--strict", "--python-executable", python)
    checked = run(sys.executable, "-m", "mypy", *options, *examples, wrong.name, directory=tmp_path)
    assert checked.stdout == (
        'wrong.py:2: error: Argument "zones" to "Settings" has incompatible type "str"; expected "int"  [arg-type]\n'
        f"Found 1 error in 1 file (checked {len(examples) + 1} source files)\n"
    )
