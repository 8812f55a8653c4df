"""Text to findings: cfn-lint with every rule that is not experimental, informational ones included, and ours."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator.errors import MissingPackageError

if TYPE_CHECKING:
    from cfnlint.rules import Rules

OUR_RULES = str(Path(__file__).parents[1] / "rules")
DEFAULT_REGIONS = ("us-east-1",)


@dataclass(frozen=True, order=True)
class Finding:
    """One objection to a template.

    logical_id: what it is about, or the section ("Metadata") where it is about none, or "" for the whole template.
    rule: the rule's ID, such as E3012. message: what is wrong.
    """

    logical_id: str
    rule: str
    message: str


def lint(text: str, regions: Sequence[str] | None = None) -> tuple[Finding, ...]:
    """What cfn-lint finds in a template's text, in every Region in `regions`, sorted and each once.

    `regions` defaults to those that the template itself claims; see `claimed_regions`. The rules are given explicitly
    and no configuration file is read, so a .cfnlintrc that happens to lie about changes nothing.

    Raises MissingPackageError without cfn-lint.
    """
    rules = _rules()
    from cfnlint.config import ConfigMixIn
    from cfnlint.decode.decode import decode_str
    from cfnlint.runner import run_template_by_data

    regions = list(regions or claimed_regions(text))
    config = ConfigMixIn(config_file=os.devnull, regions=regions, include_checks=["E", "W", "I"])
    template, errors = decode_str(text)
    if not errors and not isinstance(template, dict):
        return (Finding("", "E0000", "There is no template in this text"),)
    matches = errors or run_template_by_data(template, config, rules)
    return tuple(sorted({_finding(match) for match in matches}))


def lint_all(texts: Mapping[str, str]) -> dict[str, tuple[Finding, ...]]:
    """What `lint` finds in each of `texts`, under the same keys.

    On Linux each usable processor takes a share of them, in processes that are forked after the rules are loaded.
    Raises MissingPackageError without cfn-lint.
    """
    workers = min(len(texts), _usable_processors())
    with _without_garbage_collection():
        _rules()
        if workers < 2:
            return {key: lint(text) for key, text in texts.items()}
        # The longest first, so that none is left alone at the end.
        keys = sorted(texts, key=lambda key: -len(texts[key]))
        with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
            found = dict(zip(keys, pool.map(lint, [texts[key] for key in keys]), strict=True))
        return {key: found[key] for key in texts}


def _usable_processors() -> int:
    """How many processes can share the work: one where forking is not safe (macOS, other threads)."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return 1
    return len(os.sched_getaffinity(0))


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Linting a few templates leaves few cycles behind, and looking for them takes a third of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def claimed_regions(text: str) -> tuple[str, ...]:
    """The Regions in a template's rule about AWS::Region, or us-east-1 for a template without such a rule."""
    try:
        template = json.loads(text)
    except ValueError:
        return DEFAULT_REGIONS
    match template:
        case {"Rules": dict() as rules}:
            for rule in rules.values():
                match rule:
                    case {"Assertions": [{"Assert": {"Fn::Contains": [[*regions], {"Ref": "AWS::Region"}]}}]}:
                        return tuple(regions)
    return DEFAULT_REGIONS


@cache
def _rules() -> Rules:
    try:
        import cfnlint.rules
    except ModuleNotFoundError as error:
        raise MissingPackageError(package="cfn-lint", extra="lint", instead="pass --no-lint to build") from error
    rules = cfnlint.rules.Rules()
    for directory in (*cfnlint.rules.__path__, OUR_RULES):
        rules.update(cfnlint.rules.Rules.create_from_directory(directory))
    # They stay until the end: neither later collections, one of them at exit, nor forked processes look through them.
    gc.freeze()
    return rules


def _finding(match: Any) -> Finding:
    return Finding(_logical_id(iter(getattr(match, "path", None) or ())), match.rule.id, match.message)


def _logical_id(path: Iterator[object]) -> str:
    section = next(path, "")
    return str(next(path, section))
