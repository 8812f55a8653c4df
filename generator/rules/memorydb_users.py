"""Rules for AWS::MemoryDB::User: its passwords and its access string."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any, ClassVar

from cfnlint.jsonschema import ValidationError
from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.rules.jsonschema.CfnLintKeyword import CfnLintKeyword

USER = "AWS::MemoryDB::User"
SECRET = "AWS::SecretsManager::Secret"
SERVICE_GUIDE = "https://docs.aws.amazon.com/memorydb/latest/devguide"

SHORTEST, LONGEST = 16, 128
ILLEGAL = ',"/@'

ACCESS_RULE = re.compile(
    r"on|off|allkeys|resetkeys|allchannels|resetchannels|allcommands|nocommands|sanitize-payload|skip-sanitize-payload"
    r"|(%(R|W|RW|WR))?~\S+|&\S+|[+-]@[a-z]+|[+-][a-z][a-z0-9._-]*(\|[a-z0-9-]+)?",
    re.IGNORECASE,
)
BROAD = {
    "~*": "every key",
    "allkeys": "every key",
    "%rw~*": "every key",
    "+@all": "every command",
    "allcommands": "every command",
    "&*": "every channel",
    "allchannels": "every channel",
}


def strings(validator: Any, value: Any) -> Iterator[str]:
    """Each text that a value can be, those that are looked up at deployment left out."""
    for text, _, error in validator.resolve_value(value):
        if error is None and isinstance(text, str) and "{{resolve:" not in text:
            yield text


def passwords(validator: Any, properties: dict[str, Any]) -> Iterator[Any]:
    """Each password of a user, on whatever side of a condition it stands."""
    for mode, narrowed, _ in validator.resolve_value(properties.get("AuthenticationMode")):
        if isinstance(mode, dict):
            for given, _narrowed, _ in narrowed.resolve_value(mode.get("Passwords")):
                yield from given if isinstance(given, list) else []


class UserRule:
    """A rule that is asked about the properties of every user."""

    tags: ClassVar = ["memorydb"]
    source_url = f"{SERVICE_GUIDE}/clusters.acls.html"

    def __init__(self) -> None:
        CfnLintKeyword.__init__(self, [f"Resources/{USER}/Properties"])


class PasswordRule(UserRule):
    """A rule that is asked about each password that can be read in the template."""

    source_url = f"{SERVICE_GUIDE}/auth.html"

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        for password in passwords(validator, properties):
            for text in strings(validator, password):
                for sentence in self.objections(text):
                    yield ValidationError(sentence, path=deque(["AuthenticationMode"]))

    def objections(self, password: str) -> Iterator[str]:
        raise NotImplementedError


class PlaintextPassword(PasswordRule, CfnLintKeyword):
    id = "E9601"
    shortdesc = "MemoryDB password is not in the template"
    description = (
        "A password in the template, or in a parameter's default, is readable by everybody who can read the stack. "
        "Generate it with Secrets Manager and refer to it: {{resolve:secretsmanager:...}}."
    )

    def objections(self, password: str) -> Iterator[str]:
        # An empty default says that somebody has to choose.
        if password:
            yield "A password stands in clear in the template: refer to a secret in its place"


class PasswordForm(PasswordRule, CfnLintKeyword):
    id = "E9602"
    shortdesc = "MemoryDB password is legal"
    description = f"A password has {SHORTEST} to {LONGEST} printable characters and none of {' '.join(ILLEGAL)}."

    def objections(self, password: str) -> Iterator[str]:
        if not SHORTEST <= len(password) <= LONGEST:
            yield f"A password of {len(password)} characters: MemoryDB takes {SHORTEST} to {LONGEST}"
        if any(character in ILLEGAL or not character.isprintable() for character in password):
            yield (
                f"A password with an illegal character: MemoryDB refuses {' '.join(ILLEGAL)} and what cannot be printed"
            )


class PasswordOrIam(UserRule, CfnLintKeyword):
    id = "E9619"
    shortdesc = "MemoryDB user has passwords or IAM"
    description = "A user of type iam has no passwords, and one of type password has at least one."
    source_url = f"{SERVICE_GUIDE}/auth-iam.html"

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        for mode, narrowed, _ in validator.resolve_value(properties.get("AuthenticationMode")):
            if not isinstance(mode, dict):
                continue
            for kind, within, error in narrowed.resolve_value(mode.get("Type")):
                if error is not None:
                    continue
                given = [value for value, _narrowed, _ in within.resolve_value(mode.get("Passwords")) if value]
                if kind == "iam" and given:
                    yield ValidationError("A user of type iam has no passwords", path=deque(["AuthenticationMode"]))
                elif kind == "password" and not given:
                    yield ValidationError("A user of type password needs one", path=deque(["AuthenticationMode"]))


class GeneratedPassword(CloudFormationLintRule):
    id = "E9603"
    shortdesc = "A generated MemoryDB password is always legal"
    description = (
        "Secrets Manager puts punctuation into what it generates, and MemoryDB refuses some of it, so the stack fails "
        'on some days. Set ExcludePunctuation, or name , " / and @ in ExcludeCharacters.'
    )
    source_url = f"{SERVICE_GUIDE}/auth.html"
    tags: ClassVar = ["memorydb"]

    def match(self, cfn: Any) -> list[RuleMatch]:
        used = {
            name
            for user in cfn.get_resources(USER).values()
            for name in _secrets(properties_of(user).get("AuthenticationMode"))
        }
        found = []
        for logical_id, secret in cfn.get_resources(SECRET).items():
            generate = properties_of(secret).get("GenerateSecretString")
            if logical_id not in used or not isinstance(generate, dict):
                continue
            path = ["Resources", logical_id, "Properties", "GenerateSecretString"]
            length = str(generate.get("PasswordLength", 32))
            if length.isdigit() and not SHORTEST <= int(length) <= LONGEST:
                found.append(RuleMatch(path, f"{length} characters: MemoryDB takes {SHORTEST} to {LONGEST}"))
            excluded = generate.get("ExcludeCharacters", "")
            if generate.get("ExcludePunctuation") not in (True, "true") and isinstance(excluded, str):
                missing = [character for character in ILLEGAL if character not in excluded]
                if missing:
                    found.append(RuleMatch(path, f"May generate {' '.join(missing)}, which MemoryDB refuses"))
        return found


class NoEcho(UserRule, CfnLintKeyword):
    id = "W9604"
    shortdesc = "A parameter that carries a MemoryDB password is NoEcho"
    description = "Without NoEcho, whoever may describe the stack reads the password among its parameters."
    source_url = "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html"

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        parameters = validator.cfn.template.get("Parameters", {})
        for password in passwords(validator, properties):
            names = [] if "{{resolve:" in str(password) else sorted(set(_referenced(password)) & set(parameters))
            for name in names:
                parameter = parameters[name]
                if not isinstance(parameter, dict) or parameter.get("NoEcho") in (True, "true"):
                    continue
                yield ValidationError(
                    f"Parameter {name} carries a password and is not NoEcho", path=deque(["AuthenticationMode"])
                )


class AccessStringRule(UserRule):
    """A rule that is asked about each access string, as the list of its rules."""

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        for text in strings(validator, properties.get("AccessString")):
            for sentence in self.objections(text.replace("(", " ").replace(")", " ").split()):
                yield ValidationError(sentence, path=deque(["AccessString"]))

    def objections(self, rules: list[str]) -> Iterator[str]:
        raise NotImplementedError


class AccessStringSyntax(AccessStringRule, CfnLintKeyword):
    id = "E9605"
    shortdesc = "MemoryDB access string is well-formed"
    description = (
        "Words of an access string are on, off, ~keys, &channels, +command, -command, +command|subcommand, +@category "
        "and -@category. Passwords (>, #, nopass) do not belong into it, and reset is refused."
    )

    def objections(self, rules: list[str]) -> Iterator[str]:
        for rule in rules:
            if rule[0] in "><#!" or rule.lower() in ("nopass", "resetpass"):
                yield "A password rule does not belong into an access string: use AuthenticationMode"
            elif not ACCESS_RULE.fullmatch(rule):
                yield f"{rule!r} is no rule of an access string"


class AccessStringGrantsNothing(AccessStringRule, CfnLintKeyword):
    id = "W9606"
    shortdesc = "MemoryDB access string grants something"
    description = "Without on the user cannot log in; without a command, and a key or channel, it can do nothing."

    def objections(self, rules: list[str]) -> Iterator[str]:
        lower = [rule.lower() for rule in rules]
        switches = [rule for rule in lower if rule in ("on", "off")]
        if switches[-1:] != ["on"]:
            yield "The user cannot log in: the access string does not say on"
        if not any("~" in rule or rule[0] == "&" or rule in ("allkeys", "allchannels") for rule in lower):
            yield "The access string names neither key nor channel, as in ~user:*"
        if not any(rule.startswith("+") or rule == "allcommands" for rule in lower):
            yield "The access string allows no command, as in +hget"


class AccessStringTooBroad(AccessStringRule, CfnLintKeyword):
    id = "W9607"
    shortdesc = "MemoryDB access string names keys and commands"
    description = (
        "A service needs some keys and some commands. ~*, +@all and &* give whoever takes it over all of them."
    )

    def objections(self, rules: list[str]) -> Iterator[str]:
        for rule in rules:
            if rule.lower() in BROAD:
                yield f"{rule} grants {BROAD[rule.lower()]}"


def properties_of(resource: dict[str, Any]) -> dict[str, Any]:
    """The properties as they are written; none where they are no object."""
    properties = resource.get("Properties")
    return properties if isinstance(properties, dict) else {}


def _secrets(expression: Any) -> Iterator[str]:
    """Logical IDs that a dynamic reference to Secrets Manager is built from."""
    if "resolve:secretsmanager" not in str(expression):
        return
    match expression:
        case list():
            for item in expression:
                yield from _referenced(item)
        case dict():
            yield from _referenced(expression)


def _referenced(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _referenced(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref":
                yield str(value)
            elif key == "Fn::Sub":
                text = value[0] if isinstance(value, list) else value
                yield from re.findall(r"\$\{([A-Za-z0-9]+)\}", str(text))
                yield from _referenced(value)
            else:
                yield from _referenced(value)
