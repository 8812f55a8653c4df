"""MemoryDB: the resource types, and the operations that a deployment asks about them."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region
from ministack.services import ec2
from ministack.services.cloudformation import provisioners

from rehearsal.fillers.service import Refused, add_service, arn

users = AccountRegionScopedDict()
acls = AccountRegionScopedDict()
subnet_groups = AccountRegionScopedDict()
clusters = AccountRegionScopedDict()
snapshots = AccountRegionScopedDict()

Props = dict[str, Any]
Made = tuple[str, dict[str, Any]]


def install() -> None:
    for name, create, update, delete in (
        ("User", create_user, update_user, delete_user),
        ("ACL", create_acl, update_acl, delete_acl),
        ("SubnetGroup", create_subnet_group, update_subnet_group, delete_subnet_group),
        ("Cluster", create_cluster, update_cluster, delete_cluster),
    ):
        resource_type = f"AWS::MemoryDB::{name}"
        provisioners._RESOURCE_HANDLERS[resource_type] = {"create": create, "update": update, "delete": delete}
        provisioners._STACK_TAG_PROPERTY[resource_type] = ("Tags", "list")
    add_service(
        "memorydb",
        "AmazonMemoryDB",
        {
            "DescribeUsers": lambda asked: {"Users": named(users, asked.get("UserName"), "User")},
            "DescribeACLs": lambda asked: {"ACLs": named(acls, asked.get("ACLName"), "ACL")},
            "DescribeSubnetGroups": lambda asked: {
                "SubnetGroups": named(subnet_groups, asked.get("SubnetGroupName"), "SubnetGroup")
            },
            "DescribeClusters": lambda asked: {"Clusters": named(clusters, asked.get("ClusterName"), "Cluster")},
            "DescribeSnapshots": describe_snapshots,
            "CreateSnapshot": create_snapshot,
            "DeleteSnapshot": delete_snapshot,
        },
    )


def named(store: Any, name: str | None, kind: str) -> list[Any]:
    """API reference, Describe*: all of them, or one, or <kind>NotFoundFault."""
    if not name:
        return list(store.values())
    if name not in store:
        raise Refused(f"{kind}NotFoundFault", f"{kind} {name} not found.")
    return [store[name]]


def new(store: Any, name: str, kind: str) -> None:
    """Names are unique in an account and Region (API reference: CreateCluster, CreateUser, CreateACL,
    CreateSubnetGroup, each with a fault named AlreadyExists), so a named resource cannot be replaced under its name.
    The sentence is CloudFormation's for the handler error AlreadyExists (CLI user guide, resource-type-test-contract
    -errors)."""
    if name in store:
        raise ValueError(f"Resource of type 'AWS::MemoryDB::{kind}' with identifier '{name}' already exists.")


# Users. Return values: user guide, AWS::MemoryDB::User.


def create_user(logical_id: str, props: Props, stack_name: str) -> Made:
    name = props["UserName"]
    new(users, name, "User")
    passwords = checked_passwords(props)
    users[name] = {
        "Name": name,
        "Status": "active",
        "AccessString": props.get("AccessString", ""),
        "ACLNames": [],
        "MinimumEngineVersion": "6.2",
        "Authentication": {
            "Type": props["AuthenticationMode"].get("Type", "password"),
            "PasswordCount": len(passwords),
        },
        "ARN": arn("memorydb", f"user/{name}"),
    }
    return name, {"Arn": users[name]["ARN"], "Status": "active"}


def checked_passwords(props: Props) -> list[str]:
    """MemoryDB guide, "Authenticating users with Access Control Lists": one or two passwords of 16 to 128 printable
    characters, none of , " / @."""
    passwords = props["AuthenticationMode"].get("Passwords") or []
    for password in passwords:
        if not 16 <= len(password) <= 128 or not password.isprintable() or set(password) & set(',"/@'):
            raise ValueError("Passwords must be 16 to 128 printable characters, without comma, quote, slash and @.")
    if len(passwords) > 2:
        raise ValueError("A user has at most two passwords.")
    return passwords


def update_user(name: str, old: Props, props: Props, stack_name: str) -> Made:
    users[name]["AccessString"] = props.get("AccessString", "")
    users[name]["Authentication"]["PasswordCount"] = len(checked_passwords(props))
    return name, {"Arn": users[name]["ARN"], "Status": "active"}


def delete_user(name: str, props: Props) -> None:
    """API reference, DeleteUser: "The user will be removed from all ACLs and in turn removed from all clusters"."""
    users.pop(name, None)
    for acl in acls.values():
        acl["UserNames"] = [user for user in acl["UserNames"] if user != name]


# Access control lists. Return values: user guide, AWS::MemoryDB::ACL.


def create_acl(logical_id: str, props: Props, stack_name: str) -> Made:
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


def update_acl(name: str, old: Props, props: Props, stack_name: str) -> Made:
    acls[name]["UserNames"] = existing_users(props)
    return name, {"Arn": acls[name]["ARN"], "Status": "active"}


def delete_acl(name: str, props: Props) -> None:
    """API reference, DeleteACL: "The ACL must first be disassociated from the cluster before it can be deleted"."""
    if used := [cluster["Name"] for cluster in clusters.values() if cluster["ACLName"] == name]:
        raise ValueError(f"ACL {name} is in use by cluster {used[0]}.")
    acls.pop(name, None)


# Subnet groups. Return values: user guide, AWS::MemoryDB::SubnetGroup.


def create_subnet_group(logical_id: str, props: Props, stack_name: str) -> Made:
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


def update_subnet_group(name: str, old: Props, props: Props, stack_name: str) -> Made:
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


# Clusters. Return values: user guide, AWS::MemoryDB::Cluster.


def create_cluster(logical_id: str, props: Props, stack_name: str) -> Made:
    """API reference, CreateCluster: ACLNotFoundFault, SubnetGroupNotFoundFault; SnapshotName is "the name of a snapshot
    from which to restore data", which must exist."""
    name = props["ClusterName"]
    new(clusters, name, "Cluster")
    named(acls, props["ACLName"], "ACL")
    if props.get("SubnetGroupName"):
        named(subnet_groups, props["SubnetGroupName"], "SubnetGroup")
    if props.get("SnapshotName"):
        named(snapshots, props["SnapshotName"], "Snapshot")
    suffix = hashlib.sha256(f"{get_account_id()}{name}".encode()).hexdigest()[:6]
    clusters[name] = {
        "Name": name,
        "ARN": arn("memorydb", f"cluster/{name}"),
        "Status": "available",
        "ClusterEndpoint": {
            "Address": f"clustercfg.{name}.{suffix}.memorydb.{get_region()}.amazonaws.com",
            "Port": int(props.get("Port", 6379)),
        },
        "TLSEnabled": str(props.get("TLSEnabled", True)).lower() == "true",
        "KmsKeyId": props.get("KmsKeyId", ""),
        "SubnetGroupName": props.get("SubnetGroupName", "default"),
        **changeable(props),
    }
    return name, cluster_attributes(name)


def changeable(props: Props) -> dict[str, Any]:
    """What the schema does not list as create-only."""
    shards = int(props.get("NumShards", 1))
    return {
        "Description": props.get("Description", ""),
        "NodeType": props["NodeType"],
        "Engine": props.get("Engine", "redis"),
        "EngineVersion": str(props.get("EngineVersion", "7.1")),
        "NumberOfShards": shards,
        "Shards": [{"Name": f"{shard + 1:04}", "Status": "available"} for shard in range(shards)],
        "ParameterGroupName": props.get("ParameterGroupName", ""),
        "ParameterGroupStatus": "in-sync",
        "SecurityGroups": [
            {"SecurityGroupId": group, "Status": "active"} for group in props.get("SecurityGroupIds") or []
        ],
        "SnapshotRetentionLimit": int(props.get("SnapshotRetentionLimit", 0)),
        "SnapshotWindow": props.get("SnapshotWindow", "03:00-04:00"),
        "MaintenanceWindow": props.get("MaintenanceWindow", "sun:05:00-sun:06:00"),
        "ACLName": props["ACLName"],
        "AutoMinorVersionUpgrade": str(props.get("AutoMinorVersionUpgrade", True)).lower() == "true",
    }


def cluster_attributes(name: str) -> dict[str, Any]:
    cluster = clusters[name]
    return {
        "ARN": cluster["ARN"],
        "Status": cluster["Status"],
        "ParameterGroupStatus": cluster["ParameterGroupStatus"],
        "ClusterEndpoint.Address": cluster["ClusterEndpoint"]["Address"],
        "ClusterEndpoint.Port": cluster["ClusterEndpoint"]["Port"],
    }


def update_cluster(name: str, old: Props, props: Props, stack_name: str) -> Made:
    named(acls, props["ACLName"], "ACL")
    clusters[name].update(changeable(props))
    return name, cluster_attributes(name)


def delete_cluster(name: str, props: Props) -> None:
    """API reference, DeleteCluster: with FinalSnapshotName a last snapshot is taken first; a name that is taken is
    SnapshotAlreadyExistsFault, and the cluster stays. MemoryDB guide, "Scheduling automatic snapshots": those are
    deleted with their cluster."""
    if name not in clusters:
        return
    if props.get("FinalSnapshotName"):
        create_snapshot({"ClusterName": name, "SnapshotName": props["FinalSnapshotName"]})
    for snapshot in list(snapshots.values()):
        if snapshot["Source"] == "automated" and snapshot["ClusterConfiguration"]["Name"] == name:
            snapshots.pop(snapshot["Name"])
    clusters.pop(name)


# Snapshots: made by CreateSnapshot and DeleteCluster, kept until DeleteSnapshot.


def describe_snapshots(asked: dict[str, Any]) -> dict[str, Any]:
    found = named(snapshots, asked.get("SnapshotName"), "Snapshot")
    if asked.get("ClusterName"):
        found = [each for each in found if each["ClusterConfiguration"]["Name"] == asked["ClusterName"]]
    # API reference, DescribeSnapshots: Source is "system" for automatic snapshots and "user" for manual ones.
    if source := {"system": "automated", "user": "manual"}.get(asked.get("Source", "")):
        found = [each for each in found if each["Source"] == source]
    return {"Snapshots": found}


def create_snapshot(asked: dict[str, Any]) -> dict[str, Any]:
    (cluster,) = named(clusters, asked["ClusterName"], "Cluster")
    name = asked["SnapshotName"]
    if name in snapshots:
        raise Refused("SnapshotAlreadyExistsFault", f"Snapshot with specified name already exists: {name}")
    snapshots[name] = {
        "Name": name,
        "Status": "available",
        "Source": "manual",
        "ARN": arn("memorydb", f"snapshot/{name}"),
        "ClusterConfiguration": {
            "Name": cluster["Name"],
            "NodeType": cluster["NodeType"],
            "Engine": cluster["Engine"],
            "EngineVersion": cluster["EngineVersion"],
            "Port": cluster["ClusterEndpoint"]["Port"],
            "NumShards": cluster["NumberOfShards"],
            "Shards": [{"Name": shard["Name"], "SnapshotCreationTime": time.time()} for shard in cluster["Shards"]],
        },
    }
    return {"Snapshot": snapshots[name]}


def delete_snapshot(asked: dict[str, Any]) -> dict[str, Any]:
    (snapshot,) = named(snapshots, asked["SnapshotName"], "Snapshot")
    snapshots.pop(snapshot["Name"])
    return {"Snapshot": {**snapshot, "Status": "deleting"}}
