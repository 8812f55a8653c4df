"""A MemoryDB user: what it may do, how it logs in, and what its service imports of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from troposphere import GetAtt, Sub, memorydb, secretsmanager

from generator import contract
from generator.errors import TemplateError
from generator.parts.authentication import USES_PASSWORD, Login
from generator.parts.encryption import kms_key
from generator.parts.names import physical_name
from generator.template.elements import Part, export, why


@dataclass(frozen=True)
class User:
    """A MemoryDB user, with a generated password unless it logs in with IAM, and what its service needs as exports."""

    user: memorydb.User
    others: tuple[Part, ...]


def user(
    prefix: str = "", *, keys: str = contract.USER_KEYS, commands: tuple[str, ...] = contract.USER_COMMANDS
) -> User:
    """A user that may run `commands` (such as "hset", "cluster|slots") on the keys of one pattern, and nothing else.

    Raises TemplateError when `prefix` is longer than the 7 characters that a MemoryDB name has left for it.

    >>> user("Orders", keys="order:*", commands=("hset", "hgetall")).user.AccessString
    'on ~order:* -@all +hset +hgetall'
    """
    name = physical_name(prefix.lower() or "user")
    login = Login()
    key = kms_key()
    password = secretsmanager.Secret(
        f"{prefix}PasswordSecret",
        Metadata=why("Generated here and read by reference only; outlives the stack, like the final snapshot"),
        Condition=USES_PASSWORD.name,
        Description=f"The password of the MemoryDB user that serves {keys}.",
        GenerateSecretString=secretsmanager.GenerateSecretString(
            PasswordLength=contract.PASSWORD_LENGTH, ExcludePunctuation=True
        ),
        KmsKeyId=key.value(),
        DeletionPolicy="RetainExceptOnCreate",
        UpdateReplacePolicy="Retain",
    )
    memorydb_user = memorydb.User(
        f"{prefix}MemoryDbUser",
        Metadata=why("May run the commands that its service uses, on that service's keys only"),
        UserName=name,
        AccessString=access_string(keys, commands),
        AuthenticationMode=login.with_password(
            memorydb.AuthenticationMode(
                Type=contract.PASSWORD,
                Passwords=[Sub(f"{{{{resolve:secretsmanager:${{{password.title}}}:SecretString:::}}}}")],
            ),
            memorydb.AuthenticationMode(Type=contract.IAM),
        ),
    )
    exports = (
        export(prefix + contract.USER_NAME, "The name of the MemoryDB user.", memorydb_user.ref()),
        export(prefix + contract.USER_ARN, "The ARN of the MemoryDB user.", GetAtt(memorydb_user, "Arn")),
        export(
            prefix + contract.PASSWORD_SECRET_ARN,
            "The ARN of the secret; its whole string is the password.",
            password.ref(),
            when=USES_PASSWORD,
        ),
    )
    return User(memorydb_user, (login.inputs, key, password, *exports))


def access_string(keys: str, commands: tuple[str, ...]) -> str:
    """The Redis ACL rules for `commands` on `keys`: on, those keys, nothing, then command by command.

    Raises TemplateError for a pattern with a space, and for what is not a command, such as a category.
    """
    if not re.fullmatch(r"\S+", keys):
        raise TemplateError(f"{keys!r} is not a pattern of keys, such as user:*.")
    for command in commands:
        if not re.fullmatch(r"[a-z][a-z0-9._-]*(\|[a-z0-9-]+)?", command):
            raise TemplateError(f"{command!r} is not a command, such as hset or cluster|slots.")
    return " ".join(["on", f"~{keys}", "-@all", *(f"+{command}" for command in commands)])
