"""The cluster and what only it needs: ACL, subnet group, security group, alarms.

Limits and names: MemoryDB API reference, CreateCluster, CreateACL; developer guide, "Quotas".
"""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import GetAtt, Output, Parameter, Sub, ec2
from troposphere import memorydb as aws_memorydb

from generator import contract
from generator.errors import TemplateError
from generator.parts.data.user import User
from generator.parts.names import stack_name_of
from generator.parts.network.network import Place, nowhere
from generator.parts.observability import MemoryDbAlarms, Notifications, memorydb_alarms, notifications
from generator.parts.permissions import KmsKey, kms_key
from generator.settings import Settings
from generator.template.elements import Condition, Input, Table, export, whole_number, why

GROUP = "Database"
BACKUP_GROUP = "Backup and maintenance"

NODE_TYPES = (
    "db.t4g.small",
    "db.t4g.medium",
    *(
        f"db.{family}.{size}"
        for family in ("r6g", "r7g")
        for size in ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge")
    ),
)
"""Node types without data tiering. The r6gd ones demand the property DataTiering, which cfn-lint rejects (E3012)."""

ENGINES = {
    "redis": {"Version": "7.1", "ParameterGroup": "default.memorydb-redis7"},
    "valkey": {"Version": "7.2", "ParameterGroup": "default.memorydb-valkey7"},
}

MAX_REPLICAS = 5
MAX_NODES = 500
# Shards times (1 + replicas) must stay within 500 and a template's rules cannot multiply, so the limit on shards is the
# one that holds with every number of replicas.
MAX_SHARDS = MAX_NODES // (1 + MAX_REPLICAS)

MAX_RETENTION_DAYS = 35
TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"
DAY = "(mon|tue|wed|thu|fri|sat|sun)"


@dataclass(frozen=True)
class ClusterInputs:
    """The parameters of the cluster."""

    engine: Input
    node_type: Input
    shards: Input
    replicas: Input
    snapshot_days: Input
    snapshot_window: Input
    maintenance_window: Input
    snapshot_name: Input


@dataclass(frozen=True)
class MemoryDB:
    """A cluster that only its users, and only the security groups that ask to, can reach."""

    inputs: ClusterInputs
    has_snapshot_window: Condition
    has_maintenance_window: Condition
    has_snapshot_name: Condition
    key: KmsKey
    engines: Table
    users: tuple[User, ...]
    acl: aws_memorydb.ACL
    subnet_group: aws_memorydb.SubnetGroup
    security_group: ec2.SecurityGroup
    cluster: aws_memorydb.Cluster
    notifications: Notifications
    alarms: MemoryDbAlarms
    security_group_export: Output
    endpoint_export: Output
    name_export: Output
    arn_export: Output


def memorydb(settings: Settings, place: Place, users: tuple[User, ...]) -> MemoryDB:
    """A cluster in `place` for `users`, with TLS, snapshots, alarms, and no way in before a compute layer opens one."""
    _check(users)
    inputs = _cluster_inputs()
    has_snapshot_window = inputs.snapshot_window.given("HasSnapshotWindow")
    has_maintenance_window = inputs.maintenance_window.given("HasMaintenanceWindow")
    has_snapshot_name = inputs.snapshot_name.given("HasSnapshotName")
    key = kms_key()
    engines = Table("Engines", ENGINES)
    acl = aws_memorydb.ACL(
        "Acl",
        Metadata=why("Only these users; without an ACL of its own the cluster would be open to everyone"),
        ACLName=stack_name_of("db"),
        UserNames=[user.user.ref() for user in users],
    )
    subnet_group = aws_memorydb.SubnetGroup(
        "SubnetGroup",
        Metadata=why("Private subnets only"),
        SubnetGroupName=stack_name_of("db"),
        SubnetIds=place.private_subnet_ids,
    )
    security_group = ec2.SecurityGroup(
        "MemoryDbSecurityGroup",
        Metadata=why("Closed until a compute stack adds a rule for its own security group; no outbound traffic"),
        GroupDescription=f"MemoryDB: takes {contract.MEMORYDB_PORT} from the groups of compute stacks, sends nothing",
        VpcId=place.vpc_id,
        SecurityGroupEgress=[nowhere()],
    )
    cluster = aws_memorydb.Cluster(
        "Cluster",
        Metadata=why(
            "Delete, not Retain: a retained cluster keeps its security group and VPC from being deleted. Automatic "
            "snapshots are deleted with a cluster; its final snapshot keeps the data"
        ),
        ClusterName=stack_name_of("db"),
        ACLName=acl.ref(),
        SubnetGroupName=subnet_group.ref(),
        SecurityGroupIds=[GetAtt(security_group, "GroupId")],
        Port=contract.MEMORYDB_PORT,
        TLSEnabled=True,
        Engine=inputs.engine.ref(),
        EngineVersion=engines.find(inputs.engine.ref(), "Version"),
        ParameterGroupName=engines.find(inputs.engine.ref(), "ParameterGroup"),
        NodeType=inputs.node_type.ref(),
        NumShards=inputs.shards.ref(),
        NumReplicasPerShard=inputs.replicas.ref(),
        AutoMinorVersionUpgrade=settings.auto_minor_version_upgrade,
        SnapshotRetentionLimit=inputs.snapshot_days.ref(),
        SnapshotWindow=has_snapshot_window.choose(inputs.snapshot_window.ref()),
        MaintenanceWindow=has_maintenance_window.choose(inputs.maintenance_window.ref()),
        SnapshotName=has_snapshot_name.choose(inputs.snapshot_name.ref()),
        FinalSnapshotName=stack_name_of(contract.FINAL_SNAPSHOT_LABEL),
        KmsKeyId=key.choose(key.arn.ref()),
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Delete",
    )
    notify = notifications()
    return MemoryDB(
        inputs=inputs,
        has_snapshot_window=has_snapshot_window,
        has_maintenance_window=has_maintenance_window,
        has_snapshot_name=has_snapshot_name,
        key=key,
        engines=engines,
        users=users,
        acl=acl,
        subnet_group=subnet_group,
        security_group=security_group,
        cluster=cluster,
        notifications=notify,
        alarms=memorydb_alarms(notify, cluster.ref()),
        security_group_export=export(
            contract.MEMORYDB_SECURITY_GROUP_ID,
            "The security group of the cluster, to which each compute stack adds its own rule.",
            GetAtt(security_group, "GroupId"),
        ),
        endpoint_export=export(
            contract.CLUSTER_ENDPOINT,
            "The endpoint of the cluster, as host:port.",
            Sub(f"${{{cluster.title}.ClusterEndpoint.Address}}:{contract.MEMORYDB_PORT}"),
        ),
        name_export=export(contract.CLUSTER_NAME, "The name of the cluster.", cluster.ref()),
        arn_export=export(contract.CLUSTER_ARN, "The ARN of the cluster.", GetAtt(cluster, "ARN")),
    )


def _check(users: tuple[User, ...]) -> None:
    """Raises TemplateError where MemoryDB would refuse what cfn-lint does not see."""
    if not users:
        raise TemplateError("A cluster needs at least one user: memorydb(settings, place, (user(),)).")
    names = [user.user.UserName.to_json() for user in users]
    if len(set(names)) < len(names):
        raise TemplateError("Two users have the same name: their prefixes must differ in more than capitals.")


def _cluster_inputs() -> ClusterInputs:
    return ClusterInputs(
        engine=Input(
            Parameter(
                "Engine",
                Type="String",
                Default="redis",
                AllowedValues=list(ENGINES),
                Description="Redis OSS 7.1, or Valkey 7.2, which costs less. Choose before the first deployment: a "
                "cluster cannot go back from valkey to redis.",
            ),
            group=GROUP,
            label="Engine",
        ),
        node_type=Input(
            Parameter(
                "NodeType",
                Type="String",
                Default="db.t4g.small",
                AllowedValues=list(NODE_TYPES),
                Description="The size of each node.",
            ),
            group=GROUP,
            label="Node type",
        ),
        shards=whole_number(
            "Shards",
            default=1,
            least=1,
            most=MAX_SHARDS,
            description="The number of shards that the keys are distributed over. You pay for Shards * (1 + "
            "ReplicasPerShard) nodes; the default quota is 90 nodes for a cluster.",
            group=GROUP,
            label="Shards",
        ),
        replicas=whole_number(
            "ReplicasPerShard",
            default=1,
            least=0,
            most=MAX_REPLICAS,
            description="The number of replicas of each shard. With 0, the failure of a node means minutes of "
            "downtime.",
            group=GROUP,
            label="Replicas per shard",
        ),
        snapshot_days=whole_number(
            "SnapshotRetentionDays",
            default=7,
            least=0,
            most=MAX_RETENTION_DAYS,
            description="How many days daily snapshots are kept; 0 takes none.",
            group=BACKUP_GROUP,
            label="Days to keep daily snapshots",
        ),
        snapshot_window=Input(
            Parameter(
                "SnapshotWindow",
                Type="String",
                Default="",
                AllowedPattern=f"^$|^{TIME}-{TIME}$",
                ConstraintDescription="Empty, or a range such as 03:00-04:00.",
                Description="When the daily snapshot is taken, in UTC; at least one hour. Leave empty to let MemoryDB "
                "choose.",
            ),
            group=BACKUP_GROUP,
            label="Snapshot window",
        ),
        maintenance_window=Input(
            Parameter(
                "MaintenanceWindow",
                Type="String",
                Default="",
                AllowedPattern=f"^$|^{DAY}:{TIME}-{DAY}:{TIME}$",
                ConstraintDescription="Empty, or a range such as sun:05:00-sun:06:00.",
                Description="When maintenance may take place, in UTC; at least one hour a week. Leave empty to let "
                "MemoryDB choose.",
            ),
            group=BACKUP_GROUP,
            label="Maintenance window",
        ),
        snapshot_name=Input(
            Parameter(
                "SnapshotName",
                Type="String",
                Default="",
                MaxLength=255,
                # Daily snapshots are called automatic.<cluster>-<date>.
                AllowedPattern=r"^$|^(automatic\.)?[a-z][a-z0-9]*(-[a-z0-9]+)*$",
                ConstraintDescription="Empty, or the name of a snapshot: lower-case letters, digits and single "
                "hyphens, starting with a letter.",
                Description="A snapshot in this account and Region to create the cluster from. Only for a new stack: "
                "changing or clearing it later fails, because MemoryDB cannot load a snapshot into an existing "
                "cluster.",
            ),
            group=BACKUP_GROUP,
            label="Snapshot to restore from",
        ),
    )
