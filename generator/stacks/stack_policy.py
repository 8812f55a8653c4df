"""A stack policy: updates may not replace or delete what holds data, whichever tool they come from. No I/O.

CloudFormation user guide, "Prevent updates to stack resources": a policy denies what no statement allows, cannot be
removed, and applies to updates only, neither to the creation nor to the deletion of a stack. A change set is created
in spite of it, and its execution fails (serverless, pull request 10617).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from generator.stacks.guard import SIDE_BY_SIDE
from generator.template.resources import resources_in
from generator.template.stateful import holds_data

PREFIX = "LogicalResourceId/"
DENIED = ["Update:Delete", "Update:Replace"]
ALLOW = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}


def protected(template: Mapping[str, Any]) -> frozenset[str]:
    """The logical IDs that the guard protects, if any of them holds data; those of Fn::ForEach with a wildcard.

    >>> protected({"Resources": {"Orders": {"Type": "AWS::DynamoDB::Table"}, "Topic": {"Type": "AWS::SNS::Topic"}}})
    frozenset({'Orders'})
    """
    resources = list(resources_in(template))
    if not any(holds_data(body) for _, body in resources):
        return frozenset()
    names = (name for name, body in resources if holds_data(body) or body["Type"] in SIDE_BY_SIDE)
    return frozenset(re.sub(r"\$\{.*?\}", "*", name) for name in names)


def stack_policy(names: Iterable[str], indent: int | None = None) -> str:
    """The policy's text, which protects these logical IDs.

    The denial is the last statement: AWS documents that a denial overrides, and has been seen to follow the last
    statement that matches (LocalStack, `test_update_with_overlapping_policies`, validated on AWS).
    """
    resources = [PREFIX + name for name in sorted(names)]
    denial = {"Effect": "Deny", "Action": DENIED, "Principal": "*", "Resource": resources}
    return json.dumps({"Statement": [ALLOW, denial] if resources else [ALLOW]}, indent=indent)


def protected_by(text: str) -> frozenset[str] | None:
    """The logical IDs that a policy protects; None for one that `stack_policy` does not make.

    >>> protected_by(stack_policy(["Orders"])), protected_by(""), protected_by('{"Statement": []}')
    (frozenset({'Orders'}), frozenset(), None)
    """
    policy = json.loads(text or "{}")
    # An empty one denies nothing (LocalStack, `test_update_with_empty_policy`, validated on AWS).
    if policy == {}:
        return frozenset()
    match policy:
        case {"Statement": [_, {"Resource": [*resources]}]}:
            names = frozenset(str(resource).removeprefix(PREFIX) for resource in resources)
        case _:
            names = frozenset()
    return names if json.loads(stack_policy(names)) == policy else None


def without(names: Iterable[str], allowed: Collection[str]) -> frozenset[str]:
    """The names that no allowed one matches: `Orders*` is one of a Fn::ForEach."""
    return frozenset(name for name in names if not any(fnmatchcase(one, name) for one in allowed))
