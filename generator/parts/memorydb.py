"""The cluster and everything that only it needs: users, ACL, subnet group, security group, alarms.

Limits and names: MemoryDB API reference, CreateCluster, CreateUser, CreateACL; developer guide, "Quotas".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from troposphere import (
    AWSHelperFn,
    Equals,
    GetAtt,
    Join,
    Not,
    Output,
    Parameter,
    Select,
    Split,
    StackId,
    Sub,
    ec2,
    secretsmanager,
)
from troposphere import memorydb as aws_memorydb

from generator import contract
from generator.errors import TemplateError
from generator.parts.access import KmsKey, kms_key
from generator.parts.authentication import Authentication, authentication
from generator.parts.network import Place, nowhere
from generator.parts.observability import MemoryDbAlarms, Notifications, memorydb_alarms, notifications
from generator.settings import Settings
from generator.template import Condition, Input, Table, export, why

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

PASSWORD_LENGTH = 64
# MemoryDB names have 40 characters, a stack's ID without hyphens 32; one hyphen stands between.
MAX_LABEL = 7

TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"
DAY = "(mon|tue|wed|thu|fri|sat|sun)"


@dataclass(frozen=True)
class User:
    """A MemoryDB user, with a generated password unless it logs in with IAM, and what its service needs as exports."""

    authentication: Authentication
    key: KmsKey
    password: secretsmanager.Secret
    user: aws_memorydb.User
    name_export: Output
    arn_export: Output
    password_export: Output


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


def user(
    prefix: str = "",
    *,
    keys: str = contract.USER_KEYS,
    commands: tuple[str, ...] = contract.USER_COMMANDS,
) -> User:
    """A user that may run `commands` (such as "hset", "cluster|slots") on the keys of one pattern, and nothing else.

    Raises TemplateError when `prefix` is longer than the 7 characters that a MemoryDB name has left for it.
    """
    login = authentication()
    key = kms_key()
    password = secretsmanager.Secret(
        f"{prefix}PasswordSecret",
        Metadata=why("Generated here, read by reference only; outlives the stack, like the final snapshot"),
        Condition=login.uses_password.name,
        Description=f"The password of the MemoryDB user that serves {keys}.",
        # Letters and digits only: MemoryDB refuses , " / and @ in a password.
        GenerateSecretString=secretsmanager.GenerateSecretString(
            PasswordLength=PASSWORD_LENGTH, ExcludePunctuation=True
        ),
        KmsKeyId=key.choose(key.arn.ref()),
        DeletionPolicy="RetainExceptOnCreate",
        UpdateReplacePolicy="Retain",
    )
    memorydb_user = aws_memorydb.User(
        f"{prefix}MemoryDbUser",
        Metadata=why("What its service runs, on its own keys, and no more"),
        UserName=stack_name_of(prefix.lower() or "user"),
        AccessString=access_string(keys, commands),
        AuthenticationMode=login.with_password(
            aws_memorydb.AuthenticationMode(
                Type=contract.PASSWORD,
                Passwords=[Sub(f"{{{{resolve:secretsmanager:${{{password.title}}}:SecretString:::}}}}")],
            ),
            aws_memorydb.AuthenticationMode(Type=contract.IAM),
        ),
    )
    return User(
        login,
        key,
        password,
        memorydb_user,
        export(prefix + contract.USER_NAME, "The MemoryDB user.", memorydb_user.ref()),
        export(prefix + contract.USER_ARN, "The ARN of the MemoryDB user.", GetAtt(memorydb_user, "Arn")),
        export(
            prefix + contract.PASSWORD_SECRET_ARN,
            "The ARN of the secret whose whole string is the password.",
            password.ref(),
            when=login.uses_password,
        ),
    )


def access_string(keys: str, commands: tuple[str, ...]) -> str:
    """The Redis ACL rules for `commands` on `keys`: on, those keys, nothing, then command by command.

    Raises TemplateError for a pattern with a space, or a command that is a category or no command at all.
    """
    if not re.fullmatch(r"\S+", keys):
        raise TemplateError(f"{keys!r} is no pattern of keys, such as user:*.")
    for command in commands:
        if not re.fullmatch(r"[a-z][a-z0-9._-]*(\|[a-z0-9-]+)?", command):
            raise TemplateError(f"{command!r} is no command, such as hset or cluster|slots.")
    return " ".join(["on", f"~{keys}", "-@all", *(f"+{command}" for command in commands)])


def stack_name_of(label: str) -> AWSHelperFn:
    """A MemoryDB name, `label` and the stack's own ID, so that two copies of a stack never collide.

    Raises TemplateError when the name could be illegal: letters and digits, starting with a letter, 40 at most.
    """
    if not re.fullmatch(rf"[a-z][a-z0-9]{{0,{MAX_LABEL - 1}}}", label):
        raise TemplateError(
            f"The prefix {label!r} cannot name a MemoryDB resource: it needs 1 to {MAX_LABEL} letters and digits, a "
            "letter first, because a MemoryDB name has 40 characters and the stack's ID takes 33 of them."
        )
    return Sub(f"{label}-${{Id}}", Id=Join("", Split("-", Select(2, Split("/", StackId)))))


def memorydb(settings: Settings, place: Place, users: tuple[User, ...]) -> MemoryDB:
    """A cluster in `place` for `users`, with TLS, snapshots, alarms, and no way in before a compute layer opens one."""
    _check(users)
    inputs = _cluster_inputs()
    has_snapshot_window = _given("HasSnapshotWindow", inputs.snapshot_window)
    has_maintenance_window = _given("HasMaintenanceWindow", inputs.maintenance_window)
    has_snapshot_name = _given("HasSnapshotName", inputs.snapshot_name)
    key = kms_key()
    engines = Table("Engines", ENGINES)
    acl = aws_memorydb.ACL(
        "Acl",
        Metadata=why("Only these users; without an ACL of its own the cluster would be open"),
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
        Metadata=why("Closed until a compute stack adds a rule for its own group; sends nothing"),
        GroupDescription=f"MemoryDB: takes {contract.MEMORYDB_PORT} from the groups of compute stacks, sends nothing",
        VpcId=place.vpc_id,
        SecurityGroupEgress=[nowhere()],
    )
    cluster = aws_memorydb.Cluster(
        "Cluster",
        Metadata=why(
            "Delete, not Retain: a retained cluster strands its groups and VPC, and automatic snapshots die with it; "
            "the final snapshot is what stays"
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
        inputs,
        has_snapshot_window,
        has_maintenance_window,
        has_snapshot_name,
        key,
        engines,
        users,
        acl,
        subnet_group,
        security_group,
        cluster,
        notify,
        memorydb_alarms(notify, cluster.ref()),
        export(
            contract.MEMORYDB_SECURITY_GROUP_ID,
            "The security group to which a compute stack adds its own rule.",
            GetAtt(security_group, "GroupId"),
        ),
        export(
            contract.CLUSTER_ENDPOINT,
            "The cluster's endpoint, host:port.",
            Sub(f"${{{cluster.title}.ClusterEndpoint.Address}}:{contract.MEMORYDB_PORT}"),
        ),
        export(contract.CLUSTER_NAME, "The cluster.", cluster.ref()),
        export(contract.CLUSTER_ARN, "The ARN of the cluster.", GetAtt(cluster, "ARN")),
    )


def _check(users: tuple[User, ...]) -> None:
    """Raises TemplateError where MemoryDB would refuse what cfn-lint does not see."""
    if not users:
        raise TemplateError("A cluster needs at least one user: memorydb(settings, place, (user(),)).")
    names = [user.user.UserName.to_json() for user in users]
    if len(set(names)) < len(names):
        raise TemplateError("Two users have the same name: their prefixes must differ in more than capitals.")


def _given(name: str, value: Input) -> Condition:
    return Condition(name, Not(Equals(value.ref(), "")))


def _cluster_inputs() -> ClusterInputs:
    return ClusterInputs(
        engine=Input(
            Parameter(
                "Engine",
                Type="String",
                Default="redis",
                AllowedValues=list(ENGINES),
                Description="Redis OSS 7.1 or Valkey 7.2, which is cheaper. Choose before the first deployment: "
                "valkey cannot become redis again.",
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
        shards=Input(
            Parameter(
                "Shards",
                Type="Number",
                Default=1,
                MinValue=1,
                MaxValue=MAX_SHARDS,
                ConstraintDescription=f"A whole number from 1 to {MAX_SHARDS}.",
                Description="How many shards the keys are spread over. Shards times (1 + replicas) are the nodes paid "
                "for; an account starts with a quota of 90 a cluster.",
            ),
            group=GROUP,
            label="Shards",
        ),
        replicas=Input(
            Parameter(
                "ReplicasPerShard",
                Type="Number",
                Default=1,
                MinValue=0,
                MaxValue=MAX_REPLICAS,
                ConstraintDescription=f"A whole number from 0 to {MAX_REPLICAS}.",
                Description="How many replicas each shard has. With 0, a failed node means minutes without an answer.",
            ),
            group=GROUP,
            label="Replicas per shard",
        ),
        snapshot_days=Input(
            Parameter(
                "SnapshotRetentionDays",
                Type="Number",
                Default=7,
                MinValue=0,
                MaxValue=35,
                ConstraintDescription="A whole number from 0 to 35.",
                Description="For how many days a daily snapshot is kept; 0 takes none.",
            ),
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
                Description="When the daily snapshot starts, in UTC, at least an hour. Leave empty for MemoryDB's "
                "choice.",
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
                Description="When maintenance may happen, in UTC, at least an hour a week. Leave empty for MemoryDB's "
                "choice.",
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
                ConstraintDescription="Empty, or a snapshot's name: lower-case letters, digits, single hyphens, a "
                "letter first.",
                Description="A snapshot of this account and Region to create the cluster from. Only for a new stack: "
                "changing or clearing it later fails, since MemoryDB cannot load a snapshot into a cluster.",
            ),
            group=BACKUP_GROUP,
            label="Snapshot to restore from",
        ),
    )
