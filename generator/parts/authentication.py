"""How services log in to MemoryDB: with a generated password, or with the IAM role they run as.

Source: MemoryDB developer guide, "Authenticating with IAM": engine 7.0 or newer, a user whose type is iam, and
memorydb:Connect on cluster and user. The schema of AWS::MemoryDB::User and the API's UpdateUser let the type of a user
change in place; whether MemoryDB does so was not tried.
"""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import AWSHelperFn, Equals, NoValue, Parameter

from generator import contract
from generator.template import Condition, Input


@dataclass(frozen=True)
class Authentication:
    """The parameter Authentication, and what depends on it."""

    mode: Input
    uses_password: Condition

    def with_password(self, value: object, otherwise: object = NoValue) -> AWSHelperFn:
        """`value` with a password, `otherwise` with IAM, which by default leaves the property out."""
        return self.uses_password.choose(value, otherwise)

    def with_iam(self, value: object) -> AWSHelperFn:
        """`value` with IAM, nothing with a password."""
        return self.uses_password.choose(NoValue, value)


def authentication() -> Authentication:
    """The choice between a password and IAM. Both layers make it, and a template that makes it twice has it once."""
    mode = Input(
        Parameter(
            contract.AUTHENTICATION,
            Type="String",
            Default=contract.PASSWORD,
            AllowedValues=[contract.PASSWORD, contract.IAM],
            Description="How the service logs in to MemoryDB: password, which Secrets Manager generates, or iam, with "
            "the service's own role and no secret at all. Give both layers the same value. Only for new stacks: a "
            "service imports its password, so CloudFormation does not take it away, and MemoryDB's change of a "
            "user's type is unverified.",
        ),
        group="Access",
        label="Authentication",
    )
    return Authentication(mode, Condition("UsesPassword", Equals(mode.ref(), contract.PASSWORD)))
