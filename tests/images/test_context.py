"""The content tag: what changes it and what does not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generator.errors import OutputError, UsageError
from generator.images.context import Context


@pytest.fixture
def source(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    (made / "service").mkdir(parents=True)
    (made / "Dockerfile").write_text("FROM scratch\nCOPY service service\n")
    (made / "service" / "app.py").write_text("print(1)\n")
    (made / "service" / "run").write_text("#!/bin/sh\n")
    (made / "service" / "run").chmod(0o755)
    (made / "notes.txt").write_text("not for the image\n")
    (made / ".dockerignore").write_text("# a remark\n\n*\n!service\n")
    return made


def test_a_tag_names_its_kind_and_fits_ecr(source: Path) -> None:
    tag = Context(source).tag()
    assert tag.startswith("content-")
    assert len(tag) == len("content-") + 32


def test_the_tag_of_this_project_is_of_the_files_that_reach_the_builder() -> None:
    root = Path(__file__).parents[2]
    service = [f"service/{path.name}" for path in (root / "service").glob("*.py")]
    assert Context(root).files() == sorted([".dockerignore", "Dockerfile", "service/requirements.txt", *service])


def test_a_copy_elsewhere_at_another_time_has_the_same_tag(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "copy"
    # Written in another order, with other times and, as another umask would, other rights of group and others.
    for path in sorted((path for path in source.rglob("*") if path.is_file()), reverse=True):
        target = copy / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(path.stat().st_mode & 0o700)
        os.utime(target, (1, 1))
    assert Context(copy).tag() == Context(source).tag()


@pytest.mark.parametrize(
    "change",
    [
        lambda source: (source / "notes.txt").write_text("other notes\n"),
        lambda source: (source / "service" / "empty").mkdir(),
        lambda source: os.utime(source / "service" / "app.py", (1, 1)),
    ],
    ids=["an ignored file", "an empty folder", "a time"],
)
def test_what_does_not_reach_the_image_does_not_change_the_tag(source: Path, change: Callable[[Path], object]) -> None:
    before = Context(source).tag()
    change(source)
    assert Context(source).tag() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda source: (source / "service" / "app.py").write_text("print(2)\n"),
        lambda source: (source / "service" / "app.py").chmod(0o755),
        lambda source: (source / "service" / "app.py").rename(source / "service" / "web.py"),
        lambda source: (source / "service" / "more.py").write_text(""),
        lambda source: (source / "service" / "link").symlink_to("app.py"),
        lambda source: (source / "Dockerfile").write_text("FROM scratch\n"),
        lambda source: (source / ".dockerignore").write_text("*\n!service\n!notes.txt\n"),
    ],
    ids=["content", "executable", "name", "another file", "a link", "the Dockerfile", "what is ignored"],
)
def test_what_reaches_the_image_changes_the_tag(source: Path, change: Callable[[Path], object]) -> None:
    before = Context(source).tag()
    change(source)
    assert Context(source).tag() != before


def test_the_ignore_file_of_the_dockerfile_comes_before_that_of_the_folder(source: Path) -> None:
    own = source / "Dockerfile.dockerignore"
    own.write_text("service\n")
    assert Context(source).files() == [".dockerignore", "Dockerfile", "Dockerfile.dockerignore", "notes.txt"]
    assert Context(source).ignore_file == own


def test_a_build_argument_changes_the_tag_and_a_secret_does_not(source: Path) -> None:
    plain = Context(source).tag()
    assert Context(source, {"BASE": "a"}).tag() != plain
    assert Context(source, {"BASE": "a"}).tag() != Context(source, {"BASE": "b"}).tag()
    assert Context(source, secrets=("id=ca,src=/etc/ca",)).tag() == plain


def test_a_link_counts_by_where_it_points_and_is_not_followed(source: Path) -> None:
    (source / "service" / "link").symlink_to("/nonexistent")
    dangling = Context(source).tag()
    (source / "service" / "link").unlink()
    (source / "service" / "link").symlink_to("/nowhere")
    assert Context(source).tag() != dangling


@given(
    files=st.dictionaries(st.text("ab", min_size=1, max_size=3), st.binary(max_size=4), min_size=1, max_size=4),
    others=st.dictionaries(st.text("ab", min_size=1, max_size=3), st.binary(max_size=4), min_size=1, max_size=4),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_two_contexts_have_one_tag_if_and_only_if_they_hold_the_same(
    tmp_path: Path, files: dict[str, bytes], others: dict[str, bytes]
) -> None:
    tags = []
    for held in (files, others):
        shutil.rmtree(tmp_path / "made", ignore_errors=True)
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "Dockerfile").write_text("FROM scratch\n")
        for name, content in held.items():
            (tmp_path / "made" / name).write_bytes(content)
        tags.append(Context(tmp_path / "made").tag())
    assert (tags[0] == tags[1]) == (files == others)


def test_a_name_that_is_not_utf_8_is_taken_as_it_is(source: Path) -> None:
    (source / "service" / os.fsdecode(b"caf\xe9")).write_text("")
    assert Context(source).tag()


def test_a_folder_without_a_dockerfile_is_refused_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^There is no Dockerfile in .*: pass --context DIR, or --image URI\.$"):
        Context(tmp_path).tag()


def test_a_file_that_cannot_be_read_is_named(source: Path) -> None:
    (source / ".dockerignore").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OutputError, match=r"^Cannot read .*\.dockerignore: "):
        Context(source).tag()
