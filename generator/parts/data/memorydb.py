"""The cluster and what only it needs: ACL, subnet group, security group, alarms.

Names: MemoryDB API reference, CreateCluster, CreateACL.
"""

from __future__ import annotations

from collections.abc import Sequence

from troposphere import GetAtt, Output, Sub, ec2
from troposphere import memorydb as aws_memorydb

from generator import contract
from generator.errors import TemplateError
from generator.parts.data import cluster_inputs as inputs
from generator.parts.data.observability import memorydb_alarms
from generator.parts.data.user import User
from generator.parts.encryption import kms_key
from generator.parts.names import physical_name
from generator.parts.network.security_groups import security_group
from generator.parts.observability import notifications
from generator.settings import Settings
from generator.template.elements import Mapping, Part, export, why
from generator.workload import Place


def memorydb(settings: Settings, place: Place, users: Sequence[User]) -> Part:
    """A cluster in `place` for `users`, with TLS, snapshots, alarms, and no way in before a compute layer opens one."""
    _check(users)
    key = kms_key()
    engines = Mapping("Engines", inputs.ENGINES)
    acl = aws_memorydb.ACL(
        "Acl",
        Metadata=why("Only these users; without an ACL of its own the cluster would be open to everyone"),
        ACLName=physical_name("db"),
        UserNames=[user.user.ref() for user in users],
    )
    subnet_group = aws_memorydb.SubnetGroup(
        "SubnetGroup",
        Metadata=why("Private subnets only"),
        SubnetGroupName=physical_name("db"),
        SubnetIds=place.private_subnet_ids,
    )
    group = security_group(
        "MemoryDbSecurityGroup",
        "Closed until a compute stack adds a rule for its own group; no egress",
        f"MemoryDB: takes {contract.MEMORYDB_PORT} from the groups of compute stacks, sends nothing",
        place.vpc_id,
    )
    cluster = aws_memorydb.Cluster(
        "Cluster",
        Metadata=why(
            "Delete, not Retain: a retained cluster keeps its security group and VPC from being deleted. Automatic "
            "snapshots are deleted with a cluster; its final snapshot keeps the data"
        ),
        ClusterName=physical_name("db"),
        ACLName=acl.ref(),
        SubnetGroupName=subnet_group.ref(),
        SecurityGroupIds=[GetAtt(group, "GroupId")],
        Port=contract.MEMORYDB_PORT,
        TLSEnabled=True,
        Engine=inputs.ENGINE.ref(),
        EngineVersion=engines.find(inputs.ENGINE.ref(), "Version"),
        ParameterGroupName=engines.find(inputs.ENGINE.ref(), "ParameterGroup"),
        NodeType=inputs.NODE_TYPE.ref(),
        NumShards=inputs.SHARDS.ref(),
        NumReplicasPerShard=inputs.REPLICAS.ref(),
        AutoMinorVersionUpgrade=settings.auto_minor_version_upgrade,
        SnapshotRetentionLimit=inputs.SNAPSHOT_DAYS.ref(),
        SnapshotWindow=inputs.SNAPSHOT_WINDOW.value(),
        MaintenanceWindow=inputs.MAINTENANCE_WINDOW.value(),
        SnapshotName=inputs.SNAPSHOT_NAME.value(),
        FinalSnapshotName=physical_name(contract.FINAL_SNAPSHOT_LABEL),
        KmsKeyId=key.value(),
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Delete",
    )
    notify = notifications()
    return (
        inputs.ALL,
        key,
        engines,
        tuple(users),
        acl,
        subnet_group,
        group,
        cluster,
        notify,
        memorydb_alarms(notify, cluster.ref(), inputs.NODE_TYPE),
        _exports(cluster, group),
    )


def _exports(cluster: aws_memorydb.Cluster, group: ec2.SecurityGroup) -> tuple[Output, ...]:
    return (
        export(
            contract.MEMORYDB_SECURITY_GROUP_ID,
            "The security group of the cluster, to which each compute stack adds its own rule.",
            GetAtt(group, "GroupId"),
        ),
        export(
            contract.CLUSTER_ENDPOINT,
            "The endpoint of the cluster, as host:port.",
            Sub(f"${{{cluster.title}.ClusterEndpoint.Address}}:{contract.MEMORYDB_PORT}"),
        ),
        export(contract.CLUSTER_NAME, "The name of the cluster.", cluster.ref()),
        export(contract.CLUSTER_ARN, "The ARN of the cluster.", GetAtt(cluster, "ARN")),
    )


def _check(users: Sequence[User]) -> None:
    """Raises TemplateError where MemoryDB would refuse what cfn-lint does not see."""
    if not users:
        raise TemplateError("A cluster needs at least one user: memorydb(settings, place, (user(),)).")
    names = [user.user.UserName.to_json() for user in users]
    if len(set(names)) < len(names):
        raise TemplateError("Two users have the same name: their prefixes must differ in more than capitals.")
