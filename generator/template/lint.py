"""Text to findings: cfn-lint with every rule that is not experimental, informational ones included, and ours."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator.errors import MissingPackageError

if TYPE_CHECKING:
    from cfnlint.rules import RulesCollection

OUR_RULES = str(Path(__file__).parents[1] / "rules")
DEFAULT_REGIONS = ("us-east-1",)


@dataclass(frozen=True, order=True)
class Finding:
    """One objection to a template.

    logical_id: what it is about, or the section ("Metadata") where it is about none, or "" for the whole template.
    rule: the rule's ID, such as E3012. sentence: what is wrong.
    """

    logical_id: str
    rule: str
    sentence: str


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

    config = ConfigMixIn(config_file=os.devnull, regions=list(regions or claimed_regions(text)))
    template, errors = decode_str(text)
    if not errors and not isinstance(template, dict):
        return (Finding("", "E0000", "There is no template in this text"),)
    matches = errors or run_template_by_data(template, config, rules)
    return tuple(sorted({_finding(match) for match in matches}))


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
def _rules() -> RulesCollection:
    try:
        from cfnlint.core import get_rules
    except ModuleNotFoundError as error:
        raise MissingPackageError(package="cfn-lint", extra="lint", instead="pass --no-lint") from error
    return get_rules(append_rules=[OUR_RULES], ignore_rules=[], include_rules=["E", "W", "I"])


def _finding(match: Any) -> Finding:
    return Finding(_logical_id(iter(getattr(match, "path", None) or ())), match.rule.id, match.message)


def _logical_id(path: Iterator[object]) -> str:
    section = next(path, "")
    return str(next(path, section))
