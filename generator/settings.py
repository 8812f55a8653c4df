"""The choices of shape: what a template consists of, made in Python before it is emitted.

Values that a console user sets at deploy time are parameters of the templates instead.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from ipaddress import IPv4Network
from typing import Literal, get_args

from generator.errors import SettingsError

Spread = Literal["none", "one", "per-zone"]

ZONES = (2, 3)
VPC_PREFIX_LENGTHS = (16, 24)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the templates are made of. Every field has the default of the committed templates.

    zones: Availability Zones to spread over, 2 or 3. While a service imports the subnets, CloudFormation refuses to
        change their number.
    nat: NAT gateways for calls to the internet. "none" suffices for MemoryDB alone: App Runner fetches
        image, secret and logs outside the VPC. "one" or "per-zone" adds public subnets for them.
    vpc_cidr: the IPv4 block of the VPC, /16 to /24. It is cut into eight equal blocks, three private
        and three public, so changing `zones` or `nat` later moves no subnet.
    flow_logs: whether the VPC's traffic is logged to CloudWatch Logs.
    private_ingress: whether the service is reachable from inside the VPC only.
    task_endpoints: whether tasks of Amazon ECS may run in this VPC, which an ECS Express layer needs. "one" or
        "per-zone" adds interface endpoints, in the first zone or in each, for the tasks' image, password and log, and,
        unless `private_ingress`, public subnets: an internet-facing load balancer stands where its tasks do.
    auto_minor_version_upgrade: whether MemoryDB may upgrade the engine's minor version. A shape and not a
        parameter because MemoryDB accepts it at creation only (AWS::MemoryDB::Cluster).

    Raises SettingsError for a value of the wrong type or outside its range.

    >>> Settings(zones=3, nat="one").zones
    3
    >>> Settings(zones=4)
    Traceback (most recent call last):
    generator.errors.SettingsError: Settings.zones is 4, but it must be 2 or 3.
    """

    zones: int = 2
    nat: Spread = "none"
    vpc_cidr: str = "10.0.0.0/16"
    flow_logs: bool = True
    private_ingress: bool = False
    task_endpoints: Spread = "none"
    auto_minor_version_upgrade: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, bool) and not isinstance(value, bool):
                raise SettingsError(field=field.name, value=value, expected="it must be True or False")
        if type(self.zones) is not int or self.zones not in ZONES:
            raise SettingsError(field="zones", value=self.zones, expected="it must be 2 or 3")
        for name in ("nat", "task_endpoints"):
            value = getattr(self, name)
            if value not in get_args(Spread):
                raise SettingsError(field=name, value=value, expected='it must be "none", "one" or "per-zone"')
        self._check_vpc_cidr()

    def _check_vpc_cidr(self) -> None:
        def refuse(expected: str) -> SettingsError:
            return SettingsError(field="vpc_cidr", value=self.vpc_cidr, expected=expected)

        if not isinstance(self.vpc_cidr, str) or "/" not in self.vpc_cidr:
            raise refuse('it must be text such as "10.0.0.0/16"')
        try:
            block = IPv4Network(self.vpc_cidr)
        except ValueError as error:
            raise refuse(f"it must be an IPv4 block such as 10.0.0.0/16 ({error})") from error
        largest, smallest = VPC_PREFIX_LENGTHS
        if block.prefixlen < largest:
            raise refuse(f"a VPC holds at most a /{largest}")
        if block.prefixlen > smallest:
            raise refuse(f"it cannot hold the subnets: eight of at least a /27 each need a /{smallest} or larger")
        if str(block) != self.vpc_cidr:
            raise refuse(f"it must be written {block}")
        if (
            block.is_loopback
            or block.is_link_local
            or block.is_multicast
            or block.is_reserved
            or block.overlaps(IPv4Network("0.0.0.0/8"))
        ):
            raise refuse("a VPC cannot use loopback, link-local, multicast or reserved addresses")
