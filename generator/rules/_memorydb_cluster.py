"""Rules for AWS::MemoryDB::Cluster and MultiRegionCluster, and for the names of all MemoryDB resources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from ._rule import TEMPLATE_REFERENCE, Finding, LiteralNameRule, Rule, finding
from ._values import ABSENT, RESOURCE, Node, is_false, is_known, is_true, known_part, whole_number

CLUSTER = "AWS::MemoryDB::Cluster"
GLOBAL = "AWS::MemoryDB::MultiRegionCluster"
SUBNET_GROUP, SECURITY_GROUP = "AWS::MemoryDB::SubnetGroup", "AWS::EC2::SecurityGroup"
PARAMETER_GROUP = "AWS::MemoryDB::ParameterGroup"
SERVICE_GUIDE = "https://docs.aws.amazon.com/memorydb/latest/devguide"
CLUSTER_REFERENCE = f"{TEMPLATE_REFERENCE}/aws-resource-memorydb-cluster.html"

SIZES = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge")
TIERED = {f"db.r6gd.{size}" for size in ("xlarge", "2xlarge", "4xlarge", "8xlarge")}
NODE_TYPES = {
    "db.t4g.small",
    "db.t4g.medium",
    *(f"db.{family}.{size}" for family in ("r6g", "r7g") for size in SIZES),
    *TIERED,
}
GLOBAL_NODE_TYPES = {f"db.r7g.{size}" for size in SIZES[1:]}
VERSIONS = {"redis": ("6.2", "7.0", "7.1"), "valkey": ("7.2", "7.3")}
GLOBAL_VERSIONS = ("7.3",)
DEFAULT_ENGINE = "redis"
DEFAULT_SHARDS, DEFAULT_REPLICAS = 1, 1
MAX_REPLICAS, MAX_NODES, MAX_RETENTION_DAYS = 5, 500, 35

# Property that names the resource, and how long the name may be.
NAMES = {
    "AWS::MemoryDB::ACL": ("ACLName", 40),
    "AWS::MemoryDB::Cluster": ("ClusterName", 40),
    "AWS::MemoryDB::ParameterGroup": ("ParameterGroupName", 255),
    "AWS::MemoryDB::SubnetGroup": ("SubnetGroupName", 255),
    "AWS::MemoryDB::User": ("UserName", 40),
}
FINAL_SNAPSHOT = ("FinalSnapshotName", 255)
LEGAL_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
POLICIES = ("DeletionPolicy", "UpdateReplacePolicy")


class ClusterRule(Rule):
    types: ClassVar[tuple[str, ...]] = (CLUSTER,)


class NodeType(ClusterRule):
    id = "E9608"
    shortdesc = "MemoryDB node type exists"
    description = (
        "A node type that MemoryDB does not have, an r6gd one without DataTiering, or one of a Multi-Region cluster "
        "that is not r7g.xlarge or larger, is refused at creation."
    )
    source_url = f"{SERVICE_GUIDE}/nodes.supportedtypes.html"
    types = (CLUSTER, GLOBAL)

    def findings(self, node: Node) -> Iterator[Finding]:
        for node_type, where in node.values("NodeType"):
            if not is_known(node_type):
                continue
            if node_type not in NODE_TYPES:
                yield finding(node, f"MemoryDB has no node type {node_type!r}", "NodeType")
            elif node.type == GLOBAL and node_type not in GLOBAL_NODE_TYPES:
                yield finding(
                    node, f"A Multi-Region cluster needs db.r7g.xlarge or larger, not {node_type}", "NodeType"
                )
            elif node.type == CLUSTER:
                for tiering, _ in where.usual("DataTiering", default="false"):
                    if node_type in TIERED and is_false(tiering):
                        yield finding(node, f"Node type {node_type!r} requires DataTiering", "NodeType")
                    elif node_type not in TIERED and is_true(tiering):
                        yield finding(node, f"Only r6gd has data tiering, not {node_type!r}", "DataTiering")


class Engine(ClusterRule):
    id = "E9609"
    shortdesc = "MemoryDB engine, version and parameter group fit together"
    description = (
        "The engine is redis or valkey, the version one of that engine's, and the parameter group, a default one or "
        "one in the same template, that engine's. A Multi-Region cluster has valkey 7.3."
    )
    source_url = f"{SERVICE_GUIDE}/engine-versions.html"
    types = (CLUSTER, GLOBAL)

    def findings(self, node: Node) -> Iterator[Finding]:
        for engine, _ in node.values("Engine"):
            if is_known(engine) and str(engine).lower() not in VERSIONS:
                yield finding(node, f"MemoryDB has no engine {engine!r}, it has redis and valkey", "Engine")
        for version, _ in node.values("EngineVersion"):
            if is_known(version) and not any(str(version) in versions for versions in VERSIONS.values()):
                yield finding(node, f"MemoryDB has no engine version {version!r}", "EngineVersion")
        # A cluster of a Multi-Region one takes over its engine.
        for owner, alone in node.usual("MultiRegionClusterName"):
            default = DEFAULT_ENGINE if node.type == CLUSTER and owner == ABSENT else ABSENT
            for engine, with_engine in alone.usual("Engine", default=default):
                for version, with_version in with_engine.usual("EngineVersion"):
                    yield from self._pair(node, str(engine).lower(), str(version))
                    for family in _families(with_version):
                        yield from self._group(node, family, str(engine).lower(), str(version))

    def _pair(self, node: Node, engine: str, version: str) -> Iterator[Finding]:
        if any(version in versions for other, versions in VERSIONS.items() if other != engine in VERSIONS):
            message = f"{version} is not a version of {engine}, which has {', '.join(VERSIONS[engine])}"
            yield finding(node, message, "EngineVersion")
        if node.type == GLOBAL and engine in VERSIONS and engine != "valkey":
            yield finding(node, "A Multi-Region cluster has the engine valkey", "Engine")
        elif node.type == GLOBAL and version in VERSIONS["valkey"] and version not in GLOBAL_VERSIONS:
            yield finding(node, f"A Multi-Region cluster needs version {GLOBAL_VERSIONS[0]} of valkey", "EngineVersion")

    def _group(self, node: Node, family: str, engine: str, version: str) -> Iterator[Finding]:
        parsed = re.search(r"memorydb[-_](redis|valkey)([0-9]+)", family)
        if parsed and engine in VERSIONS and parsed.group(1) != engine:
            yield finding(node, f"The parameter group is of {family}, the engine is {engine}", "ParameterGroupName")
        elif parsed and version[:1].isdigit() and parsed.group(2) != version[:1]:
            yield finding(node, f"The parameter group is of {family}, the version is {version}", "ParameterGroupName")


def _families(cluster: Node) -> Iterator[str]:
    """The family of a cluster's parameter group: of a default one its name tells, of another one its resource."""
    for group, where in cluster.usual("ParameterGroupName"):
        if is_known(group) and str(group).startswith("default."):
            yield str(group)
        for resource in where.template.resources(PARAMETER_GROUP):
            if resource.is_called(group, "ParameterGroupName"):
                yield from (str(family) for family, _ in resource.usual("Family") if is_known(family))


class NodeCount(ClusterRule):
    id = "E9610"
    shortdesc = "MemoryDB shards and replicas are in range"
    description = (
        f"A shard has up to {MAX_REPLICAS} replicas, a cluster up to {MAX_NODES} nodes: shards times (1 + replicas)."
    )
    source_url = f"{SERVICE_GUIDE}/quota-limits.html"
    types = (CLUSTER, GLOBAL)

    def findings(self, node: Node) -> Iterator[Finding]:
        for number in _outside(node, "NumShards", 1, MAX_NODES):
            yield finding(node, f"{number} shards: a cluster has 1 to {MAX_NODES}", "NumShards")
        for number in _outside(node, "NumReplicasPerShard", 0, MAX_REPLICAS):
            yield finding(node, f"{number} replicas: a shard has 0 to {MAX_REPLICAS}", "NumReplicasPerShard")
        for value, where in node.usual("NumShards", default=DEFAULT_SHARDS) if node.type == CLUSTER else ():
            for other, _ in where.usual("NumReplicasPerShard", default=DEFAULT_REPLICAS):
                shards, replicas = whole_number(value) or 0, whole_number(other) or 0
                nodes = shards * (1 + replicas)
                if nodes > MAX_NODES >= shards and replicas <= MAX_REPLICAS:
                    message = f"{shards} shards with {replicas} replicas are {nodes} nodes, over {MAX_NODES}"
                    yield finding(node, message, "NumShards")


def _outside(node: Node, name: str, least: int, most: int) -> Iterator[int]:
    """The numbers that a property can be, but must not."""
    for value, _ in node.values(name):
        number = whole_number(value)
        if number is not None and not least <= number <= most:
            yield number


class Tls(ClusterRule):
    id = "E9614"
    shortdesc = "MemoryDB cluster uses TLS"
    description = "Without TLS the cluster takes no password either: MemoryDB then allows only the ACL open-access."
    source_url = f"{SERVICE_GUIDE}/in-transit-encryption.html"
    types = (CLUSTER, GLOBAL)

    def findings(self, node: Node) -> Iterator[Finding]:
        for tls, _ in node.values("TLSEnabled"):
            if is_false(tls):
                yield finding(node, "TLS is off: every client that reaches the cluster reads and writes", "TLSEnabled")


class OpenAccess(ClusterRule):
    id = "E9618"
    shortdesc = "MemoryDB cluster has an ACL of its own"
    description = "The built-in ACL open-access admits every client without a password, to every key and command."
    source_url = f"{SERVICE_GUIDE}/clusters.acls.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for acl, _ in node.values("ACLName"):
            if acl == "open-access":
                yield finding(node, "The ACL open-access requires no password", "ACLName")


class Snapshots(ClusterRule):
    id = "W9615"
    shortdesc = "MemoryDB cluster takes daily snapshots"
    description = f"Daily snapshots are off unless SnapshotRetentionLimit is 1 to {MAX_RETENTION_DAYS} days."
    source_url = f"{SERVICE_GUIDE}/snapshots-automatic.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        # A parameter may allow 0; what counts is its default.
        for days, _ in node.usual("SnapshotRetentionLimit"):
            if days == ABSENT:
                yield finding(node, "SnapshotRetentionLimit is not set, so no daily snapshot is taken")
            elif whole_number(days) == 0:
                message = "SnapshotRetentionLimit is 0, so no daily snapshot is taken"
                yield finding(node, message, "SnapshotRetentionLimit")


class RetentionLimit(ClusterRule):
    id = "E9611"
    shortdesc = "MemoryDB snapshot retention is in range"
    description = f"SnapshotRetentionLimit is a number of days from 0 to {MAX_RETENTION_DAYS}."
    source_url = f"{SERVICE_GUIDE}/snapshots-automatic.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for days in _outside(node, "SnapshotRetentionLimit", 0, MAX_RETENTION_DAYS):
            message = f"{days} days: snapshots are kept for 0 to {MAX_RETENTION_DAYS}"
            yield finding(node, message, "SnapshotRetentionLimit")


class FinalSnapshot(ClusterRule):
    id = "E9616"
    shortdesc = "MemoryDB data outlives its cluster"
    description = (
        "Deleting a cluster deletes its automatic snapshots too. FinalSnapshotName, or the DeletionPolicy and "
        "UpdateReplacePolicy Retain, keep the data."
    )
    source_url = f"{SERVICE_GUIDE}/snapshots-final.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for snapshot, where in node.values("FinalSnapshotName"):
            if snapshot == ABSENT and False in _retained(where, *POLICIES):
                yield finding(node.whole(), "Deleting this cluster deletes its data: set FinalSnapshotName")


class StrandedNetwork(ClusterRule):
    id = "W9617"
    shortdesc = "A retained MemoryDB cluster does not strand its network"
    description = (
        "A retained cluster keeps its subnet group and security groups in use, so the deletion of a stack that also "
        "has those fails half-way."
    )
    source_url = CLUSTER_REFERENCE

    def findings(self, node: Node) -> Iterator[Finding]:
        if True not in _retained(node, *POLICIES):
            return
        names = [name for name, _ in node.values("SubnetGroupName")]
        values = [*names, *(item.value for item in node.items("SecurityGroupIds"))]
        used = {made.name for value in values for made in node.template.made_from(value) if made.kind == RESOURCE}
        stranded = {
            resource.logical_id
            for resource in node.template.resources(SUBNET_GROUP, SECURITY_GROUP)
            if resource.logical_id in used or any(resource.is_called(name, "SubnetGroupName") for name in names)
            if False in _retained(resource, "DeletionPolicy")
        }
        if stranded:
            message = f"The retained cluster keeps {', '.join(sorted(stranded))} from being deleted"
            yield finding(node.whole(), message)


def _retained(node: Node, *policies: str) -> set[bool]:
    """Whether the resource is retained: both where the policies can say either. Without one it is deleted.

    By AWS::LanguageExtensions a policy may be a Ref.
    """
    values = (value for policy in policies for value, _ in node.whole().usual(policy, default="Delete"))
    return {str(value).startswith("Retain") for value in values if is_known(value)}


class FixedName(LiteralNameRule):
    id = "W9612"
    shortdesc = "MemoryDB names are not literal"
    description = (
        "A literal name makes a replacement fail, because the old resource still has it, and forbids a second copy of "
        "the stack in the account. Derive it from AWS::StackId."
    )
    types = tuple(NAMES)
    source_url = f"{SERVICE_GUIDE}/quota-limits.html"
    names: ClassVar = {resource_type: (name, FINAL_SNAPSHOT[0]) for resource_type, (name, _) in NAMES.items()}


class LegalName(Rule):
    id = "E9613"
    shortdesc = "MemoryDB names are legal"
    description = (
        "Lower-case letters, digits and single hyphens, a letter first, no hyphen last; 40 characters for a cluster, "
        "ACL or user, 255 for a subnet group, parameter group or final snapshot."
    )
    types = tuple(NAMES)
    source_url = f"{SERVICE_GUIDE}/quota-limits.html"

    def findings(self, node: Node) -> Iterator[Finding]:
        for name, longest in (NAMES[node.type], FINAL_SNAPSHOT):
            for value, _ in node.values(name):
                if value == ABSENT or isinstance(value, (dict, list)):
                    continue
                length = len(known_part(value))
                if length > longest:
                    yield finding(node, f"'{value}' has {length} characters, over {longest}", name)
                # What is unknown is legal, as one letter is.
                elif value and not LEGAL_NAME.fullmatch(known_part(value, "a")):
                    message = f"'{value}' is not a name: lower-case letters, digits, single hyphens, a letter first"
                    yield finding(node, message, name)
