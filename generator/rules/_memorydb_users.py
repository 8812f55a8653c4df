"""Rules for AWS::MemoryDB::User: its passwords and its access string."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ._access import AccessString, Selector
from ._rule import Finding, Rule, finding
from ._values import ABSENT, DYNAMIC, PSEUDO, RESOURCE, Node, is_known, is_true, known_part, whole_number

USER = "AWS::MemoryDB::User"
SECRET = "AWS::SecretsManager::Secret"
SERVICE_GUIDE = "https://docs.aws.amazon.com/memorydb/latest/devguide"

SHORTEST, LONGEST = 16, 128
DEFAULT_LENGTH = 32
ILLEGAL = ',"/@'


class UserRule(Rule):
    types = (USER,)
    source_url = f"{SERVICE_GUIDE}/clusters.acls.html"


class PlaintextPassword(UserRule):
    id = "E9601"
    shortdesc = "MemoryDB password is not in the template"
    description = (
        "A password in the template, or in a parameter's default, is readable by everyone who can read the stack. "
        "Generate it with Secrets Manager and refer to it: {{resolve:secretsmanager:...}}."
    )
    source_url = f"{SERVICE_GUIDE}/auth.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for password in _passwords(node):
            # The stack's name and Region can be read too.
            if all(reference.kind == PSEUDO for reference in node.template.references(password)):
                message = "A password is written in the template: refer to a secret instead"
                yield finding(node, message, "AuthenticationMode")


class PasswordForm(UserRule):
    id = "E9602"
    shortdesc = "MemoryDB password is legal"
    description = f"A password has {SHORTEST} to {LONGEST} printable characters and none of {' '.join(ILLEGAL)}."
    source_url = f"{SERVICE_GUIDE}/auth.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for password in _passwords(node):
            # What is unknown can be legal.
            known = known_part(password)
            if len(known) > LONGEST or (len(known) < SHORTEST and known == password):
                message = f"A password of {len(known)} characters: MemoryDB takes {SHORTEST} to {LONGEST}"
                yield finding(node, message, "AuthenticationMode")
            if any(character in ILLEGAL or not character.isprintable() for character in known):
                message = f"A password with an illegal character: MemoryDB refuses {' '.join(ILLEGAL)} and unprintable"
                yield finding(node, f"{message} ones", "AuthenticationMode")


def _passwords(user: Node) -> Iterator[str]:
    """The passwords that are no dynamic references. With an empty default the deployment has to give one."""
    for item in user.items("AuthenticationMode", "Passwords"):
        if item.value and not isinstance(item.value, (dict, list)) and not DYNAMIC.search(str(item.value)):
            yield str(item.value)


class PasswordOrIam(UserRule):
    id = "E9619"
    shortdesc = "MemoryDB user has passwords or IAM"
    description = "A user of type iam has no passwords, and one of type password has at least one."
    source_url = f"{SERVICE_GUIDE}/auth-iam.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for kind, where in node.values("AuthenticationMode", "Type"):
            for passwords, _ in where.lists("AuthenticationMode", "Passwords"):
                if kind == "iam" and passwords:
                    yield finding(node, "A user of type iam has no passwords", "AuthenticationMode")
                elif kind == "password" and not passwords:
                    yield finding(node, "A user of type password needs one", "AuthenticationMode")


class GeneratedPassword(UserRule):
    id = "E9603"
    shortdesc = "A generated MemoryDB password is always legal"
    description = (
        "Secrets Manager puts punctuation into what it generates, and MemoryDB refuses some of it, so the stack fails "
        'on some days. Set ExcludePunctuation, or name , " / and @ in ExcludeCharacters.'
    )
    source_url = f"{SERVICE_GUIDE}/auth.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        passwords = [str(item.value) for item in node.items("AuthenticationMode", "Passwords")]
        for resource in node.template.resources(SECRET):
            if any(_refers_to(resource, password) for password in passwords):
                for value, where in resource.values("GenerateSecretString"):
                    if isinstance(value, dict):
                        yield from self._generated(where.of(value, (*where.path, "GenerateSecretString")))

    def _generated(self, node: Node) -> Iterator[Finding]:
        for length, _ in node.usual("PasswordLength", default=DEFAULT_LENGTH):
            number = whole_number(length)
            if number is not None and not SHORTEST <= number <= LONGEST:
                yield finding(node, f"{number} characters: MemoryDB takes {SHORTEST} to {LONGEST}")
        for punctuation, where in node.usual("ExcludePunctuation", default="false"):
            for excluded, _ in where.usual("ExcludeCharacters", default=""):
                missing = [character for character in ILLEGAL if character not in str(excluded)]
                if missing and is_known(punctuation) and is_known(excluded) and not is_true(punctuation):
                    yield finding(node, f"May generate {' '.join(missing)}, which MemoryDB refuses")


def _refers_to(secret: Node, password: str) -> bool:
    """Whether a password is a dynamic reference to a secret, by its ARN or its name."""
    identifier = re.search(r"\{\{resolve:secretsmanager:([^:}]+)", password)
    return identifier is not None and (
        secret.is_called(identifier[1], "Name")
        or any(made.kind == RESOURCE and made.name == secret.logical_id for made in secret.template.made_from(password))
    )


class NoEcho(UserRule):
    id = "W9604"
    shortdesc = "A parameter that carries a MemoryDB password is NoEcho"
    description = "Without NoEcho, everyone who may describe the stack reads the password among its parameters."
    source_url = "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for item in node.items("AuthenticationMode", "Passwords"):
            # A parameter that names a secret is not one.
            if "{{resolve:" in str(item.value):
                continue
            template = node.template
            names = {made.name for made in template.made_from(item.value)}
            names |= {name for name, value in item.parameters.items() if value == item.value}
            for name in sorted(names):
                if template.parameter(name) and not template.is_no_echo(name):
                    message = f"Parameter {name} carries a password and is not NoEcho"
                    yield finding(node, message, "AuthenticationMode")


class AccessStringSyntax(UserRule):
    id = "E9605"
    shortdesc = "MemoryDB access string is well-formed"
    description = (
        "Words of an access string are on, off, ~keys, %R~keys, &channels, +command, -command, +command|subcommand, "
        "+@category, -@category and the same in parentheses; commands and categories are those of Redis 7.2 and of "
        "MemoryDB's modules. Passwords (>, #, nopass) do not belong in it, and reset is refused."
    )

    def findings(self, node: Node) -> Iterator[Finding]:
        for access in _access_strings(node):
            for error in access.errors:
                yield finding(node, error, "AccessString")


class AccessStringGrantsNothing(UserRule):
    id = "W9606"
    shortdesc = "MemoryDB access string grants something"
    description = (
        "Without on the user cannot log in. Without a command, and a key or channel for it, the user can do nothing; "
        "the last word about a command or key wins."
    )

    def findings(self, node: Node) -> Iterator[Finding]:
        for access in _access_strings(node):
            if access.unknown or access.errors:
                continue
            if not access.enabled:
                yield finding(node, "The user cannot log in: the access string does not say on", "AccessString")
            if not access.usable():
                yield finding(node, _reason(access.selectors), "AccessString")


def _reason(selectors: list[Selector]) -> str:
    if not any(selector.commands or selector.first_arguments for selector in selectors):
        return "The access string allows no command, as in +hget"
    if not any(selector.permissions() for selector in selectors):
        return "The access string names neither key nor channel, as in ~user:*"
    return "The access string allows no command on the keys and channels that it names"


class AccessStringTooBroad(UserRule):
    id = "W9607"
    shortdesc = "MemoryDB access string names keys and commands"
    description = (
        "A service needs some keys and some commands. A user with every key, every command (or every one but a few "
        "that are taken away one by one) or every channel gives an attacker all of them."
    )

    def findings(self, node: Node) -> Iterator[Finding]:
        for access in _access_strings(node):
            for selector in access.selectors:
                for granted in selector.all_of() if any(selector.usable()) else ():
                    yield finding(node, f"The access string grants {granted}", "AccessString")


def _access_strings(user: Node) -> Iterator[AccessString]:
    """Each access string that the template has."""
    for text, _ in user.values("AccessString"):
        if isinstance(text, str) and text != ABSENT and not DYNAMIC.search(text):
            yield AccessString(text)
