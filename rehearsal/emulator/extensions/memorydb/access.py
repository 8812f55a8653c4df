"""Users, access control lists and subnet groups."""

from __future__ import annotations

from typing import Any

from ministack.services import ec2

from rehearsal.emulator.extensions import local_services
from rehearsal.emulator.extensions.memorydb.store import acls, clusters, named, new, subnet_groups, users
from rehearsal.emulator.extensions.registration import Created, Props, Refused, arn

# By user, for the nodes: MemoryDB's API does not return them.
passwords: dict[str, list[str]] = {}

# Users. Return values: user guide, AWS::MemoryDB::User.


def create_user(logical_id: str, props: Props, stack_name: str) -> Created:
    name = props["UserName"]
    new(users, name, "User")
    users[name] = {
        "Name": name,
        "Status": "active",
        "ACLNames": [],
        "ARN": arn("memorydb", f"user/{name}"),
        **changeable(props),
    }
    return name, {"Arn": users[name]["ARN"], "Status": "active"}


def changeable(props: Props) -> dict[str, Any]:
    """The properties of CreateUser (API reference): the access string, and the AuthenticationMode. MemoryDB developer
    guide, "Authenticating with IAM": it needs engine 7.0."""
    kind = props["AuthenticationMode"].get("Type", "password")
    given = checked_passwords(kind, props["AuthenticationMode"].get("Passwords") or [])
    passwords[props["UserName"]] = given
    authentication = {"Type": kind} if kind == "iam" else {"Type": kind, "PasswordCount": len(given)}
    return {
        "AccessString": props.get("AccessString", ""),
        "MinimumEngineVersion": "7.0" if kind == "iam" else "6.2",
        "Authentication": authentication,
    }


def checked_passwords(kind: str, given: list[str]) -> list[str]:
    """MemoryDB guide, "Authenticating users with Access Control Lists": one or two passwords of 16 to 128 printable
    characters, none of , " / @. API reference, AuthenticationMode: "the password(s) used for authentication", so none
    with iam; CreateUser has InvalidParameterCombinationException, whose message is not documented."""
    if kind not in ("password", "iam"):
        raise ValueError("The authentication type must be password or iam.")
    if bool(given) == (kind == "iam"):
        raise ValueError("A user of type iam has no password, and one of type password needs one.")
    for password in given:
        if not 16 <= len(password) <= 128 or not password.isprintable() or set(password) & set(',"/@'):
            raise ValueError("Passwords must be 16 to 128 printable characters, without comma, quote, slash and @.")
    if len(given) > 2:
        raise ValueError("A user has at most two passwords.")
    return given


def update_user(name: str, old: Props, props: Props, stack_name: str) -> Created:
    users[name].update(changeable(props))
    update_nodes()
    return name, {"Arn": users[name]["ARN"], "Status": "active"}


def change_user(request: dict[str, Any]) -> dict[str, Any]:
    """API reference, UpdateUser: AuthenticationMode, where it is given, replaces the passwords."""
    (user,) = named(users, request["UserName"], "User")
    name = user["Name"]
    mode = {"Type": user["Authentication"]["Type"], "Passwords": passwords[name]}
    try:
        update_user(name, {}, {"AccessString": user["AccessString"], "AuthenticationMode": mode, **request}, "")
    except ValueError as error:
        raise Refused("InvalidParameterValueException", str(error)) from None
    return {"User": user}


def delete_user(name: str, props: Props) -> None:
    """API reference, DeleteUser: "The user will be removed from all ACLs and in turn removed from all clusters"."""
    users.pop(name, None)
    passwords.pop(name, None)
    for acl in acls.values():
        acl["UserNames"] = [user for user in acl["UserNames"] if user != name]
    update_nodes()


# Access control lists. Return values: user guide, AWS::MemoryDB::ACL.


def create_acl(logical_id: str, props: Props, stack_name: str) -> Created:
    name = props["ACLName"]
    new(acls, name, "ACL")
    acls[name] = {
        "Name": name,
        "Status": "active",
        "UserNames": existing_users(props),
        "Clusters": [],
        "ARN": arn("memorydb", f"acl/{name}"),
    }
    return name, {"Arn": acls[name]["ARN"], "Status": "active"}


def existing_users(props: Props) -> list[str]:
    """API reference, CreateACL and UpdateACL: UserNotFoundFault."""
    for user in props.get("UserNames") or []:
        if user not in users:
            raise ValueError(f"User {user} not found.")
    return list(props.get("UserNames") or [])


def update_acl(name: str, old: Props, props: Props, stack_name: str) -> Created:
    acls[name]["UserNames"] = existing_users(props)
    update_nodes()
    return name, {"Arn": acls[name]["ARN"], "Status": "active"}


def delete_acl(name: str, props: Props) -> None:
    """API reference, DeleteACL: "The ACL must first be disassociated from the cluster before it can be deleted"."""
    if used := [cluster["Name"] for cluster in clusters.values() if cluster["ACLName"] == name]:
        raise ValueError(f"ACL {name} is in use by cluster {used[0]}.")
    acls.pop(name, None)


def node_users(acl: str) -> list[dict[str, Any]]:
    """The users of a list, with passwords."""
    return [
        {"name": user, "access": users[user]["AccessString"], "passwords": passwords[user]}
        for user in acls[acl]["UserNames"]
    ]


def update_nodes() -> None:
    """MemoryDB guide, "Authenticating users with Access Control Lists": a cluster has one list; every node gets changes
    of it and of its users."""
    if local_services.available():
        for cluster in clusters.values():
            local_services.request("set_users", cluster=cluster["Name"], users=node_users(cluster["ACLName"]))


# Subnet groups. Return values: user guide, AWS::MemoryDB::SubnetGroup.


def create_subnet_group(logical_id: str, props: Props, stack_name: str) -> Created:
    name = props["SubnetGroupName"]
    new(subnet_groups, name, "SubnetGroup")
    subnet_groups[name] = {"Name": name, "ARN": arn("memorydb", f"subnetgroup/{name}"), **subnets(props)}
    return name, {"ARN": subnet_groups[name]["ARN"], "Arn": subnet_groups[name]["ARN"]}


def subnets(props: Props) -> dict[str, Any]:
    """API reference, CreateSubnetGroup: InvalidSubnet."""
    for subnet in props["SubnetIds"]:
        if subnet not in ec2._subnets:
            raise ValueError(f"Subnet {subnet} does not exist.")
    return {
        "Description": props.get("Description", ""),
        "VpcId": ec2._subnets[props["SubnetIds"][0]]["VpcId"],
        "Subnets": [{"Identifier": subnet} for subnet in props["SubnetIds"]],
    }


def update_subnet_group(name: str, old: Props, props: Props, stack_name: str) -> Created:
    """API reference, UpdateSubnetGroup: SubnetInUse for one that a node is in."""
    gone = {subnet["Identifier"] for subnet in subnet_groups[name]["Subnets"]} - set(props["SubnetIds"])
    if gone and any(cluster["SubnetGroupName"] == name for cluster in clusters.values()):
        raise ValueError(f"Subnet {min(gone)} is in use by a cluster.")
    subnet_groups[name].update(subnets(props))
    return name, {"ARN": subnet_groups[name]["ARN"], "Arn": subnet_groups[name]["ARN"]}


def delete_subnet_group(name: str, props: Props) -> None:
    """API reference, DeleteSubnetGroup: not one "that is associated with any clusters"."""
    if used := [cluster["Name"] for cluster in clusters.values() if cluster["SubnetGroupName"] == name]:
        raise ValueError(f"Subnet group {name} is in use by cluster {used[0]}.")
    subnet_groups.pop(name, None)
