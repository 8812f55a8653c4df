"""Which changes replace a resource, from the resource schemas of every type, and the names that it generates.

Facts: CloudFormation CLI user guide, "Resource type schema": createOnlyProperties can only be set at creation, a change
makes a new resource; conditionalCreateOnlyProperties may. User guide, "Resource tags": stack-level tags are set as the
resource's own, so where the tag property is create-only a change of them replaces the resource. User guide, "Name
type": "a unique physical ID" is generated for a resource without a name.
"""

from __future__ import annotations

import secrets
from typing import Any

from ministack.services.cloudformation import changesets, provisioners

from rehearsal.emulator.extensions.cloudformation.stand_ins import SCHEMAS

# ministack's names are the same in every emulator, and so would be the images that two rehearsals build at once.
SEED = secrets.token_hex(4)


def install() -> None:
    for name, properties in SCHEMAS.items():
        if name in provisioners._RESOURCE_HANDLERS:
            provisioners._REPLACING_PROPERTIES[name] = tuple(properties["always"])
            provisioners._CONDITIONALLY_REPLACING_PROPERTIES[name] = tuple(properties["conditionally"])
    differ, generate = changesets._diff_resources, provisioners._physical_name

    def diff(*arguments: Any) -> Any:
        changes = differ(*arguments)
        for change in changes:
            replace_for_tags(change["ResourceChange"])
        return changes

    def physical_name(*arguments: Any, **options: Any) -> str:
        token = provisioners._NAME_SEED.set(SEED + provisioners._NAME_SEED.get())
        try:
            return str(generate(*arguments, **options))
        finally:
            provisioners._NAME_SEED.reset(token)

    changesets._diff_resources, provisioners._physical_name = diff, physical_name


def replace_for_tags(change: dict[str, Any]) -> None:
    for detail in change.get("Details", ()):
        target = detail["Target"]
        if target["Attribute"] == "Tags":
            target["RequiresRecreation"] = provisioners._property_recreation(change["ResourceType"], "Tags")
            if target["RequiresRecreation"] == "Always":
                change["Replacement"] = "True"
                change.setdefault("PolicyAction", "ReplaceAndDelete")
