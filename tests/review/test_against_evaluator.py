"""Mutated policies of our templates: what the emulator's IAM newly allows is called broader."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generator.review.rights import rights
from generator.review.statements import listed
from rehearsal.emulator.environment import ENVIRONMENT
from tests.review.mutations import Policy, concrete, mutated, policies, requests

ORIGINALS = policies()
CONCRETE = [concrete(policy) for policy in (*ORIGINALS, *policies("templates/iam/*.json"))]


class Evaluator:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._questions: IO[str] = process.stdin
        self._answers: IO[str] = process.stdout

    def allowed(self, policy: Policy, asked: list[dict[str, Any]]) -> list[bool]:
        print(json.dumps({"policies": [policy], "requests": asked}), file=self._questions, flush=True)
        return list(json.loads(self._answers.readline()))


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    script = Path(__file__).with_name("evaluator.py")
    command = [str(ENVIRONMENT / "bin" / "python"), str(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Evaluator(process)
        assert process.stdin is not None
        process.stdin.close()


def directions(before: Policy, after: Policy) -> set[str]:
    found = rights("Role", "AWS::IAM::ManagedPolicy", {"PolicyDocument": before}, {"PolicyDocument": after})
    return {right.direction for right in found}


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(st.data(), st.sampled_from(CONCRETE))
def test_what_is_newly_allowed_is_broader_and_what_no_longer_is_narrower(
    evaluator: Evaluator, data: st.DataObject, before: Policy
) -> None:
    after = data.draw(mutated(before))
    found = directions(before, after)
    asked = requests([before], [after])
    answers = list(zip(evaluator.allowed(before, asked), evaluator.allowed(after, asked), strict=True))
    assert "different" not in found
    if (False, True) in answers:
        assert "broader" in found
    if (True, False) in answers:
        assert "narrower" in found


@settings(max_examples=50, deadline=None, suppress_health_check=SLOW)
@given(st.data(), st.sampled_from(ORIGINALS))
def test_with_intrinsic_functions_it_is_broader_or_different(
    evaluator: Evaluator, data: st.DataObject, before: Policy
) -> None:
    after = data.draw(mutated_references(before))
    found = directions(before, after)
    resolved = concrete(before), concrete(after)
    asked = requests([resolved[0]], [resolved[1]])
    answers = list(zip(*(evaluator.allowed(policy, asked) for policy in resolved), strict=True))
    if (False, True) in answers:
        assert found & {"broader", "different"}
    if (True, False) in answers:
        assert found & {"narrower", "different"}


@st.composite
def mutated_references(draw: st.DrawFn, policy: Policy) -> Policy:
    """The policy with another resource, action or effect in some statements."""
    references = ({"Ref": "Other"}, {"Fn::GetAtt": ["Other", "Arn"]}, {"Fn::Sub": "arn:${AWS::Partition}:s3:::*"}, "*")
    statements = [
        {
            **statement,
            **({"Resource": [draw(st.sampled_from(references))]} if draw(st.booleans()) else {}),
            **({"Action": [draw(st.sampled_from(("s3:*", "logs:*", "*")))]} if draw(st.booleans()) else {}),
            "Effect": draw(st.sampled_from(("Allow", "Allow", "Deny"))),
        }
        for statement in policy["Statement"]
    ]
    return {**policy, "Statement": statements}


@given(st.data(), st.sampled_from(CONCRETE))
def test_statements_split_and_in_another_order_change_nothing(data: st.DataObject, before: Policy) -> None:
    parts = [
        {**statement, "Action": action, "Sid": f"Part{index}"}
        for index, statement in enumerate(before["Statement"])
        for action in listed(statement["Action"])
    ]
    assert directions(before, {**before, "Statement": data.draw(st.permutations(parts))}) == set()
