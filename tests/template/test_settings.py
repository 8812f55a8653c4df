from __future__ import annotations

from typing import Any

import pytest

from generator.errors import SettingsError
from generator.settings import Settings

SPREAD = 'it must be "none", "one" or "per-zone"'
SPECIAL = "a VPC cannot use loopback, link-local, multicast or reserved addresses"


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("zones", 1, "it must be 2 or 3"),
        ("zones", 7, "it must be 2 or 3"),
        ("zones", True, "it must be 2 or 3"),
        ("zones", "2", "it must be 2 or 3"),
        ("zones", 2.0, "it must be 2 or 3"),
        ("nat", "two", SPREAD),
        ("nat", ["one"], SPREAD),
        ("task_endpoints", "two", SPREAD),
        ("flow_logs", "yes", "it must be True or False"),
        ("private_ingress", 1, "it must be True or False"),
        ("vpc_cidr", 10, 'it must be text such as "10.0.0.0/16"'),
        ("vpc_cidr", "10.0.0.0", 'it must be text such as "10.0.0.0/16"'),
        ("vpc_cidr", "10.0.0.0/15", "a VPC holds at most a /16"),
        ("vpc_cidr", "10.0.0.0/25", "it cannot hold the subnets: eight of at least a /27 each need a /24 or larger"),
        ("vpc_cidr", "10.0.0.1/16", "it must be an IPv4 block such as 10.0.0.0/16 (10.0.0.1/16 has host bits set)"),
        ("vpc_cidr", "10.0.0.0/255.255.0.0", "it must be written 10.0.0.0/16"),
        ("vpc_cidr", "0.0.0.0/16", SPECIAL),
        ("vpc_cidr", "127.0.0.0/16", SPECIAL),
        ("vpc_cidr", "169.254.0.0/16", SPECIAL),
        ("vpc_cidr", "224.0.0.0/16", SPECIAL),
        ("vpc_cidr", "240.0.0.0/16", SPECIAL),
    ],
)
def test_a_value_outside_its_range_is_refused_in_one_sentence(field: str, value: Any, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**{field: value})
    assert str(caught.value) == f"Settings.{field} is {value!r}, but {expected}."
    assert caught.value.exit_code == 64


def test_an_ipv6_block_is_refused() -> None:
    with pytest.raises(SettingsError, match="must be an IPv4 block"):
        Settings(vpc_cidr="fd00::/16")
