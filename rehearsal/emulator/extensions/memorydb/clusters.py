"""Clusters and snapshots, and the registration of all of MemoryDB."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import drift

from rehearsal.emulator.extensions import local_services
from rehearsal.emulator.extensions.memorydb import access
from rehearsal.emulator.extensions.memorydb.store import acls, clusters, named, new, snapshots, subnet_groups, users
from rehearsal.emulator.extensions.registration import Created, Props, Refused, add_resource_type, add_service, arn


def install() -> None:
    for name, create, update, delete in (
        ("User", access.create_user, access.update_user, access.delete_user),
        ("ACL", access.create_acl, access.update_acl, access.delete_acl),
        ("SubnetGroup", access.create_subnet_group, access.update_subnet_group, access.delete_subnet_group),
        ("Cluster", create_cluster, update_cluster, delete_cluster),
    ):
        add_resource_type(f"AWS::MemoryDB::{name}", create, update, delete)
    for name, store, by_hand in (("Cluster", clusters, BY_HAND), ("User", users, ["AccessString"])):
        drift._DRIFT_READERS[f"AWS::MemoryDB::{name}"] = (by_name(store), frozenset(by_hand))
    add_service(
        "memorydb",
        "AmazonMemoryDB",
        UpdateUser=access.change_user,
        DescribeUsers=described(users, "User"),
        DescribeACLs=described(acls, "ACL"),
        DescribeSubnetGroups=described(subnet_groups, "SubnetGroup"),
        DescribeClusters=described(clusters, "Cluster"),
        UpdateCluster=change_cluster,
        DescribeSnapshots=describe_snapshots,
        CreateSnapshot=create_snapshot,
        DeleteSnapshot=delete_snapshot,
    )


def by_name(store: Any) -> Any:
    return lambda name, props: store.get(name)


def described(store: Any, kind: str) -> Any:
    return lambda request: {f"{kind}s": named(store, request.get(f"{kind}Name"), kind)}


# Clusters. Return values: user guide, AWS::MemoryDB::Cluster.


def create_cluster(logical_id: str, props: Props, stack_name: str) -> Created:
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
    cluster = {
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
        "AutoMinorVersionUpgrade": str(props.get("AutoMinorVersionUpgrade", True)).lower() == "true",
        **changeable(props),
    }
    if local_services.available():
        local_services.request(
            "create_cluster",
            name=name,
            endpoint="{Address}:{Port}".format_map(cluster["ClusterEndpoint"]),
            shards=cluster["NumberOfShards"],
            replicas=int(props.get("NumReplicasPerShard", 1)),
            users=access.node_users(props["ACLName"]),
            snapshot=props.get("SnapshotName", ""),
        )
    clusters[name] = cluster
    return name, cluster_attributes(name)


def changeable(props: Props) -> dict[str, Any]:
    """The properties that UpdateCluster changes (API reference)."""
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


def update_cluster(name: str, old: Props, props: Props, stack_name: str) -> Created:
    named(acls, props["ACLName"], "ACL")
    clusters[name].update(changeable(props))
    access.update_nodes()
    return name, cluster_attributes(name)


# What UpdateCluster changes, and drift detection reads, under names that the API and the resource type share.
BY_HAND = ("Description", "MaintenanceWindow", "NodeType", "SnapshotRetentionLimit", "SnapshotWindow")


def change_cluster(request: dict[str, Any]) -> dict[str, Any]:
    (cluster,) = named(clusters, request["ClusterName"], "Cluster")
    cluster.update({name: request[name] for name in BY_HAND if name in request})
    return {"Cluster": cluster}


def delete_cluster(name: str, props: Props) -> None:
    """API reference, DeleteCluster: with FinalSnapshotName a final snapshot comes first; a name in use is
    SnapshotAlreadyExistsFault, and the cluster stays."""
    if name not in clusters:
        return
    if props.get("FinalSnapshotName"):
        create_snapshot({"ClusterName": name, "SnapshotName": props["FinalSnapshotName"]})
    clusters.pop(name)
    if local_services.available():
        local_services.request("delete_cluster", name=name)


# Snapshots of CreateSnapshot and DeleteCluster; none is automatic.


def describe_snapshots(request: dict[str, Any]) -> dict[str, Any]:
    found = named(snapshots, request.get("SnapshotName"), "Snapshot")
    if request.get("ClusterName"):
        found = [each for each in found if each["ClusterConfiguration"]["Name"] == request["ClusterName"]]
    # API reference, DescribeSnapshots: Source is "system" for automatic snapshots and "user" for manual ones.
    if source := {"system": "automated", "user": "manual"}.get(request.get("Source", "")):
        found = [each for each in found if each["Source"] == source]
    return {"Snapshots": found}


def create_snapshot(request: dict[str, Any]) -> dict[str, Any]:
    (cluster,) = named(clusters, request["ClusterName"], "Cluster")
    name = request["SnapshotName"]
    if name in snapshots:
        raise Refused("SnapshotAlreadyExistsFault", f"Snapshot with specified name already exists: {name}")
    if local_services.available():
        local_services.request("create_snapshot", name=name, cluster=cluster["Name"])
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


def delete_snapshot(request: dict[str, Any]) -> dict[str, Any]:
    (snapshot,) = named(snapshots, request["SnapshotName"], "Snapshot")
    snapshots.pop(snapshot["Name"])
    if local_services.available():
        local_services.request("delete_snapshot", name=snapshot["Name"])
    return {"Snapshot": {**snapshot, "Status": "deleting"}}
