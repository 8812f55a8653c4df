"""The capabilities that CloudFormation requires before it acts on a template.

Source: CloudFormation API reference, CreateChangeSet, Capabilities, which lists the types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.template.resources import resources_in

IAM, NAMED_IAM, AUTO_EXPAND = "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"

NAMES = {
    "AWS::IAM::AccessKey": "",
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::GroupPolicy": "",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": "",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::RolePolicy": "",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::UserPolicy": "",
    "AWS::IAM::UserToGroupAddition": "",
}
"""The types that need a capability, with the property that names them; PolicyName and the like name no entity."""

# Hosted by AWS and expanded when the change set is created, like any macro; their resources are not in the template.
NESTED = ("AWS::CloudFormation::Stack", "AWS::Serverless::Application")


def capabilities(template: Mapping[str, Any]) -> tuple[str, ...]:
    """The capabilities that a template, as its JSON is read, requires; sorted.

    A macro may add IAM resources, and a nested stack or a module may have some: these count as named. Conditions make
    no difference, since CloudFormation decides before it evaluates them.

    >>> capabilities({"Resources": {"Role": {"Type": "AWS::IAM::Role"}}})
    ('CAPABILITY_IAM',)
    >>> capabilities({"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "auditor"}}}})
    ('CAPABILITY_NAMED_IAM',)
    """
    found = set()
    for _, resource in resources_in(template):
        kind, properties = resource["Type"], resource.get("Properties") or {}
        if kind in NAMES:
            found.add(NAMED_IAM if NAMES[kind] in properties else IAM)
        if kind in NESTED or kind.endswith("::MODULE") or _has_macro(properties):
            found |= {AUTO_EXPAND, NAMED_IAM}
    if _macros(template.get("Transform")) or _has_macro({**template, "Resources": {}}):
        found |= {AUTO_EXPAND, NAMED_IAM}
    elif template.get("Transform"):
        found.add(AUTO_EXPAND)
    # The named one allows what the other allows.
    return tuple(sorted(found - {IAM} if NAMED_IAM in found else found))


def _macros(transform: Any) -> list[Any]:
    """The transforms that can add resources: all but AWS's language extensions."""
    listed = transform if isinstance(transform, list) else [transform] if transform else []
    return [each for each in listed if each not in ("AWS::LanguageExtensions", {"Name": "AWS::LanguageExtensions"})]


def _has_macro(node: Any) -> bool:
    """Whether Fn::Transform is anywhere below `node`."""
    if isinstance(node, Mapping):
        return "Fn::Transform" in node or any(_has_macro(value) for value in node.values())
    return isinstance(node, list) and any(_has_macro(value) for value in node)
