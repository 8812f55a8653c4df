"""In which Regions a layer can be deployed, and in which Availability Zones its subnets stand."""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import AWSHelperFn, Ref, Region, Select, Split

from generator.regions import ECS_REGIONS, ECS_ZONE_IDS, REGIONS, ZONE_IDS
from generator.settings import Settings
from generator.template.elements import Mapping, Rule, contains
from generator.template.inputs import Group, OptionalInput

NETWORK_GROUP = Group("Network")


@dataclass(frozen=True)
class ZoneChoice:
    """The Availability Zones: pinned for each Region, or those that the parameter ZoneIds names."""

    zone_ids: OptionalInput
    pinned: Mapping

    def zone_id(self, index: int) -> AWSHelperFn:
        """The ID of zone `index`, counted from 0."""
        chosen = self.zone_ids.choose(self.zone_ids.ref(), self.pinned.find(Region, "ZoneIds"))
        return Select(index, Split(",", chosen))


def zone_choice(settings: Settings) -> ZoneChoice:
    """The choice of as many zones as `settings` say, of those that MemoryDB and the compute support."""
    count = settings.zones
    if settings.task_endpoints == "none":
        mapping, zones_of = "ZonesOfRegionsWithAppRunner", ZONE_IDS
        known = "MemoryDB is known to support. Set it if App Runner refuses one of those."
    else:
        mapping, zones_of = "ZonesOfRegionsWithEcsExpress", ECS_ZONE_IDS
        known = "MemoryDB and AWS Fargate are known to support."
    zone_id = "[a-z]{2,4}[0-9]-az[0-9]{1,2}"
    zone_ids = NETWORK_GROUP.optional_text(
        "ZoneIds",
        f"{zone_id}(,{zone_id}){{{count - 1}}}",
        form=f"{count} zone IDs separated by commas, such as {','.join(ZONE_IDS['us-east-1'][:count])}",
        description=f"The {count} Availability Zones to use, as zone IDs separated by commas. Leave empty to use "
        f"zones that {known} Only for a new stack: subnets cannot move to another zone.",
        label="Availability Zone IDs",
    )
    return ZoneChoice(
        zone_ids=zone_ids,
        pinned=Mapping(
            mapping,
            {region: {"ZoneIds": ",".join(ids[:count])} for region, ids in zones_of.items() if len(ids) >= count},
        ),
    )


def supported_region(settings: Settings = Settings()) -> Rule:
    """Fails early, with a message, in a Region that lacks MemoryDB, or the compute that the layers are for."""
    if settings.task_endpoints == "none":
        return _region_rule("RegionHasAppRunnerAndMemoryDb", "AWS App Runner is", REGIONS)
    regions = tuple(region for region in ECS_REGIONS if len(ECS_ZONE_IDS[region]) >= settings.zones)
    lacking = "Amazon MemoryDB, or a zone that it and AWS Fargate both take, is"
    return _region_rule("RegionHasEcsExpressAndMemoryDb", lacking, regions)


def _region_rule(name: str, lacking: str, regions: tuple[str, ...]) -> Rule:
    return Rule(
        name,
        # Ref of a pseudo parameter in a rule: not in the reference's text, but in use, for instance
        # https://connorkirkpatrick.com/2022/01/20/cloudformation-rules
        contains(list(regions), Ref("AWS::Region")),
        f"{lacking} not available in this Region. Choose one of {', '.join(regions)}.",
    )
