"""The values that a compute layer imports from the data layer's stack."""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import AWSHelperFn, ImportValue, Parameter, Split, Sub

from generator import contract
from generator.template.elements import Input


@dataclass(frozen=True)
class ImportedData:
    """The exports of the data stack that the parameter DataStackName names.

    With a `prefix`, the user, secret and repository are those that the data layer made with the same prefix.
    """

    stack_name: Input
    prefix: str

    @property
    def vpc_id(self) -> AWSHelperFn:
        return self._shared(contract.VPC_ID)

    @property
    def joined_private_subnet_ids(self) -> AWSHelperFn:
        return self._shared(contract.PRIVATE_SUBNET_IDS)

    @property
    def private_subnet_ids(self) -> AWSHelperFn:
        return Split(",", self.joined_private_subnet_ids)

    @property
    def memorydb_security_group_id(self) -> AWSHelperFn:
        return self._shared(contract.MEMORYDB_SECURITY_GROUP_ID)

    @property
    def cluster_endpoint(self) -> AWSHelperFn:
        return self._shared(contract.CLUSTER_ENDPOINT)

    @property
    def cluster_name(self) -> AWSHelperFn:
        return self._shared(contract.CLUSTER_NAME)

    @property
    def cluster_arn(self) -> AWSHelperFn:
        return self._shared(contract.CLUSTER_ARN)

    @property
    def user_name(self) -> AWSHelperFn:
        return self._own(contract.USER_NAME)

    @property
    def user_arn(self) -> AWSHelperFn:
        return self._own(contract.USER_ARN)

    @property
    def password_secret_arn(self) -> AWSHelperFn:
        """Exported, and so imported, only where services log in with a password."""
        return self._own(contract.PASSWORD_SECRET_ARN)

    @property
    def repository_arn(self) -> AWSHelperFn:
        return self._own(contract.REPOSITORY_ARN)

    @property
    def task_subnet_ids(self) -> AWSHelperFn:
        return Split(",", self._shared(contract.TASK_SUBNET_IDS))

    @property
    def task_endpoint_security_group_id(self) -> AWSHelperFn:
        return self._shared(contract.TASK_ENDPOINT_SECURITY_GROUP_ID)

    def _shared(self, output: str) -> AWSHelperFn:
        return ImportValue(Sub(f"${{{self.stack_name.name}}}-{output}"))

    def _own(self, output: str) -> AWSHelperFn:
        return self._shared(self.prefix + output)


def imported_data(prefix: str = "", *, made_from: str = "data-layer.json") -> ImportedData:
    """The data stack's exports, by the parameter DataStackName, which says what template that stack is `made_from`."""
    return ImportedData(
        Input(
            Parameter(
                contract.DATA_STACK_NAME,
                Type="String",
                MinLength=1,
                MaxLength=128,
                AllowedPattern="^[a-zA-Z][a-zA-Z0-9-]*$",
                ConstraintDescription="A stack name: letters, digits and hyphens, starting with a letter.",
                Description=f"The stack made from {made_from}, in this account and Region. While this stack imports "
                "its values, CloudFormation refuses to delete or replace them.",
            ),
            group="Connection",
            label="Data layer's stack",
        ),
        prefix,
    )
