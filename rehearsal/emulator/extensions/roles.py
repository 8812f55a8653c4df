"""IAM roles in stacks: their permissions boundary, identity providers, and what CloudFormation's role may do with them.

ministack creates resources without asking IAM. Here IAM is asked, as the role that a stack's change set named, before a
role is created or changed, and before one is passed. Facts: CloudFormation API reference, CreateChangeSet, RoleARN,
which stays the stack's; Service Authorization Reference, IAM: iam:PermissionsBoundary is a condition key of CreateRole,
PutRolePolicy, AttachRolePolicy, PutRolePermissionsBoundary and DeleteRolePermissionsBoundary; IAM user guide, "IAM and
AWS STS condition context keys", iam:PermissionsBoundary: the policy is the boundary of the role in the request, or
becomes it; CloudFormation template reference, AWS::IAM::OIDCProvider: Ref is the ARN.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import iam, sts
from ministack.services.cloudformation import provisioners, stacks

from rehearsal.emulator.extensions.iam import denial, stack_roles
from rehearsal.emulator.extensions.registration import Created, Props, add_resource_type, removal

ROLE = "AWS::IAM::Role"
ROLE_ARN = re.compile(r"arn:aws:iam::[0-9]{12}:role/(?:[\w+=,.@-]+/)*([\w+=,.@-]+)")
Asked = tuple[str, str, dict[str, str]]


def install() -> None:
    add_resource_type("AWS::IAM::OIDCProvider", create_provider, None, removal(iam._oidc_providers))
    provision, update = stacks._provision_resource, stacks._update_resource

    def provisioned(resource_type: str, logical_id: str, props: Props, stack: str, *rest: Any) -> Any:
        if resource_type == ROLE:
            name = props.get("RoleName") or provisioners._physical_name(stack, logical_id, max_len=64)
            ask(stack, changes(name, {}, props))
        ask(stack, passed(resource_type, props))
        created = provision(resource_type, logical_id, props, stack, *rest)
        if resource_type == ROLE:
            iam._roles[created[0]]["PermissionsBoundary"] = props.get("PermissionsBoundary")
        return created

    def updated(resource_type: str, name: str, old: Props, new: Props, stack: str, *rest: Any) -> Any:
        if resource_type == ROLE:
            ask(stack, changes(name, old, new))
        if old != new:
            ask(stack, passed(resource_type, new))
        changed = update(resource_type, name, old, new, stack, *rest)
        if resource_type == ROLE:
            iam._roles[name]["PermissionsBoundary"] = new.get("PermissionsBoundary")
        return changed

    stacks._provision_resource, stacks._update_resource = provisioned, updated


def create_provider(logical_id: str, props: Props, stack_name: str) -> Created:
    host = props["Url"].removeprefix("https://")
    arn = f"arn:aws:iam::{get_account_id()}:oidc-provider/{host}"
    if arn in iam._oidc_providers:
        raise ValueError(f"Provider with url {props['Url']} already exists.")
    iam._oidc_providers[arn] = {"Url": host, "Arn": arn, "ClientIDList": props.get("ClientIdList", []), "Tags": []}
    return arn, {"Arn": arn}


def changes(name: str, old: Props, new: Props) -> Iterator[Asked]:
    """What CloudFormation calls to make a role what its properties say."""
    arn = f"arn:aws:iam::{get_account_id()}:role{new.get('Path', '/')}{name}"
    was, is_now = (props.get("PermissionsBoundary", "") for props in (old, new))
    if not old:
        yield "iam:CreateRole", arn, {"iam:PermissionsBoundary": is_now}
    elif is_now != was:
        verb = "Put" if is_now else "Delete"
        yield f"iam:{verb}RolePermissionsBoundary", arn, {"iam:PermissionsBoundary": is_now or was}
    if new.get("Policies") and new["Policies"] != old.get("Policies"):
        yield "iam:PutRolePolicy", arn, {"iam:PermissionsBoundary": is_now}
    for policy in new.get("ManagedPolicyArns", []):
        if policy not in old.get("ManagedPolicyArns", []):
            yield "iam:AttachRolePolicy", arn, {"iam:PermissionsBoundary": is_now, "iam:PolicyARN": policy}


def passed(resource_type: str, props: Props) -> Iterator[Asked]:
    """The roles that a resource's properties name, each passed to a service that it trusts."""
    if resource_type.startswith("AWS::IAM::"):
        return
    for arn, name in sorted({(found[0], found[1]) for found in ROLE_ARN.finditer(json.dumps(props))}):
        trust = json.loads((iam._roles.get(name) or {}).get("AssumeRolePolicyDocument") or "{}")
        services = [statement.get("Principal", {}).get("Service", "") for statement in trust.get("Statement", [])]
        service = services[0] if services else ""
        to = service[0] if isinstance(service, list) else service
        yield "iam:PassRole", arn, {"iam:PassedToService": to}


def ask(stack: str, asked: Iterator[Asked]) -> None:
    """Raises ValueError, with IAM's message, for what the stack's role may not do; without a role, nothing is asked."""
    role = stack_roles.get(stack)
    if not role:
        return
    key = sts._gen_session_access_key()
    session = {
        "Arn": f"arn:aws:sts::{get_account_id()}:assumed-role/{role.rpartition('/')[2]}/AWSCloudFormation",
        "AccountId": get_account_id(),
        "PrincipalType": "AssumedRole",
        "SecretAccessKey": sts._gen_secret(),
        "SessionToken": sts._gen_session_token(),
        "Expiration": time.time() + 60,
    }
    sts.register_session(key, session)
    for action, resource, context in asked:
        if refusal := denial(key, action, resource, {name: value for name, value in context.items() if value}):
            raise ValueError(refusal)
