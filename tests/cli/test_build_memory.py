"""An unchanged build is not linted again; anything that could change its outcome is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from awacs import aws

from generator.cli import build, build_memory
from generator.iam.access import access_deployment
from generator.layers import Deployment, app_runner_deployment
from generator.settings import Settings
from tests.command import Captured, Command

DEPLOYMENTS = (app_runner_deployment(),)


@pytest.fixture(autouse=True)
def _private_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def linted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many templates each lint run was given; the real one runs."""
    runs: list[int] = []
    lint = build._lint

    def counted(texts: dict[Path, str]) -> None:
        runs.append(len(texts))
        lint(texts)

    monkeypatch.setattr(build, "_lint", counted)
    return runs


@pytest.fixture
def command(capsys: Captured) -> Command:
    return Command(lambda: DEPLOYMENTS, capsys)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_second_build_writes_the_same_without_linting(command: Command, linted: list[int], tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    said = command.must("build", "--out", str(first))
    assert command.must("build", "--out", str(second)) == said.replace(str(first), str(second))
    assert files(first) == files(second)
    assert linted == [2]


def test_a_second_build_makes_no_access_template(command: Command, linted: list[int], tmp_path: Path) -> None:
    def build(out: str) -> Deployment:
        access = access_deployment(app_runner_deployment())
        command.must("build", "--out", str(tmp_path / out), deployments=lambda: (*DEPLOYMENTS, access))
        return access

    build("first")
    assert "_text" not in vars(build("second").layers[0])
    assert files(tmp_path / "first") == files(tmp_path / "second")
    assert linted == [3]


def test_another_access_template_is_linted(command: Command, linted: list[int], tmp_path: Path) -> None:
    allowed = aws.Statement(Effect=aws.Allow, Action=[aws.Action("s3", "GetObject")], Resource=["arn:aws:s3:::a/*"])
    for access in (
        access_deployment(DEPLOYMENTS[0]),
        access_deployment(DEPLOYMENTS[0], allowed),
        access_deployment(DEPLOYMENTS[0], gitlab="git.example.com"),
    ):
        deployments = (*DEPLOYMENTS, access)
        command.must("build", "--out", str(tmp_path), deployments=partial(tuple, deployments))
        assert (tmp_path / access.layers[0].file_name).read_text() == access.layers[0].text()
    assert linted == [3, 3, 3]


@pytest.mark.parametrize("arguments", [("--check",), ("--layer", "data"), ("--name", "other")])
def test_what_asks_for_something_else_is_linted(
    command: Command, linted: list[int], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    out = str(tmp_path / "out")
    command.must("build", "--out", out)
    command.must("build", "--out", out, *arguments)
    assert len(linted) == 2


def test_ci_lints(command: Command, linted: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    for _ in range(2):
        command.must("build", "--out", str(tmp_path / "out"))
    assert len(linted) == 2


def test_a_build_with_findings_is_not_remembered(command: Command, linted: list[int], tmp_path: Path) -> None:
    (deployment,) = DEPLOYMENTS
    data, *others = deployment.layers
    broken = (replace(deployment, layers=(replace(data, description="x" * 1025), *others)),)
    for _ in range(2):
        assert command("build", "--out", str(tmp_path / "out"), deployments=lambda: broken).code == 1
    assert len(linted) == 2


def test_a_record_that_cannot_be_read_is_absent(command: Command, linted: list[int], tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    command.must("build", "--out", out)
    (record,) = (tmp_path / "cache").rglob("*.json")
    for text in ("", "{", "[]", '{"iam/preview.json": 1}'):
        record.write_text(text)
        command.must("build", "--out", out)
    assert len(linted) == 5


def test_a_folder_that_cannot_be_written_is_no_error(
    command: Command, linted: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    command.must("build", "--out", str(tmp_path / "out"))
    assert len(linted) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda deployment: app_runner_deployment(Settings(flow_logs=False)),
        lambda deployment: replace(deployment, name="other"),
        lambda deployment: replace(deployment, layers=deployment.layers[:1]),
    ],
)
def test_the_key_depends_on_what_the_files_are_made_from(change: Callable[[Deployment], Deployment]) -> None:
    (deployment,) = DEPLOYMENTS
    key = build_memory.key((deployment,), "", "users")
    assert key
    assert build_memory.key((change(deployment),), "", "users") != key


def test_the_key_depends_on_every_file_of_the_library_and_of_cfn_lint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for name, _, _ in build_memory._files()]
    assert any(name.endswith("generator/rules/load.py") for name in names)
    assert any("cfnlint" in name and name.endswith("version.json") for name in names)
    (tmp_path / "some-1.0.dist-info").mkdir()
    key = build_memory.key(DEPLOYMENTS, "", "users")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert build_memory.key(DEPLOYMENTS, "", "users") != key


def test_few_records_stay(tmp_path: Path) -> None:
    for number in range(20):
        build_memory.remember(f"key{number}", {})
    assert len(list((tmp_path / "cache").rglob("*.json"))) == build_memory.KEPT
    assert build_memory.recall("key19") == {}
