"""The Dockerfile and what it installs, as text; `make acceptance` builds and runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from acceptance.engine import ROOT, default_base
from acceptance.pins import REQUIREMENTS, packages

HADOLINT = Path(sys.executable).with_name("hadolint")


def hadolint(dockerfile: str) -> str:
    ran = subprocess.run([HADOLINT, "--no-color", "-"], input=dockerfile, capture_output=True, text=True)
    return ran.stdout + ran.stderr


@pytest.mark.parametrize("folder", [".", "examples/shop/catalog", "examples/shop/mailer"])
def test_hadolint_finds_nothing(folder: str) -> None:
    assert hadolint((ROOT / folder / "Dockerfile").read_text()) == ""


def test_hadolint_would_find_a_mistake() -> None:
    assert "DL3007" in hadolint("FROM python:latest\n")


def test_the_base_has_an_exact_tag() -> None:
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-[a-z]+", default_base())


def test_the_image_installs_what_the_tests_ran_with() -> None:
    pinned = re.findall(r"^([\w.-]+)==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE)
    assert dict(pinned) == packages()


@pytest.mark.parametrize("name", packages())
def test_every_package_has_a_hash_of_its_wheel(name: str) -> None:
    (entry,) = re.findall(rf"^{name}==\S+((?: \\\n    --hash=sha256:[0-9a-f]{{64}})*)$", REQUIREMENTS.read_text(), re.M)
    assert entry


def test_only_what_is_copied_reaches_the_engine() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    copied = re.findall(r"^COPY (service/\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules[1:]} == set(copied)
