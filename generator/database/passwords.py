"""The rotation of a user's password without a failed request.

A MemoryDB user can have two passwords. Both are made valid, the secret gets the new one, every service is redeployed
and reads it, and the old one is removed. Each step asks AWS whether it was done, so an interrupted rotation continues
when it is started again. Passwords are sent to AWS and nowhere else.

Facts: MemoryDB API reference, UpdateUser (AuthenticationMode replaces all passwords) and DescribeUsers (PasswordCount,
Status "modifying" until every node knows); Secrets Manager user guide, "Rotation" (the staging labels AWSPENDING,
AWSCURRENT, AWSPREVIOUS); API reference, DescribeSecret (DeletedDate: it is scheduled for deletion) and RestoreSecret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from generator.aws.calls import Clock
from generator.aws.errors import translate_errors
from generator.contract import PASSWORD_LENGTH
from generator.errors import DeployError

USER = "AWS::MemoryDB::User"
CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"
PAUSE_SECONDS = 2.0
ACTIVE_MINUTES = 15


def refuse_during_rotation(stack_name: str, user_names: Iterable[str], memorydb: Any) -> None:
    """Raises DeployError for a user with two passwords: CloudFormation would leave only the template's."""
    for name in user_names:
        user = _described(stack_name, name, memorydb)
        if user["Authentication"].get("PasswordCount", 0) > 1:
            raise DeployError(
                stack=stack_name,
                what="The user's password is being rotated",
                why=f"{name} has two passwords, and this deployment would remove one",
                then="Run rotate to finish the rotation, then deploy again.",
            )


def _described(stack_name: str, user_name: str, memorydb: Any) -> Mapping[str, Any]:
    """A user as MemoryDB describes it. Raises DeployError for one that was deleted outside of CloudFormation."""
    with translate_errors(stack_name):
        try:
            users: Sequence[Mapping[str, Any]] = memorydb.describe_users(UserName=user_name)["Users"]
        except ClientError as error:
            if error.response["Error"].get("Code") not in ("UserNotFound", "UserNotFoundFault"):
                raise
            users = ()
    if not users:
        raise DeployError(
            stack=stack_name,
            what=f"The MemoryDB user {user_name} is gone",
            why="the stack has it, but MemoryDB does not: it was deleted outside of CloudFormation",
            then="Take it out of the template and deploy, then put it back and deploy again.",
        )
    return users[0]


@dataclass(frozen=True)
class PasswordRotation:
    """The rotation of one user's password."""

    stack_name: str
    user_name: str
    secret_arn: str
    memorydb: Any
    secrets: Any
    clock: Clock

    def in_progress(self) -> bool:
        """Whether an earlier rotation was not finished: the user has two passwords, or a new one is pending."""
        return self._password_count() > 1 or self._version(PENDING) is not None

    def add_new_password(self) -> None:
        """Creates a password that is valid beside the current one."""
        if self._version(PENDING) is None:
            if self._password_count() > 1:
                # The new one is current already: only the steps after this one are left.
                return
            with translate_errors(self.stack_name):
                made = self.secrets.get_random_password(PasswordLength=PASSWORD_LENGTH, ExcludePunctuation=True)
                self.secrets.put_secret_value(
                    SecretId=self.secret_arn, SecretString=made["RandomPassword"], VersionStages=[PENDING]
                )
        self._set_passwords(self._value(CURRENT), self._value(PENDING))

    def make_new_password_current(self) -> None:
        """Makes the secret's current value the new password."""
        pending = self._version(PENDING)
        if pending is None:
            return
        if self._password_count() < 2:
            raise DeployError(
                stack=self.stack_name,
                what="The new password is no longer valid",
                why="a deployment has changed the user meanwhile, and services still read the old one",
                then="Run rotate again when the deployment has finished.",
            )
        current = self._version(CURRENT)
        with translate_errors(self.stack_name):
            self.secrets.update_secret_version_stage(
                SecretId=self.secret_arn, VersionStage=CURRENT, MoveToVersionId=pending, RemoveFromVersionId=current
            )
            self.secrets.update_secret_version_stage(
                SecretId=self.secret_arn, VersionStage=PENDING, RemoveFromVersionId=pending
            )

    def remove_old_password(self) -> None:
        """Leaves the user with the new password only."""
        self._set_passwords(self._value(CURRENT))

    def _set_passwords(self, *passwords: str) -> None:
        with translate_errors(self.stack_name):
            self.memorydb.update_user(
                UserName=self.user_name, AuthenticationMode={"Type": "password", "Passwords": list(passwords)}
            )
        status = self.clock.poll(
            lambda: str(self._user()["Status"]),
            lambda status: status == "active",
            seconds=60 * ACTIVE_MINUTES,
            pause=PAUSE_SECONDS,
        )
        if status != "active":
            raise DeployError(
                stack=self.stack_name,
                what=f"The user {self.user_name} does not become active",
                why=f"it has been {status} for {ACTIVE_MINUTES} minutes",
                then="Both passwords may be in use. Run rotate again.",
            )

    def _user(self) -> Mapping[str, Any]:
        return _described(self.stack_name, self.user_name, self.memorydb)

    def _password_count(self) -> int:
        return int(self._user()["Authentication"].get("PasswordCount", 0))

    def _version(self, stage: str) -> str | None:
        """The ID of the secret's version in a stage. A pending label on the current version does not count."""
        with self._secret():
            described = self.secrets.describe_secret(SecretId=self.secret_arn)
        if "DeletedDate" in described:
            raise self._deleted("it is scheduled for deletion", "aws secretsmanager restore-secret")
        for version, stages in described["VersionIdsToStages"].items():
            if stage in stages and (stage == CURRENT or CURRENT not in stages):
                return str(version)
        return None

    @contextmanager
    def _secret(self) -> Iterator[None]:
        """Raises DeployError for a secret that was deleted outside of CloudFormation."""
        with translate_errors(self.stack_name):
            try:
                yield
            except ClientError as error:
                if error.response["Error"].get("Code") != "ResourceNotFoundException":
                    raise
                raise self._deleted("Secrets Manager does not have it", "") from error

    def _deleted(self, why: str, restore: str) -> DeployError:
        return DeployError(
            stack=self.stack_name,
            what=f"The secret {self.secret_arn} was deleted outside of CloudFormation",
            why=why,
            then=f"Run {restore} --secret-id {self.secret_arn}, then rotate again."
            if restore
            else "Take the user and its secret out of the template and deploy, then put them back and deploy again.",
        )

    def _value(self, stage: str) -> str:
        with self._secret():
            found = self.secrets.get_secret_value(SecretId=self.secret_arn, VersionStage=stage)
        return str(found["SecretString"])
