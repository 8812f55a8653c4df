"""The library as its users have it: a wheel in an environment of its own, and their code beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.environments import interpreter, run
from tests.running import ROOT

USERS_PART = '''
"""A part of a user's own, with a bucket that the layer names beside the library's parts."""

from __future__ import annotations

from dataclasses import dataclass

from awacs.aws import Action, Allow, Statement
from troposphere import GetAtt, Output, Parameter, Sub, s3
from troposphere.validators.cloudformation import AWSCustomObject

from generator import (
    Condition, ForEach, Input, Layer, Place, Settings, TemplateMetadata, Transform, Workload, app_runner_layer,
    data_layer, ecs_express_layer, export, imported, why,
)


@dataclass(frozen=True)
class Bucket:
    days: Input
    bucket: s3.Bucket
    name: Output


def bucket(prefix: str = "") -> Bucket:
    days = Input(Parameter("Days", Type="Number", Default=7), group="Bucket", label="Days to keep")
    made = s3.Bucket(f"{prefix}Bucket", Metadata=why("Keeps what the cluster cannot"))
    return Bucket(days, made, export(f"{prefix}BucketName", "The bucket.", made.ref()))


class Thing(AWSCustomObject):
    resource_type = "Custom::Thing"
    props = {"ServiceToken": (str, True)}


place = Place(vpc_id="vpc-0123456789abcdef0", private_subnet_ids=["subnet-0123456789abcdef0"])
logs = s3.Bucket("Logs")
data = data_layer(
    Settings(), bucket(), logs, export("LogsArn", "The logs.", GetAtt(logs, "Arn")),
    (Thing("Thing", ServiceToken=Sub("arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:f")),),
    Transform("Company::Macro"), TemplateMetadata("Owner", "team"),
    ForEach("Names", "Name", ["A", "B"], {"Topic${Name}": {"Type": "AWS::SNS::Topic"}}), name="storage",
)
read = Statement(Effect=Allow, Action=[Action("s3", "GetObject")], Resource=[imported("LogsArn")])
workload = Workload(environment={"LOGS": imported("BucketName"), "LEVEL": "INFO"}, statements=(read,))
on_app_runner = app_runner_layer(Settings(), workload, name="web")
on_ecs = ecs_express_layer(Settings(), workload, bucket("More"))
elsewhere = data_layer(Settings(), place=place)
layer = Layer("mine", "Mine.", (bucket(), None))
assert all(layer.text() for layer in (data, on_app_runner, on_ecs, elsewhere))
text: str = layer.text()
'''


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


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel installed; what it depends on comes from the environment of the tests."""
    made = interpreter(tmp_path_factory.mktemp("environment"))
    pip("--python", str(made), "install", "--no-deps", "--no-index", str(wheel))
    return made


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


def strict_mypy(python: Path, *arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    options = ("--strict", "--python-executable", python)
    return run(sys.executable, "-m", "mypy", *options, *arguments, directory=directory)


def test_a_users_own_part_passes_strict_mypy_against_the_installed_package(python: Path, tmp_path: Path) -> None:
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text(USERS_PART)
    (tmp_path / "mypy.ini").write_text("[mypy]\n[mypy-troposphere.*]\nfollow_untyped_imports = true\n")
    checked = strict_mypy(python, "-p", "mine", directory=tmp_path)
    assert checked.stdout == "Success: no issues found in 1 source file\n"
    ran = run(python, "-c", "import generator, mine; print(generator.__file__)", directory=tmp_path)
    assert ran.stdout.startswith(str(python.parents[1]))


def test_a_mistake_in_a_users_part_does_not_pass(python: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from generator import Settings\nSettings(zones='2')\n")
    checked = strict_mypy(python, "mine.py", directory=tmp_path)
    assert 'incompatible type "str"; expected "int"' in checked.stdout
