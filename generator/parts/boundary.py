"""The permissions boundary of the roles that a template makes: the most that each may do, whatever its policies say."""

from __future__ import annotations

from troposphere import iam

from generator import contract
from generator.template.assemble import elements
from generator.template.elements import Part
from generator.template.inputs import ACCESS


def bounded(*parts: Part) -> tuple[Part, ...]:
    """`parts` with a boundary for each of their roles that has none, and the parameter that names it, empty for none.

    It is set on the roles themselves. A role inside a ForEach sets its own.
    """
    boundary = ACCESS.optional_text(
        contract.PERMISSIONS_BOUNDARY_ARN,
        "arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+",
        form="a policy's ARN",
        description="For all roles of this stack: the access layer's output of this name. Empty for none.",
        label="Permissions boundary ARN",
    )
    roles = [role for _, role in elements(parts) if isinstance(role, iam.Role)]
    for role in roles:
        if "PermissionsBoundary" not in role.properties:
            role.PermissionsBoundary = boundary.value()
    return (*parts, boundary) if roles else parts
