"""The permissions boundary of the roles that a template makes: the most that each may do, whatever its policies say."""

from __future__ import annotations

from troposphere import Parameter, iam

from generator import contract
from generator.template.assemble import elements
from generator.template.elements import Input, Part


def bounded(*parts: Part) -> tuple[Part, ...]:
    """`parts` with a boundary for each of their roles that has none, and the parameter that names it, empty for none.

    It is set on the roles themselves. A role inside a ForEach sets its own.
    """
    boundary = Input(
        Parameter(
            contract.PERMISSIONS_BOUNDARY_ARN,
            Type="String",
            Default="",
            AllowedPattern="^$|^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$",
            ConstraintDescription="Empty, or a policy's ARN.",
            Description="For all roles of this stack: the access layer's output of this name. Empty for none.",
        ),
        group="Access",
        label="Permissions boundary ARN",
    )
    given = boundary.given("HasPermissionsBoundary")
    roles = [role for _, role in elements(parts) if isinstance(role, iam.Role)]
    for role in roles:
        if "PermissionsBoundary" not in role.properties:
            role.PermissionsBoundary = given.choose(boundary.ref())
    return (*parts, boundary, given) if roles else parts
