"""Values checked against the parameters and Rules of templates, before CloudFormation is asked.

`findings` returns one message for each value that CloudFormation would refuse, over all layers at once. What cannot be
decided here (a lookup in the account, a pattern that Java and Python read differently) is left to CloudFormation.

Sources: CloudFormation user guide, "Parameters" (types and constraints; the key of an SSM parameter is validated as a
string, its value is not), "Regular expressions" (Java's), "Rules", "Rule-specific intrinsic functions", and the quotas.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

VALUE_BYTES = 4096
SHOWN_CHARACTERS = 80

NUMBER = r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?"
HEX_ID = "([0-9a-f]{8}|[0-9a-f]{17})"
SSM = "AWS::SSM::Parameter::"
# What a value of a type looks like. Those of AWS-specific types must exist in the account, so none of them is empty.
SHAPES = {
    "Number": NUMBER,
    SSM: r"[a-zA-Z0-9_./:-]+",
    "AWS::EC2::AvailabilityZone::Name": r"[a-z0-9-]+",
    "AWS::EC2::Image::Id": f"ami-{HEX_ID}",
    "AWS::EC2::Instance::Id": f"i-{HEX_ID}",
    "AWS::EC2::KeyPair::KeyName": r"(?s:.+)",
    "AWS::EC2::SecurityGroup::GroupName": r"(?s:.+)",
    "AWS::EC2::SecurityGroup::Id": f"sg-{HEX_ID}",
    "AWS::EC2::Subnet::Id": f"subnet-{HEX_ID}",
    "AWS::EC2::Volume::Id": f"vol-{HEX_ID}",
    "AWS::EC2::VPC::Id": f"vpc-{HEX_ID}",
    "AWS::Route53::HostedZone::Id": r"[A-Z0-9]+",
}
JAVA_TOKENS = re.compile(
    r"(?P<escape>\\(?:[dDwWsSbBtnrf1-9]|[^a-zA-Z0-9]))|(?P<other_escape>\\)"
    r"|(?P<empty_class>\[\^?\])|(?P<class>\[)|(?P<class_end>\])|(?P<intersection>&&)"
    r"|\(\?<(?P<group>[a-zA-Z][a-zA-Z0-9]*)>|\(\?(?P<flags>[a-zA-Z-]+)[:)]|(?P<dot>\.)|(?P<other>(?s:.))"
)


@dataclass(frozen=True)
class LayerParameters:
    """A layer's template, and the values that its stack has.

    deployed: the stack's values; one with NoEcho is only asterisks there, and is not checked again.
    pending: the parameters whose values the command itself adds later, such as that of an image not yet built.
    selected: whether the layer is deployed this time.
    """

    layer: str
    template: Mapping[str, Any]
    deployed: Mapping[str, str] = field(default_factory=dict)
    pending: Collection[str] = ()
    selected: bool = True

    @property
    def declared(self) -> Mapping[str, Mapping[str, Any]]:
        """The template's parameters."""
        declared: Mapping[str, Mapping[str, Any]] = self.template.get("Parameters", {})
        return declared


def findings(
    given: Mapping[str, str],
    layers: Sequence[LayerParameters],
    *,
    previous: Collection[str] = (),
    pseudo: Mapping[str, str] | None = None,
) -> list[str]:
    """What CloudFormation would refuse of `given`, one message each.

    A value of `Key` goes to every layer that declares it, one of `layer.Key` to that layer only, and wins. `previous`
    names parameters that are to keep their deployed value. `pseudo` has values such as that of AWS::Region.
    """
    found: dict[str, list[str]] = {}
    for layer in layers:
        if layer.selected:
            for message in _of_layer(layer, values_for(layer.layer, given), pseudo or {}):
                found.setdefault(message, []).append(layer.layer)
    return [
        *_names([*given, *previous], layers),
        *(f"{', '.join(names)}: {message}" for message, names in found.items()),
    ]


def fault(parameter: Mapping[str, Any], value: str) -> str:
    """Why CloudFormation refuses `value` for a parameter, as "must ..." or the ConstraintDescription; empty if it does
    not. Never repeats the value."""
    description = str(parameter.get("ConstraintDescription", "")).rstrip(".")
    if len(value.encode("utf-8", "surrogatepass")) > VALUE_BYTES:
        return f"must have at most {VALUE_BYTES:,} bytes"
    if _hidden(parameter) and re.fullmatch(r"\*+", value):
        return "must be the value itself, not the asterisks that CloudFormation shows instead"
    element, is_list = _element(parameter)
    members = [member.strip() for member in value.split(",")] if is_list else [value]
    if (shape := SHAPES.get(element)) and not all(re.fullmatch(shape, member) for member in members):
        return description or _expected(element, is_list)
    # Documentation and cfn-lint differ on lists: the allowed values are those of a member, or of the whole.
    if not (is_list and value in _allowed_values(parameter)):
        for member in members:
            if reason := _not_allowed(parameter, member, element):
                return reason
    for member in members:
        for check in (_mismatch, _wrong_length, _out_of_bounds):
            if reason := check(parameter, member, element):
                return description or reason
    return ""


def _element(parameter: Mapping[str, Any]) -> tuple[str, bool]:
    """The type of a value, or of a list's members; and whether it is a list. A key of an SSM parameter is just that."""
    kind = str(parameter.get("Type", "String"))
    if kind == "CommaDelimitedList":
        return "String", True
    if kind.startswith("List<"):
        return kind[len("List<") : -1], True
    return (SSM if kind.startswith(SSM) else kind), False


def _expected(element: str, is_list: bool) -> str:
    if element == "Number":
        return "must be numbers, with commas between them" if is_list else "must be a number"
    if element == SSM:
        return "must be the name of a Systems Manager parameter"
    prefix = SHAPES[element].removesuffix(HEX_ID)
    example = f", such as {prefix}0123456789abcdef0" if prefix.endswith("-") else ""
    return f"must be {'a list of' if is_list else 'of the type'} {element}{example}"


def _allowed_values(parameter: Mapping[str, Any]) -> list[str]:
    return [_literal(option) for option in parameter.get("AllowedValues", ())]


def _not_allowed(parameter: Mapping[str, Any], value: str, element: str) -> str:
    allowed = _allowed_values(parameter)
    if not allowed or value in allowed:
        return ""
    if element == "Number" and _number(value) in [_number(option) for option in allowed]:
        return ""
    reason = f"must be one of {', '.join(option or '(empty)' for option in allowed)}"
    near = difflib.get_close_matches(value, allowed, 1)
    return reason + (f"; did you mean {near[0]}?" if near and not _hidden(parameter) and len(allowed) > 2 else "")


def _mismatch(parameter: Mapping[str, Any], value: str, element: str) -> str:
    pattern = parameter.get("AllowedPattern")
    compiled = java_pattern(pattern) if isinstance(pattern, str) and element in ("String", SSM) else None
    return f"must match the pattern {pattern}" if compiled and not compiled.fullmatch(value) else ""


def _wrong_length(parameter: Mapping[str, Any], value: str, element: str) -> str:
    if parameter.get("Type", "String") != "String":
        return ""
    least, most = _number(parameter.get("MinLength")), _number(parameter.get("MaxLength"))
    if least is not None and len(value) < least:
        return f"must have at least {least} character{'' if least == 1 else 's'}"
    if most is not None and len(value) > most:
        return f"must have at most {most} characters"
    return ""


def _out_of_bounds(parameter: Mapping[str, Any], value: str, element: str) -> str:
    number = _number(value) if element == "Number" else None
    least, most = _number(parameter.get("MinValue")), _number(parameter.get("MaxValue"))
    if number is not None and least is not None and number < least:
        return f"must be at least {least}"
    if number is not None and most is not None and number > most:
        return f"must be at most {most}"
    return ""


def java_pattern(text: str) -> re.Pattern[str] | None:
    """A pattern of Java as one of Python, for `fullmatch`; None where the two languages read it differently.

    Java's classes such as \\d have ASCII only, and its dot excludes five line terminators (java.util.regex.Pattern).
    """
    python, in_class = "", False
    for token in JAVA_TOKENS.finditer(text):
        kind, part = token.lastgroup, token[0]
        # Java nests and intersects classes, and takes a ] first in one as its end.
        if kind in ("other_escape", "empty_class") or (in_class and kind in ("class", "intersection")):
            return None
        if not in_class and kind == "flags" and token["flags"] != "i":
            return None
        if not in_class and kind == "group":
            part = f"(?P<{token['group']}>"
        elif not in_class and kind == "dot":
            part = "[^\\n\\r\\u0085\\u2028\\u2029]"
        in_class = kind == "class" or (in_class and kind != "class_end")
        python += part
    try:
        return re.compile(python, re.ASCII)
    except (re.error, OverflowError, RecursionError):
        return None


def values_for(layer: str, given: Mapping[str, str]) -> dict[str, str]:
    """The values for one layer: those for every layer, and those for this one, which win."""
    found: dict[str, str] = {}
    for only in ("", layer):
        found |= {name: given[key] for key in given for of, _, name in [key.rpartition(".")] if of == only}
    return found


def _names(names: Sequence[str], layers: Sequence[LayerParameters]) -> Iterator[str]:
    """A message for each name that no selected layer declares."""
    selected = ", ".join(layer.layer for layer in layers if layer.selected)
    for key in names:
        of, _, name = key.rpartition(".")
        meant = [layer for layer in layers if of in ("", layer.layer)]
        if not meant:
            yield f"There is no layer {of!r}; there are {', '.join(layer.layer for layer in layers)}."
            continue
        known = {name: layer for layer in meant for name in layer.declared}
        if any(layer.selected and name in layer.declared for layer in meant):
            continue
        if name in known:
            yield f"{name} is a parameter of the layer {known[name].layer}, but only {selected} is deployed."
            continue
        spelled = {other.lower(): other for other in known}
        near = difflib.get_close_matches(name.lower(), spelled, 1, 0.5)
        hint = f"Did you mean {spelled[near[0]]}?" if near else f"There are {', '.join(sorted(known))}."
        yield f"{f'The layer {of} has no' if of else 'No layer has a'} parameter {_shown(name)}. {hint}"


def _of_layer(layer: LayerParameters, given: Mapping[str, str], pseudo: Mapping[str, str]) -> Iterator[str]:
    usable: dict[str, Any] = dict(pseudo)
    for name, parameter in layer.declared.items():
        if name in given:
            value, verb = given[name], "is"
        elif name in layer.deployed:
            value, verb = layer.deployed[name], "keeps its deployed value"
            if _hidden(parameter):
                continue
        elif name in layer.pending:
            continue
        elif "Default" in parameter:
            usable[name] = _as_ref(parameter, _literal(parameter["Default"]))
            continue
        else:
            option = " or --image URI" if name == "ImageUri" else ""
            yield f"{name} has no value: --parameter {name}=VALUE{option}."
            continue
        reason = fault(parameter, value)
        if reason:
            shown = "" if _hidden(parameter) else f" {verb} {_shown(value)}"
            yield f"{name}{shown}: {reason}{'' if reason.endswith('?') else '.'}"
        else:
            usable[name] = _as_ref(parameter, value)
    yield from _broken_rules(layer.template.get("Rules", {}), usable)


def _broken_rules(rules: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[str]:
    """What the Rules say of these values. A value that is not there, or was refused, decides nothing."""
    for name, rule in rules.items():
        if evaluate(rule.get("RuleCondition", {"Fn::Equals": ["", ""]}), values) is not True:
            continue
        for assertion in rule.get("Assertions", ()):
            if evaluate(assertion.get("Assert"), values) is False:
                yield f"{str(assertion.get('AssertDescription') or f'the rule {name} is not met').rstrip('.')}."


def evaluate(node: Any, values: Mapping[str, Any]) -> Any:
    """The value of a rule-specific intrinsic function: True, False, text or a list; None where it cannot be decided."""
    inner = partial(evaluate, values=values)
    match node:
        case {"Ref": str() as name}:
            return values.get(name)
        case {"Fn::And": list() as conditions}:
            found = [inner(condition) for condition in conditions]
            return False if False in found else True if all(value is True for value in found) else None
        case {"Fn::Or": list() as conditions}:
            found = [inner(condition) for condition in conditions]
            return True if True in found else False if all(value is False for value in found) else None
        case {"Fn::Not": [condition]}:
            value = inner(condition)
            return not value if isinstance(value, bool) else None
        case {"Fn::Equals": [first, second]}:
            return _equal(inner(first), inner(second))
        case {"Fn::Contains": [options, value]}:
            return _contains(inner(options), inner(value))
        case {"Fn::EachMemberIn": [members, options]}:
            checked, allowed = inner(members), inner(options)
            return _each([_contains(allowed, member) for member in checked]) if isinstance(checked, list) else None
        case {"Fn::EachMemberEquals": [members, value]}:
            checked, wanted = inner(members), inner(value)
            return _each([_equal(member, wanted) for member in checked]) if isinstance(checked, list) else None
        case list():
            return [inner(member) for member in node]
        case str() | bool() | int() | float():
            return _literal(node)
    # Fn::RefAll, Fn::ValueOf and Fn::ValueOfAll look into the account; others are not known here.
    return None


def _equal(first: Any, second: Any) -> bool | None:
    if isinstance(first, str) and isinstance(second, str):
        return first == second
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return _each([_equal(one, other) for one, other in zip(first, second, strict=True)])
    return None


def _contains(options: Any, value: Any) -> bool | None:
    if not isinstance(options, list) or not isinstance(value, str):
        return None
    if value in options:
        return True
    return False if all(isinstance(option, str) for option in options) else None


def _each(verdicts: list[bool | None]) -> bool | None:
    return False if False in verdicts else None if None in verdicts else True


def _as_ref(parameter: Mapping[str, Any], value: str) -> Any:
    """What Ref returns: a list for the list types; None for an SSM parameter's value, which is read from AWS."""
    element, is_list = _element(parameter)
    if element == SSM and parameter.get("Type") != f"{SSM}Name":
        return None
    return [member.strip() for member in value.split(",")] if is_list else value


def _literal(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: Any) -> Decimal | None:
    text = _literal(value)
    return Decimal(text) if re.fullmatch(NUMBER, text) else None


def _hidden(parameter: Mapping[str, Any]) -> bool:
    return _literal(parameter.get("NoEcho", False)).lower() == "true"


def _shown(value: str) -> str:
    cut = value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}..."
    return cut if re.fullmatch(r"[!-~]+", cut) else json.dumps(cut)
