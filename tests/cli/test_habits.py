"""What users of other tools type."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import pytest
from troposphere import sqs

from generator import Settings, Workload, user
from generator.cli import VERBS as OURS
from generator.cli import parser
from generator.cli.habits import OPTIONS, VERBS, meant, meant_argument


def options() -> dict[str, set[str]]:
    """The options of each verb."""
    (verbs,) = (a for a in parser("build.py")._actions if isinstance(a, argparse._SubParsersAction))
    return {name: {o for a in made._actions for o in a.option_strings} for name, made in verbs.choices.items()}


@pytest.mark.parametrize(
    ("word", "verb"),
    [
        ("plan", "preview"),
        ("diff", "preview"),
        ("synth", "build"),
        ("up", "deploy"),
        ("apply", "deploy"),
        ("delete", "destroy"),
        ("dploy", "deploy"),
        ("Preview", "preview"),
        ("rotate_password", "rotate"),
        ("frobnicate", ""),
    ],
)
def test_a_verb_of_another_tool_names_ours(word: str, verb: str) -> None:
    assert meant(word, OURS) == verb


@pytest.mark.parametrize(
    ("word", "option"),
    [
        ("--stack-name", "--name"),
        ("--stack-name=users", "--name"),
        ("--parameter-overrides", "--parameter"),
        ("--parameter_overrides", "--parameter"),
        ("--auto-approve", "--yes"),
        ("--reigon", "--region"),
        ("--no-execute-changeset", ""),
        ("--zzz", ""),
    ],
)
def test_an_option_of_another_tool_names_ours(word: str, option: str) -> None:
    assert meant(word, options()["deploy"]) == option


@pytest.mark.parametrize(
    ("function", "given", "argument"),
    [
        (Settings, "private_ingres", "private_ingress"),
        (Workload, "enviroment", "environment"),
        (user, "key", "keys"),
        (Workload, "minimum", ""),
        (lambda **given: sqs.Queue("Jobs", **given), "VisibilityTimout", "VisibilityTimeout"),
        (sqs.RedrivePolicy, "maxRecieveCount", "maxReceiveCount"),
        (lambda **given: sqs.Queue("Jobs", **given), "Size", ""),
        (dict.fromkeys, "key", ""),
    ],
)
def test_the_nearest_argument_or_property_is_named(function: Callable[..., Any], given: str, argument: str) -> None:
    with pytest.raises((TypeError, AttributeError)) as refused:
        function(**{given: 5})
    # From 3.13 on, Python itself names the nearest argument.
    assert meant_argument(refused.value) == argument or f"Did you mean '{argument}'?" in str(refused.value)


def test_only_what_the_verb_has_is_suggested() -> None:
    assert meant("--no-execute-changeset", options()["preview"]) == "--keep"
    assert meant("--auto-approve", options()["preview"]) == ""


def test_every_suggestion_exists_and_no_alias_is_ours() -> None:
    ours = set().union(*options().values())
    assert VERBS.keys() <= set(OURS)
    assert OPTIONS.keys() <= ours
    aliases = [alias for others in (VERBS | OPTIONS).values() for alias in others]
    assert len(aliases) == len(set(aliases))
    assert not set(aliases) & (ours | set(OURS))
