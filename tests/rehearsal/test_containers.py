"""The container tool of a rehearsal, with shell scripts as tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator import Deployment, app_runner_layer, data_layer
from generator.iam.access import access_deployment
from generator.images.context import Context
from rehearsal.containers import base_images, container_tool, remove_images, start
from rehearsal.emulator.registry import Start
from rehearsal.options import CommonOptions
from tests.running import ROOT


@pytest.mark.parametrize("image", ["no.registry.invalid/base:1", "${BASE}"])
def test_without_a_base_image_it_goes_on_without_containers(
    image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, 'case "$1" in pull) echo "no such host" >&2; exit 125 ;; esac')
    (tmp_path / "Dockerfile").write_text(f"ARG BASE=no.registry.invalid/base:1\nFROM {image} AS made\nFROM made\n")
    assert container_tool(None, Context(tmp_path), required=False) is None
    assert capsys.readouterr().err == (
        "Rehearsing without containers: the base image no.registry.invalid/base:1 cannot be pulled "
        "(podman pull: no such host).\n"
    )


def test_of_several_services_the_first_that_cannot_be_built_decides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "", "redis-server")
    install(tmp_path, monkeypatch, 'case "$1" in pull) echo "no such host" >&2; exit 125 ;; esac')
    (tmp_path / "Dockerfile").write_text("FROM no.registry.invalid/base:1\n")
    services = (app_runner_layer(name=name) for name in ("web", "orders"))
    deployment = Deployment("two", (data_layer(), *services))
    (access,) = access_deployment(deployment).layers
    assert CommonOptions(deployment, access, context=tmp_path).builder() is None
    assert capsys.readouterr().err.count("Rehearsing without containers") == 1


@pytest.mark.parametrize(("name", "required"), [("podman", False), (None, True)])
def test_containers_that_were_asked_for_need_no_base_image_in_advance(
    name: str | None, required: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = install(tmp_path, monkeypatch, 'case "$1" in pull) exit 125 ;; esac')
    (tmp_path / "Dockerfile").write_text("FROM no.registry.invalid/base:1\n")
    assert container_tool(name, Context(tmp_path), required=required) == str(program)


def test_a_base_image_that_is_there_is_not_pulled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = install(tmp_path, monkeypatch, 'case "$1" in pull) exit 125 ;; images) echo 0123456789ab ;; esac')
    (tmp_path / "Dockerfile").write_text("FROM base:1\n")
    assert container_tool(None, Context(tmp_path), required=False) == str(program)


def test_base_images_are_those_of_every_stage(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "ARG TAG=3\nARG BASE\nFROM --platform=linux/amd64 python:${TAG} AS made\nARG TAG=4\nFROM $BASE\n"
        "FROM scratch\nCOPY --from=made / /\nFROM made\nFROM python:3\n"
    )
    assert base_images(Context(tmp_path, {"BASE": "debian:13"})) == ["python:3", "debian:13"]


@pytest.mark.parametrize(
    ("dockerfile", "entrypoint", "command"),
    [
        ('CMD ["python", "app.py"]', (), ("python", "app.py")),
        ('ENTRYPOINT ["python"]\nCMD ["app.py", \\\n "--quiet"]', ("python",), ("app.py", "--quiet")),
        ("cmd python app.py", (), ("/bin/sh", "-c", "python app.py")),
        ('CMD ["one"]\nCMD ["two"]', (), ("two",)),
        ('ENTRYPOINT ["make"]\nFROM python:3\nCMD ["app"]', (), ("app",)),
    ],
)
def test_a_dockerfile_says_what_its_image_starts(
    dockerfile: str, entrypoint: tuple[str, ...], command: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM python:3\n{dockerfile}\n")
    context = Context(tmp_path)
    assert start(context) == Start({"BUILD_ID": context.tag()}, entrypoint, command)


def test_where_docker_is_the_only_tool_a_line_says_why_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "", "docker")
    assert container_tool(None, Context(ROOT), required=False) is None
    assert capsys.readouterr().err == (
        "Rehearsing without containers: neither podman nor buildah works. Docker and Finch cannot rehearse, because "
        "their engine would look for ECR on the internet.\n"
    )


def test_images_are_removed_although_others_are_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a podman that has no --no-prune, and whose first listing fails."""
    once = tmp_path / "once"
    names = '[{"Names": ["a.example/one:1", "a.example/one-more:1"]}, {"Names": null}]'
    script = f"""case "$1" in
    images) [ -e {once} ] || {{ : > {once}; echo "image not known" >&2; exit 125; }}; echo '{names}' ;;
    rmi) [ "$2" != --no-prune ] || exit 125; echo "$2" >> {tmp_path}/removed ;;
    esac"""
    install(tmp_path, monkeypatch, script)
    remove_images(["a.example/one"])
    assert (tmp_path / "removed").read_text() == "a.example/one:1\n"


def install(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str, name: str = "podman") -> Path:
    """A container tool, the only program on the PATH."""
    program = directory / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(directory))
    return program
