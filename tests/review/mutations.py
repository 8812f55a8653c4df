"""Policies of our templates, made concrete; mutations of them; requests that tell two policies apart."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
ACCOUNT = "111122223333"
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": ACCOUNT,
    "AWS::URLSuffix": "amazonaws.com",
}
Policy = dict[str, Any]


def policies(path: str = "templates/*.json") -> list[Policy]:
    """Every policy document of the emitted templates, as it stands there."""
    return [found for file in sorted(ROOT.glob(path)) for found in documents(json.loads(file.read_text()))]


def documents(node: Any) -> Iterator[Policy]:
    if isinstance(node, dict) and isinstance(node.get("Statement"), list):
        yield node
    elif isinstance(node, dict | list):
        for value in node.values() if isinstance(node, dict) else node:
            yield from documents(value)


def concrete(node: Any) -> Any:
    """What an intrinsic function may resolve to: another text for another function, one account and Region."""
    match node:
        case {"Ref": name} | {"Fn::GetAtt": name}:
            return PSEUDO.get(str(name)) or f"arn:aws:made:eu-west-1:{ACCOUNT}:{''.join(name)}"
        case {"Fn::Sub": str() as text}:
            for name, value in PSEUDO.items():
                text = text.replace(f"${{{name}}}", value)
            return text.replace("${", "").replace("}", "")
        case {"Fn::ImportValue": name}:
            return f"arn:aws:imported:eu-west-1:{ACCOUNT}:{concrete(name)}"
        case {"Fn::If": [_, yes, _]}:
            return concrete(yes)
        case dict():
            return {key: concrete(value) for key, value in node.items()}
        case list():
            return [concrete(value) for value in node]
    return node


OPERATORS = (
    "StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIfExists", "ArnLike", "ArnNotLike",
    "StringEqualsIgnoreCase", "ForAnyValue:StringLike", "ForAllValues:StringEquals",
)  # fmt: skip
KEYS = ("aws:SourceAccount", "aws:SourceArn", "kms:ViaService", "sts:ExternalId")
SERVICES = ("ecs-tasks.amazonaws.com", "cloudwatch.amazonaws.com")


def values(statement: Policy, element: str) -> list[str]:
    found = statement.get(element, [])
    return [found] if isinstance(found, str) else found


@st.composite
def mutated(draw: st.DrawFn, policy: Policy) -> Policy:
    """The policy after one to three changes, each at random."""
    made = copy.deepcopy(policy)
    for _ in range(draw(st.integers(1, 3))):
        statements = made["Statement"]
        if not statements:
            break
        index = draw(st.integers(0, len(statements) - 1))
        statement = statements[index]
        match draw(st.sampled_from(("drop", "copy", "effect", "names", "negate", "condition", "principal", "widen"))):
            case "drop":
                del statements[index]
            case "copy":
                statements.append(copy.deepcopy(statement))
            case "effect":
                statement["Effect"] = draw(st.sampled_from(("Allow", "Deny")))
            case "names" | "widen":
                element = draw(
                    st.sampled_from([name for name in ("Action", "Resource") if name in statement] or ["Sid"])
                )
                if element != "Sid":
                    statement[element] = draw(names(values(statement, element), element))
            case "negate":
                for element in ("Action", "Resource"):
                    if element in statement and draw(st.booleans()):
                        statement[f"Not{element}"] = statement.pop(element)
            case "condition":
                if draw(st.booleans()):
                    statement.pop("Condition", None)
                else:
                    operator, key = draw(st.sampled_from(OPERATORS)), draw(st.sampled_from(KEYS))
                    given = st.sampled_from((ACCOUNT, "1*", "arn:aws:ecs:*", "other", "Other", "?ther"))
                    block = statement.setdefault("Condition", {}).setdefault(operator, {})
                    block[key] = draw(st.lists(given, min_size=1, max_size=2, unique=True))
            case "principal" if "Principal" in statement:
                statement["Principal"] = draw(
                    st.one_of(
                        st.just("*"),
                        st.sampled_from(SERVICES).map(lambda name: {"Service": [name]}),
                        st.sampled_from((ACCOUNT, "444455556666", f"arn:aws:iam::{ACCOUNT}:root")).map(
                            lambda a: {"AWS": a}
                        ),
                    )
                )
    return made


@st.composite
def names(draw: st.DrawFn, present: list[str], element: str) -> list[str]:
    """Some of the names, shortened to a wildcard, in another case, with one more."""
    kept = draw(st.lists(st.sampled_from(present), unique=True)) if present else []
    made = []
    for name in kept:
        at = draw(st.integers(1, len(name)))
        made.append(draw(st.sampled_from((name, f"{name[:at]}*", f"{name[:at]}?{name[at + 1 :]}", name.lower(), "*"))))
    more = ("s3:GetObject", "iam:*", "sns:Pub*") if element == "Action" else ("arn:aws:s3:::b/*", "*")
    made += draw(st.lists(st.sampled_from(more), max_size=1))
    return made or present[:1] or ["*"]


def requests(*both: list[Policy]) -> list[dict[str, Any]]:
    """Requests about what the policies name, with their wildcards filled in two ways and with other values."""
    statements = [statement for side in both for policy in side for statement in policy["Statement"]]

    def filled(*elements: str) -> list[str]:
        found = {name for statement in statements for element in elements for name in values(statement, element)}
        return sorted({name.replace("*", by).replace("?", "x") for name in found for by in ("", "Zz/9")})

    actions = [*filled("Action", "NotAction"), "s3:ListBucket"]
    resources = [*filled("Resource", "NotResource"), "arn:aws:x:::other"]
    trusting = any("Principal" in statement for statement in statements)
    contexts: list[dict[str, Any]] = [{}]
    keys: dict[str, set[str]] = {}
    for statement in statements:
        for block in statement.get("Condition", {}).values():
            for key, given in block.items():
                keys.setdefault(key, set()).update([given] if isinstance(given, str) else given)
    for key, given in sorted(keys.items()):
        tried = sorted({value.replace("*", by).replace("?", "x") for value in given for by in ("", "9")} | {"none"})
        contexts = [{**context, key.lower(): value} for context in contexts for value in [*tried, None]][:48]
    contexts = [{key: value for key, value in context.items() if value is not None} for context in contexts]
    who: list[tuple[str, str | None]] = [(f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/s", None)]
    if trusting:
        callers = ("arn:aws:iam::111122223333:user/u", "arn:aws:iam::444455556666:user/v")
        who = [*(("arn:aws:none", service) for service in SERVICES), *((caller, "none") for caller in callers)]
    return [
        {"principal": principal, "service": service, "action": action, "resource": resource, "context": context}
        for (principal, service), action, resource, context in product(who, actions, resources, contexts)
    ][:6000]
