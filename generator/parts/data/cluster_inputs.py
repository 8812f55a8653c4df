"""The parameters of the cluster: engine, size, snapshots, maintenance.

Limits: MemoryDB API reference, CreateCluster; developer guide, "Quotas".
"""

from __future__ import annotations

from generator.template.inputs import Group

DATABASE, BACKUP = Group("Database"), Group("Backup and maintenance")

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

TWO_VCPUS = tuple(node for node in NODE_TYPES if node.startswith("db.t4g.") or node.endswith(".large"))
"""Those of `NODE_TYPES` that have two vCPUs; the others have at least four (MemoryDB pricing page, by node type)."""

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

ENGINE = DATABASE.choice(
    "Engine",
    ENGINES,
    default="redis",
    description="Redis OSS 7.1, or Valkey 7.2, which costs less. Choose before the first deployment: a cluster "
    "cannot go back from valkey to redis.",
    label="Engine",
)
NODE_TYPE = DATABASE.choice(
    "NodeType", NODE_TYPES, default="db.t4g.small", description="The size of each node.", label="Node type"
)
SHARDS = DATABASE.whole_number(
    "Shards",
    default=1,
    least=1,
    most=MAX_SHARDS,
    description="The number of shards that the keys are distributed over. You pay for Shards * (1 + "
    "ReplicasPerShard) nodes; the default quota is 90 nodes for a cluster.",
    label="Shards",
)
REPLICAS = DATABASE.whole_number(
    "ReplicasPerShard",
    default=1,
    least=0,
    most=MAX_REPLICAS,
    description="The number of replicas of each shard. With 0, the failure of a node means minutes of downtime.",
    label="Replicas per shard",
)
SNAPSHOT_DAYS = BACKUP.whole_number(
    "SnapshotRetentionDays",
    default=7,
    least=0,
    most=MAX_RETENTION_DAYS,
    description="How many days daily snapshots are kept; 0 takes none.",
    label="Days to keep daily snapshots",
)
SNAPSHOT_WINDOW = BACKUP.optional_text(
    "SnapshotWindow",
    f"{TIME}-{TIME}",
    form="a range such as 03:00-04:00",
    description="When the daily snapshot is taken, in UTC; at least one hour. Leave empty to let MemoryDB choose.",
    label="Snapshot window",
)
MAINTENANCE_WINDOW = BACKUP.optional_text(
    "MaintenanceWindow",
    f"{DAY}:{TIME}-{DAY}:{TIME}",
    form="a range such as sun:05:00-sun:06:00",
    description="When maintenance may take place, in UTC; at least one hour a week. Leave empty to let "
    "MemoryDB choose.",
    label="Maintenance window",
)
SNAPSHOT_NAME = BACKUP.optional_text(
    "SnapshotName",
    # Daily snapshots are called automatic.<cluster>-<date>.
    r"(automatic\.)?[a-z][a-z0-9]*(-[a-z0-9]+)*",
    form="the name of a snapshot: lower-case letters, digits and single hyphens, starting with a letter",
    description="A snapshot in this account and Region to create the cluster from. Only for a new stack: "
    "changing or clearing it later fails, because MemoryDB cannot load a snapshot into an existing "
    "cluster.",
    MaxLength=255,
    label="Snapshot to restore from",
)

ALL = (ENGINE, NODE_TYPE, SHARDS, REPLICAS, SNAPSHOT_DAYS, SNAPSHOT_WINDOW, MAINTENANCE_WINDOW, SNAPSHOT_NAME)
