"""Whether the value of a plain environment variable is a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, ClassVar

from ._rule import Finding, Rule, finding
from ._values import DYNAMIC, PARAMETER, RESOURCE, UNKNOWN, Node, Reference, Template, is_known

SECRET_DYNAMIC = re.compile(r"\{\{resolve:(secretsmanager|ssm-secure):")
STORED = re.compile(r"\{\{resolve:ssm:(?P<name>[^:}]+)(:[0-9]+)?\}\}")

# The last word of a name, after words are separated: dbPassword is DB_PASSWORD.
SECRET_NAME = re.compile(
    r"(^|_)(PASS|[A-Z]*PASSWORDS?|PASSWD|PASSPHRASE|PWD|SECRET|TOKEN|CREDENTIALS?|APIKEY|SECRET_KEY_BASE"
    r"|(API|ACCESS|SECRET|PRIVATE|SIGNING|ENCRYPTION|MASTER|AUTH|JWT|HMAC|LICENSE)_KEYS?)(_?[0-9]+)?$"
)
PASSWORD_NAME = re.compile(r"(PASS|PASSWORD|PASSWD|PASSPHRASE|PWD)(_?[0-9]+)?$")
# A name that says what its value is about: REQUIRE_PASSWORD is a flag, MAX_TOKEN a count.
ABOUT_NAME = re.compile(
    r"^(REQUIRES?|ENABLED?|DISABLED?|ALLOWS?|USES?|HAS|IS|NEEDS?|SHOW|HIDE|SKIP|CHECK|MIN|MAX|NUM|NO|WITH(OUT)?)_"
)
FLAG = re.compile(r"true|false|yes|no|on|off|enabled|disabled|none|null|optional|required", re.IGNORECASE)
PATH = re.compile(r"~?\.{0,2}/.*|[A-Za-z]:\\.*|(file|s3)://.*|[a-z][a-z0-9_.-]*(/[a-z][a-z0-9_.-]*)+")
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*", re.DOTALL)
# A reference, and what is added to a secret's ARN to take a key and version: `:password::`.
ARN_WITH_KEY = re.compile(rf"{UNKNOWN.pattern}(:[^:{UNKNOWN.pattern[1:-1]}]*){{1,3}}")

# scheme://user:password@host; the password may be unknown.
USER_INFO = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@?#]*:([^/\s@?#]+)@")
# ;Password=...; of a connection string, ?password=... of a URL, -Ddb.password=... of a command line.
FIELD = re.compile(r"(?:^|[?&;:,\s])(?:-D|--)?(\w[\w.-]*)=([^;&,\s]+)")
# Where something else will put the password.
PLACEHOLDER = re.compile(r"[$%]?\{.*\}|\$\(.*\)|\$[A-Za-z_]\w*|%[A-Za-z_]\w*%|%s|<.*>|\[.*\]|\*+|x+|X+|\.\.\.")
SECRET_FORMAT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bgh[pousr]_[A-Za-z0-9]{36}|\bgithub_pat_\w{22,}|\bsk_live_[A-Za-z0-9]{16,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}"
)


class PlainSecretRule(Rule):
    """A secret is not a plain variable. places: the lists of variables; instead: the property that takes secrets."""

    places: ClassVar[tuple[tuple[str, ...], ...]]
    instead: ClassVar[str]

    def findings(self, node: Node) -> Iterator[Finding]:
        for variable in (variable for place in self.places for variable in node.items(*place)):
            for name, where in variable.values("Name"):
                for value, _ in where.values("Value"):
                    if reason := _reason(node.template, name, value):
                        yield finding(variable, f"The variable {name} {reason}: move it to {self.instead}")


def separated(name: Any) -> str:
    """A name in capitals with its words separated by underscores."""
    return re.sub(r"[^A-Z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(name)).upper())


def _is_arn(template: Template, text: str) -> bool:
    """Whether a text is an ARN, written out or a parameter's with a key behind it."""
    with_key = ARN_WITH_KEY.fullmatch(text) and template.references(text)[0].kind == PARAMETER
    return text.startswith("arn:") or bool(with_key)


def _reason(template: Template, name: Any, value: Any) -> str | None:
    """Why the value of a variable is a secret, as the predicate of "The variable X ..."; None for one that is not."""
    if _is_arn(template, str(value)):
        return None
    for reference in template.made_from(value):
        if reference.kind == PARAMETER and template.is_no_echo(reference.name):
            return f"contains the NoEcho parameter {reference.name}"
        if template.type_of(reference.name) == "AWS::IAM::AccessKey" and reference.attribute == "SecretAccessKey":
            return f"contains the secret key of {reference.name}"
    text = str(value)
    if SECRET_DYNAMIC.search(text):
        return "contains a dynamic reference to a secret"
    if any(not PLACEHOLDER.fullmatch(password) for password in USER_INFO.findall(DYNAMIC.sub("stored", text))):
        return "contains a password in a URL or connection string"
    for key, field in FIELD.findall(text):
        if SECRET_NAME.search(separated(key)) if UNKNOWN.search(field) else _looks_secret(template, key, field):
            return "contains a password in a URL or connection string"
    if SECRET_FORMAT.search(text):
        return "has the form of a private key or token"
    if any(_looks_secret(template, *field) for field in _json_fields(text) if not _is_arn(template, str(field[1]))):
        return "contains what looks like a secret"
    return "looks like a secret" if _looks_secret(template, name, value) else None


def _json_fields(text: str) -> Iterator[tuple[str, Any]]:
    """The fields of a JSON object, at any depth; none for another text."""
    with suppress(ValueError, RecursionError):
        nodes = [json.loads(text)]
        while nodes:
            node = nodes.pop()
            if isinstance(node, dict):
                yield from node.items()
                nodes += node.values()
            elif isinstance(node, list):
                nodes += node


def _looks_secret(template: Template, name: Any, value: Any) -> bool:
    """Whether a name says that its value is a secret, and the value can be one."""
    words = separated(name)
    if not SECRET_NAME.search(words) or ABOUT_NAME.search(words) or isinstance(value, (list, dict, bool)):
        return False
    text = str(value).strip()
    if stored := STORED.fullmatch(text):
        return bool(SECRET_NAME.search(separated(stored["name"])))
    if not is_known(value):
        return any(_is_value(template, reference) for reference in template.references(value))
    if re.fullmatch(r"-?[0-9.]+", text):
        return bool(PASSWORD_NAME.search(words))
    return bool(text) and not any(other.fullmatch(text) for other in (FLAG, PLACEHOLDER, PATH, ADDRESS))


def _is_value(template: Template, reference: Reference) -> bool:
    """Whether an unknown is a value that is set in clear, and not the name of a secret."""
    if template.type_of(reference.name) == "AWS::SSM::Parameter" and reference.attribute == "Value":
        return bool(SECRET_NAME.search(separated(reference.name)))
    if reference.kind == RESOURCE:
        return bool(SECRET_NAME.search(separated(reference.attribute.rpartition(".")[2])))
    declared = template.parameter(reference.name)
    described = f"{declared.get('AllowedPattern', '')} {declared.get('Description', '')}"
    is_arn = re.search(r"\barn\b", described, re.IGNORECASE)
    return reference.kind == PARAMETER and bool(SECRET_NAME.search(separated(reference.name))) and not is_arn
