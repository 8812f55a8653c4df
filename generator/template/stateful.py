"""Which resources hold data: what is lost when the resource is deleted or replaced, and no template can create again.

Standard library only, so that a deployment needs no cfn-lint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.template.resources import resources_in

HOLDS_DATA = "HoldsData"
"""The key of a resource's Metadata that says, with true or false, whether it holds data, whatever its type."""

_TYPES = """\
AWS::APS::Workspace AWS::Backup::BackupVault AWS::Backup::LogicallyAirGappedBackupVault AWS::Cassandra::Keyspace
AWS::Cassandra::Table AWS::CloudFormation::Stack AWS::CloudFront::KeyValueStore AWS::CloudTrail::EventDataStore
AWS::CodeArtifact::Domain AWS::CodeArtifact::Repository AWS::CodeCommit::Repository AWS::Cognito::IdentityPool
AWS::Cognito::UserPool AWS::DSQL::Cluster AWS::DocDB::DBCluster AWS::DocDB::DBInstance AWS::DocDB::GlobalCluster
AWS::DocDBElastic::Cluster AWS::DynamoDB::GlobalTable AWS::DynamoDB::Table AWS::EC2::Instance AWS::EC2::Volume
AWS::ECR::PublicRepository AWS::ECR::Repository AWS::EFS::FileSystem AWS::EMR::Cluster
AWS::ElastiCache::CacheCluster AWS::ElastiCache::ReplicationGroup AWS::ElastiCache::ServerlessCache
AWS::Elasticsearch::Domain AWS::FSx::FileSystem AWS::FSx::Volume AWS::HealthImaging::Datastore
AWS::HealthLake::FHIRDatastore AWS::KMS::Key AWS::KMS::ReplicaKey AWS::Kendra::Index AWS::Kinesis::Stream
AWS::KinesisVideo::Stream AWS::Lightsail::Bucket AWS::Lightsail::Database AWS::Lightsail::Disk
AWS::Lightsail::Instance AWS::MSK::Cluster AWS::MSK::ServerlessCluster AWS::MSK::Topic AWS::MemoryDB::Cluster
AWS::MemoryDB::MultiRegionCluster AWS::Neptune::DBCluster AWS::Neptune::DBInstance AWS::Neptune::GlobalCluster
AWS::NeptuneGraph::Graph AWS::OpenSearchServerless::Collection AWS::OpenSearchService::Domain
AWS::Organizations::Account AWS::PaymentCryptography::Key AWS::QLDB::Ledger AWS::RDS::DBCluster
AWS::RDS::DBInstance AWS::RDS::GlobalCluster AWS::Redshift::Cluster AWS::RedshiftServerless::Namespace
AWS::Route53::HostedZone AWS::S3::Bucket AWS::S3Express::DirectoryBucket AWS::S3Outposts::Bucket
AWS::S3Tables::Namespace AWS::S3Tables::Table AWS::S3Tables::TableBucket AWS::S3Vectors::Index
AWS::S3Vectors::VectorBucket AWS::SDB::Domain AWS::SQS::Queue AWS::SecretsManager::Secret
AWS::Timestream::Database AWS::Timestream::InfluxDBCluster AWS::Timestream::InfluxDBInstance
AWS::Timestream::Table AWS::VerifiedPermissions::PolicyStore AWS::WorkSpaces::Workspace
"""
STATEFUL = frozenset(_TYPES.split())
"""The types that hold data: cfn-lint's StatefulResources.json, which a test compares, but for log groups, whose entries
expire anyway, and further ones by the services' own guides. HoldsData marks a log that has to stay."""


def is_stateful(resource_type: str) -> bool:
    """Whether resources of that type hold data.

    >>> is_stateful("AWS::DynamoDB::Table"), is_stateful("AWS::IAM::Role")
    (True, False)
    """
    return resource_type in STATEFUL


def holds_data(resource: Mapping[str, Any]) -> bool:
    """Whether a resource, as it is in a template, holds data: what its Metadata say, or else its type.

    >>> holds_data({"Type": "Custom::Ledger", "Metadata": {"HoldsData": True}})
    True
    """
    metadata = resource.get("Metadata")
    marked = metadata.get(HOLDS_DATA) if isinstance(metadata, Mapping) else None
    # Templates that pass through the console or YAML may have it as text.
    if marked is not None:
        return str(marked).lower() == "true"
    return is_stateful(str(resource.get("Type", "")))


def data_resources(template: Mapping[str, Any]) -> dict[str, str]:
    """The type of each resource of a template that holds data, by logical ID; Fn::ForEach's as they are written.

    >>> data_resources({"Resources": {"Orders": {"Type": "AWS::DynamoDB::Table"}, "Role": {"Type": "AWS::IAM::Role"}}})
    {'Orders': 'AWS::DynamoDB::Table'}
    """
    return {name: body["Type"] for name, body in resources_in(template) if holds_data(body)}
