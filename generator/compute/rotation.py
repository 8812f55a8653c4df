"""Changing the password of the service's user without a failed request.

MemoryDB lets a user have two passwords. So: both are made valid, the secret gets the new one, every service is started
anew and reads it, and then the old one goes. Each step finds out from AWS whether it was done, so a rotation that was
interrupted is finished by beginning it again. No password leaves the memory of this process but to AWS.

Facts: MemoryDB API reference, UpdateUser (AuthenticationMode replaces all passwords) and DescribeUsers (PasswordCount,
Status "modifying" until every node knows); Secrets Manager user guide, "Rotation" (the staging labels AWSPENDING,
AWSCURRENT, AWSPREVIOUS).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from generator.contract import PASSWORD_LENGTH
from generator.errors import DeployError
from generator.stacks.errors import explained

USER = "AWS::MemoryDB::User"
CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"
PAUSE_SECONDS = 2.0
ACTIVE_MINUTES = 15


def refuse_meanwhile(stack_name: str, user_names: Iterable[str], memorydb: Any) -> None:
    """Raises DeployError for a user with two passwords: CloudFormation would let it have the template's only."""
    for name in user_names:
        with explained(stack_name):
            (user,) = memorydb.describe_users(UserName=name)["Users"]
        if user["Authentication"].get("PasswordCount", 0) > 1:
            raise DeployError(
                stack=stack_name,
                what="The user's password is being rotated",
                why=f"{name} has two passwords, of which this deployment would take one away",
                then="Finish it first: rotate. Then repeat.",
            )


@dataclass(frozen=True)
class Rotation:
    """The rotation of one user's password. Clients, sleep and clock are given."""

    stack_name: str
    user_name: str
    secret_arn: str
    memorydb: Any
    secrets: Any
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic

    def begun(self) -> bool:
        """Whether an earlier one was not finished: the user has two passwords, or a new one is pending."""
        return self._passwords() > 1 or self._version(PENDING) is not None

    def both_valid(self) -> None:
        """Makes a new password and lets the user have it beside the current one."""
        if self._version(PENDING) is None:
            if self._passwords() > 1:
                # The new one is current already: what is left is what comes after.
                return
            with explained(self.stack_name):
                made = self.secrets.get_random_password(PasswordLength=PASSWORD_LENGTH, ExcludePunctuation=True)
                self.secrets.put_secret_value(
                    SecretId=self.secret_arn, SecretString=made["RandomPassword"], VersionStages=[PENDING]
                )
        self._let_in(self._value(CURRENT), self._value(PENDING))

    def new_is_current(self) -> None:
        """What reads the secret from now on reads the new password."""
        pending = self._version(PENDING)
        if pending is None:
            return
        current = self._version(CURRENT)
        with explained(self.stack_name):
            self.secrets.update_secret_version_stage(
                SecretId=self.secret_arn, VersionStage=CURRENT, MoveToVersionId=pending, RemoveFromVersionId=current
            )
            self.secrets.update_secret_version_stage(
                SecretId=self.secret_arn, VersionStage=PENDING, RemoveFromVersionId=pending
            )

    def old_is_gone(self) -> None:
        """The user has the new password only."""
        self._let_in(self._value(CURRENT))

    def _let_in(self, *passwords: str) -> None:
        with explained(self.stack_name):
            self.memorydb.update_user(
                UserName=self.user_name, AuthenticationMode={"Type": "password", "Passwords": list(passwords)}
            )
        end = self.now() + 60 * ACTIVE_MINUTES
        while (status := self._user()["Status"]) != "active":
            if self.now() > end:
                raise DeployError(
                    stack=self.stack_name,
                    what=f"The user {self.user_name} does not become active",
                    why=f"it has been {status} for {ACTIVE_MINUTES} minutes",
                    then="Both passwords may be in use: repeat the same command.",
                )
            self.sleep(PAUSE_SECONDS)

    def _user(self) -> dict[str, Any]:
        with explained(self.stack_name):
            found: dict[str, Any] = self.memorydb.describe_users(UserName=self.user_name)["Users"][0]
        return found

    def _passwords(self) -> int:
        return int(self._user()["Authentication"].get("PasswordCount", 0))

    def _version(self, stage: str) -> str | None:
        """The ID of the secret's version in a stage; a label that was left on the current version is none."""
        with explained(self.stack_name):
            versions = self.secrets.describe_secret(SecretId=self.secret_arn)["VersionIdsToStages"]
        for version, stages in versions.items():
            if stage in stages and (stage == CURRENT or CURRENT not in stages):
                return str(version)
        return None

    def _value(self, stage: str) -> str:
        with explained(self.stack_name):
            found = self.secrets.get_secret_value(SecretId=self.secret_arn, VersionStage=stage)
        return str(found["SecretString"])
