"""Rules for AWS::MemoryDB::Cluster and for the names of all MemoryDB resources."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any, ClassVar

from cfnlint.jsonschema import ValidationError
from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.rules.jsonschema.CfnLintKeyword import CfnLintKeyword

CLUSTER = "AWS::MemoryDB::Cluster"
SERVICE_GUIDE = "https://docs.aws.amazon.com/memorydb/latest/devguide"
CLUSTER_REFERENCE = (
    "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-memorydb-cluster.html"
)

SIZES = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge")
TIERED = {f"db.r6gd.{size}" for size in ("xlarge", "2xlarge", "4xlarge", "8xlarge")}
NODE_TYPES = {
    "db.t4g.small",
    "db.t4g.medium",
    *(f"db.{family}.{size}" for family in ("r6g", "r7g") for size in SIZES),
    *TIERED,
}
VERSIONS = {"redis": ("6.2", "7.0", "7.1"), "valkey": ("7.2", "7.3")}
DEFAULT_ENGINE = "redis"
DEFAULT_SHARDS, DEFAULT_REPLICAS = 1, 1
MAX_REPLICAS = 5
MAX_NODES = 500
MAX_RETENTION_DAYS = 35

# Property that names the resource, and how long the name may be.
NAMES = {
    "AWS::MemoryDB::ACL": ("ACLName", 40),
    "AWS::MemoryDB::Cluster": ("ClusterName", 40),
    "AWS::MemoryDB::ParameterGroup": ("ParameterGroupName", 255),
    "AWS::MemoryDB::SubnetGroup": ("SubnetGroupName", 255),
    "AWS::MemoryDB::User": ("UserName", 40),
}
LEGAL_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def known(validator: Any, properties: dict[str, Any], name: str) -> Iterator[tuple[Any, Any]]:
    """Each value that a property can have, with the validator that knows what else then holds."""
    for value, narrowed, error in validator.resolve_value(properties.get(name)):
        if error is None and isinstance(value, (str, int, float)):
            yield value, narrowed


def first(validator: Any, properties: dict[str, Any], name: str, default: Any = None) -> tuple[Any, Any]:
    """What a property is unless somebody chooses otherwise; (None, validator) where only the deployment knows."""
    value = properties.get(name, default)
    otherwise = None
    if isinstance(value, dict) and "Ref" in value:
        parameter = validator.cfn.template.get("Parameters", {}).get(str(value["Ref"]))
        otherwise = parameter.get("Default") if isinstance(parameter, dict) else None
        if otherwise is None:
            return None, validator
    # cfn-lint does not tell a default of 0.
    return next(known(validator, {name: value}, name), (otherwise, validator))


def whole(value: Any) -> int | None:
    """A whole number, however it is written; None for what is none, which is cfn-lint's to say."""
    return int(str(value)) if re.fullmatch("-?[0-9]+", str(value)) else None


def problem(name: str, sentence: str) -> ValidationError:
    return ValidationError(sentence, path=deque([name]))


class ClusterRule:
    """A rule that is asked about the properties of every cluster."""

    tags: ClassVar = ["memorydb"]

    def __init__(self) -> None:
        CfnLintKeyword.__init__(self, [f"Resources/{CLUSTER}/Properties"])


class NodeType(ClusterRule, CfnLintKeyword):
    id = "E9608"
    shortdesc = "MemoryDB node type exists"
    description = "A node type that MemoryDB does not have, or an r6gd one without DataTiering, is refused at creation."
    source_url = f"{SERVICE_GUIDE}/nodes.supportedtypes.html"

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        for node_type, narrowed in known(validator, properties, "NodeType"):
            if node_type not in NODE_TYPES:
                yield problem("NodeType", f"MemoryDB has no node type {node_type!r}")
                continue
            tiered = [tiering for tiering, _narrowed in known(narrowed, properties, "DataTiering")]
            if node_type in TIERED and ("DataTiering" not in properties or "false" in tiered):
                yield problem("NodeType", f"Node type {node_type!r} demands DataTiering")
            elif node_type not in TIERED and "true" in tiered:
                yield problem("DataTiering", f"Node type {node_type!r} has no data tiering, only r6gd has")


class Engine(ClusterRule, CfnLintKeyword):
    id = "E9609"
    shortdesc = "MemoryDB engine, version and parameter group fit together"
    description = (
        "The engine is redis or valkey, the version one of that engine's, and a default parameter group that engine's."
    )
    source_url = f"{SERVICE_GUIDE}/engine-versions.html"

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        for engine, _narrowed in known(validator, properties, "Engine"):
            if str(engine).lower() not in VERSIONS:
                yield problem("Engine", f"MemoryDB has no engine {engine!r}, it has redis and valkey")
        for version, _narrowed in known(validator, properties, "EngineVersion"):
            if not any(str(version) in versions for versions in VERSIONS.values()):
                yield problem("EngineVersion", f"MemoryDB has no engine version {version!r}")
        engine, narrowed = first(validator, properties, "Engine", DEFAULT_ENGINE)
        version, narrowed = first(narrowed, properties, "EngineVersion")
        group, _narrowed = first(narrowed, properties, "ParameterGroupName")
        engine, version = str(engine).lower(), str(version)
        if any(version in versions for other, versions in VERSIONS.items() if other != engine in VERSIONS):
            yield problem(
                "EngineVersion", f"{version} is no version of {engine}, which has {', '.join(VERSIONS[engine])}"
            )
        default = re.fullmatch(r"default\.memorydb-([a-z]+)([0-9]+).*", str(group))
        if default and engine in VERSIONS and default.group(1) != engine:
            yield problem("ParameterGroupName", f"Parameter group {group!r} is not for {engine}")
        elif default and version[:1].isdigit() and default.group(2) != version[:1]:
            yield problem("ParameterGroupName", f"Parameter group {group!r} is not for version {version}")


class NodeCount(ClusterRule, CfnLintKeyword):
    id = "E9610"
    shortdesc = "MemoryDB shards and replicas are in range"
    description = (
        f"A shard has up to {MAX_REPLICAS} replicas, a cluster up to {MAX_NODES} nodes: shards times (1 + replicas)."
    )
    source_url = f"{SERVICE_GUIDE}/quota-limits.html"

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        for value, _narrowed in known(validator, properties, "NumShards"):
            number = whole(value)
            if number is not None and not 1 <= number <= MAX_NODES:
                yield problem("NumShards", f"{number} shards: a cluster has 1 to {MAX_NODES}")
        for value, _narrowed in known(validator, properties, "NumReplicasPerShard"):
            number = whole(value)
            if number is not None and not 0 <= number <= MAX_REPLICAS:
                yield problem("NumReplicasPerShard", f"{number} replicas: a shard has 0 to {MAX_REPLICAS}")
        value, narrowed = first(validator, properties, "NumShards", DEFAULT_SHARDS)
        other, _narrowed = first(narrowed, properties, "NumReplicasPerShard", DEFAULT_REPLICAS)
        shards, replicas = whole(value), whole(other)
        if shards is None or replicas is None or shards > MAX_NODES or replicas > MAX_REPLICAS:
            return
        nodes = shards * (1 + replicas)
        if nodes > MAX_NODES:
            yield problem("NumShards", f"{shards} shards with {replicas} replicas are {nodes} nodes, over {MAX_NODES}")


class Tls(ClusterRule, CfnLintKeyword):
    id = "E9614"
    shortdesc = "MemoryDB cluster uses TLS"
    description = "Without TLS the cluster takes no password either: MemoryDB then allows only the ACL open-access."
    source_url = f"{SERVICE_GUIDE}/in-transit-encryption.html"

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        for tls, _narrowed in known(validator, properties, "TLSEnabled"):
            if str(tls).lower() == "false":
                yield problem("TLSEnabled", "TLS is off, so whoever reaches the cluster reads and writes everything")


class OpenAccess(ClusterRule, CfnLintKeyword):
    id = "E9618"
    shortdesc = "MemoryDB cluster has an ACL of its own"
    description = "The built-in ACL open-access lets everybody in without a password, to every key and command."
    source_url = f"{SERVICE_GUIDE}/clusters.acls.html"

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        for acl, _narrowed in known(validator, properties, "ACLName"):
            if acl == "open-access":
                yield problem("ACLName", "The ACL open-access asks nobody for a password")


class Snapshots(ClusterRule, CfnLintKeyword):
    id = "W9615"
    shortdesc = "MemoryDB cluster takes daily snapshots"
    description = f"Daily snapshots are off unless SnapshotRetentionLimit is 1 to {MAX_RETENTION_DAYS} days."
    source_url = f"{SERVICE_GUIDE}/snapshots-automatic.html"

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        if "SnapshotRetentionLimit" not in properties:
            yield ValidationError("SnapshotRetentionLimit is not set, so no daily snapshot is taken")
            return
        # A parameter may allow 0; what counts is what it is unless somebody chooses otherwise.
        given = properties["SnapshotRetentionLimit"]
        is_parameter = isinstance(given, dict) and "Ref" in given
        values = [first(validator, properties, "SnapshotRetentionLimit")] if is_parameter else None
        for days, _narrowed in values or known(validator, properties, "SnapshotRetentionLimit"):
            if whole(days) == 0:
                yield problem("SnapshotRetentionLimit", "SnapshotRetentionLimit is 0, so no daily snapshot is taken")
                return


class RetentionLimit(ClusterRule, CfnLintKeyword):
    id = "E9611"
    shortdesc = "MemoryDB snapshot retention is in range"
    description = f"SnapshotRetentionLimit is a number of days from 0 to {MAX_RETENTION_DAYS}."
    source_url = f"{SERVICE_GUIDE}/snapshots-automatic.html"

    def validate(self, validator: Any, _: Any, properties: Any, __: Any) -> Iterator[ValidationError]:
        for value, _narrowed in known(validator, properties, "SnapshotRetentionLimit"):
            days = whole(value)
            if days is not None and not 0 <= days <= MAX_RETENTION_DAYS:
                yield problem(
                    "SnapshotRetentionLimit", f"{days} days: snapshots are kept for 0 to {MAX_RETENTION_DAYS}"
                )


class FinalSnapshot(CloudFormationLintRule):
    id = "E9616"
    shortdesc = "MemoryDB data outlives its cluster"
    description = (
        "Deleting a cluster deletes its automatic snapshots too. FinalSnapshotName, or the DeletionPolicy Retain, "
        "keeps the data."
    )
    source_url = f"{SERVICE_GUIDE}/snapshots-final.html"
    tags: ClassVar = ["memorydb"]

    def match(self, cfn: Any) -> list[RuleMatch]:
        return [
            RuleMatch(["Resources", logical_id], "Deleting this cluster deletes its data: set FinalSnapshotName")
            for logical_id, resource in cfn.get_resources(CLUSTER).items()
            if _loses(resource.get("Properties")) and not all(_retains(resource, policy) for policy in POLICIES)
        ]


class StrandedNetwork(CloudFormationLintRule):
    id = "W9617"
    shortdesc = "A retained MemoryDB cluster does not strand its network"
    description = (
        "A cluster that stays behind keeps its subnet group and security groups in use, so the deletion of a stack "
        "that also holds those fails half-way."
    )
    source_url = CLUSTER_REFERENCE
    tags: ClassVar = ["memorydb"]

    def match(self, cfn: Any) -> list[RuleMatch]:
        network = {
            logical_id
            for resource_type in ("AWS::MemoryDB::SubnetGroup", "AWS::EC2::SecurityGroup")
            for logical_id, resource in cfn.get_resources(resource_type).items()
            if not _retains(resource, "DeletionPolicy")
        }
        found = []
        for logical_id, resource in cfn.get_resources(CLUSTER).items():
            if not any(_retains(resource, policy) for policy in POLICIES):
                continue
            uses = str(resource.get("Properties"))
            stranded = sorted(name for name in network if f"'{name}'" in uses or f"{{{name}" in uses)
            if stranded:
                found.append(
                    RuleMatch(
                        ["Resources", logical_id],
                        f"The retained cluster keeps {', '.join(stranded)} from being deleted",
                    )
                )
        return found


POLICIES = ("DeletionPolicy", "UpdateReplacePolicy")


def _retains(resource: dict[str, Any], policy: str) -> bool:
    return str(resource.get(policy)).startswith("Retain")


def _loses(properties: Any) -> bool:
    """Whether a cluster's properties name no final snapshot, on some side of a condition; unknown counts as named."""
    if not isinstance(properties, dict):
        return properties is None
    if "Fn::If" in properties:
        branches = properties["Fn::If"]
        return isinstance(branches, list) and any(_loses(branch) for branch in branches[1:])
    return "Fn::Transform" not in properties and _absent(properties.get("FinalSnapshotName"))


def _absent(value: Any) -> bool:
    if isinstance(value, dict) and isinstance(value.get("Fn::If"), list):
        return any(_absent(branch) for branch in value["Fn::If"][1:])
    return value is None or value == {"Ref": "AWS::NoValue"}


class NameRule:
    """A rule that is asked about the properties of every MemoryDB resource that has a name."""

    tags: ClassVar = ["memorydb"]
    source_url = f"{SERVICE_GUIDE}/quota-limits.html"

    def __init__(self) -> None:
        CfnLintKeyword.__init__(self, [f"Resources/{resource_type}/Properties" for resource_type in NAMES])


class FixedName(NameRule, CfnLintKeyword):
    id = "W9612"
    shortdesc = "MemoryDB names are not literal"
    description = (
        "A literal name makes a replacement fail, because the old resource still has it, and forbids a second copy of "
        "the stack in the account. Derive it from AWS::StackId."
    )

    def validate(self, validator: Any, keyword: Any, properties: Any, _: Any) -> Iterator[ValidationError]:
        name, _longest = NAMES[str(keyword).split("/")[1]]
        for property_name in (name, "FinalSnapshotName"):
            value = properties.get(property_name)
            literal = value.get("Fn::Sub") if isinstance(value, dict) else value
            if isinstance(literal, str) and "${" not in literal:
                yield problem(
                    property_name, f"The literal name {literal!r} stands in the way of a replacement and a second copy"
                )


class LegalName(NameRule, CfnLintKeyword):
    id = "E9613"
    shortdesc = "MemoryDB names are legal"
    description = (
        "Lower-case letters, digits and single hyphens, a letter first, no hyphen last; 40 characters for a cluster, "
        "ACL or user, 255 for a subnet group or parameter group."
    )

    def validate(self, validator: Any, keyword: Any, properties: Any, _: Any) -> Iterator[ValidationError]:
        name, longest = NAMES[str(keyword).split("/")[1]]
        for value, _narrowed in known(validator, properties, name):
            if len(str(value)) > longest:
                yield problem(name, f"{value!r} has {len(str(value))} characters, over {longest}")
            elif not LEGAL_NAME.fullmatch(str(value)):
                yield problem(name, f"{value!r} is no name: lower-case letters, digits, single hyphens, a letter first")
