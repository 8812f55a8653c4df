"""The values that a compute layer imports from the stack of the data layer, which its parameter DataStackName names."""

from __future__ import annotations

from troposphere import AWSHelperFn, ImportValue, Split, Sub

from generator import contract
from generator.errors import check_type
from generator.template.elements import Input
from generator.template.inputs import CONNECTION
from generator.workload import MemoryDBAccess, Place


def imported(name: str) -> AWSHelperFn:
    """In a compute layer: the export `name` of its data layer, as made by `export(name, …)`.

    While a stack imports a value, CloudFormation refuses to change it and to delete the stack that exports it.

    >>> imported("AttachmentsName").to_dict()
    {'Fn::ImportValue': {'Fn::Sub': '${DataStackName}-AttachmentsName'}}
    """
    check_type("imported: the name", name, (str,), "that of an export as text, such as AttachmentsName")
    return ImportValue(Sub(f"${{{contract.DATA_STACK_NAME}}}-{name}"))


def imported_place(*, tasks: bool = False) -> Place:
    """The data layer's VPC; with `tasks`, also where ECS tasks are and the group of their endpoints."""
    return Place(
        vpc_id=imported(contract.VPC_ID),
        private_subnet_ids=Split(",", imported(contract.PRIVATE_SUBNET_IDS)),
        task_subnet_ids=Split(",", imported(contract.TASK_SUBNET_IDS)) if tasks else None,
        task_endpoint_security_group_id=imported(contract.TASK_ENDPOINT_SECURITY_GROUP_ID) if tasks else None,
    )


def imported_memorydb(prefix: str = "") -> MemoryDBAccess:
    """The data layer's cluster, and its user with that prefix.

    The secret's ARN is exported, and so imported, only where services log in with a password.
    """
    return MemoryDBAccess(
        endpoint=imported(contract.CLUSTER_ENDPOINT),
        user_name=imported(prefix + contract.USER_NAME),
        security_group_id=imported(contract.MEMORYDB_SECURITY_GROUP_ID),
        password_secret_arn=imported(prefix + contract.PASSWORD_SECRET_ARN),
        cluster_name=imported(contract.CLUSTER_NAME),
        cluster_arn=imported(contract.CLUSTER_ARN),
        user_arn=imported(prefix + contract.USER_ARN),
    )


def data_stack_name(what: str = "The data layer's stack") -> Input:
    """The parameter DataStackName, described as `what`."""
    return CONNECTION.text(
        contract.DATA_STACK_NAME,
        "^[a-zA-Z][a-zA-Z0-9-]*$",
        description=f"{what}, in this account and Region. While this stack imports its values, CloudFormation refuses "
        "to delete or replace them.",
        label="Data layer's stack",
        MinLength=1,
        MaxLength=128,
        ConstraintDescription="A stack name: letters, digits and hyphens, starting with a letter.",
    )
