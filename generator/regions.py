"""Which Regions a template is for, and in which Availability Zones its subnets may stand.

Sources, read 2026-11: the App Runner endpoints page of the AWS General Reference (Regions); the MemoryDB
developer guide, "Subnets and subnet groups" (zone IDs); the Amazon ECS developer guide, "Supported Regions for Amazon
ECS on AWS Fargate" (zones without Fargate). Zone IDs name the same place in every account, zone names such as
us-east-1a do not.
"""

from __future__ import annotations

ZONE_IDS: dict[str, tuple[str, ...]] = {
    "ap-northeast-1": ("apne1-az1", "apne1-az2", "apne1-az4"),
    "ap-south-1": ("aps1-az1", "aps1-az2", "aps1-az3"),
    "ap-southeast-1": ("apse1-az1", "apse1-az2", "apse1-az3"),
    "ap-southeast-2": ("apse2-az1", "apse2-az2", "apse2-az3"),
    "eu-central-1": ("euc1-az1", "euc1-az2", "euc1-az3"),
    "eu-west-1": ("euw1-az1", "euw1-az2", "euw1-az3"),
    "eu-west-2": ("euw2-az1", "euw2-az2", "euw2-az3"),
    "eu-west-3": ("euw3-az1", "euw3-az2", "euw3-az3"),
    "us-east-1": ("use1-az1", "use1-az2", "use1-az4", "use1-az5", "use1-az6"),
    "us-east-2": ("use2-az1", "use2-az2", "use2-az3"),
    "us-west-2": ("usw2-az1", "usw2-az2", "usw2-az3", "usw2-az4"),
}
"""Region with App Runner and MemoryDB to the zone IDs that MemoryDB takes, in the order in which they are used."""

REGIONS = tuple(ZONE_IDS)

# The partition aws only. me-south-1 has both services too, but MemoryDB's page names no zone IDs there.
ECS_ZONE_IDS: dict[str, tuple[str, ...]] = dict(
    sorted(
        {
            **ZONE_IDS,
            "ap-east-1": ("ape1-az1", "ape1-az2", "ape1-az3"),
            "ap-northeast-2": ("apne2-az1", "apne2-az2", "apne2-az3"),
            "ca-central-1": ("cac1-az1", "cac1-az2", "cac1-az4"),
            "eu-north-1": ("eun1-az1", "eun1-az2", "eun1-az3"),
            "eu-south-1": ("eus1-az1", "eus1-az2", "eus1-az3"),
            "eu-south-2": ("eus2-az1", "eus2-az2", "eus2-az3"),
            "sa-east-1": ("sae1-az1", "sae1-az2", "sae1-az3"),
            # MemoryDB takes usw1-az2 as well, Fargate does not.
            "us-west-1": ("usw1-az1", "usw1-az3"),
        }.items()
    )
)
"""Region with ECS Express Mode and MemoryDB to the zone IDs that both MemoryDB and Fargate take."""

ECS_REGIONS = tuple(ECS_ZONE_IDS)
