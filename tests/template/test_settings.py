from __future__ import annotations

from typing import Any

import pytest

from generator.errors import SettingsError
from generator.settings import Settings


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"zones": 1}, "Settings.zones is 1, but it must be 2 or 3."),
        ({"zones": 7}, "Settings.zones is 7, but it must be 2 or 3."),
        ({"zones": True}, "Settings.zones is True, but it must be 2 or 3."),
        ({"zones": "2"}, "Settings.zones is '2', but it must be 2 or 3."),
        ({"zones": 2.0}, "Settings.zones is 2.0, but it must be 2 or 3."),
        ({"nat": "two"}, 'Settings.nat is \'two\', but it must be "none", "one" or "per-zone".'),
        ({"nat": ["one"]}, 'Settings.nat is [\'one\'], but it must be "none", "one" or "per-zone".'),
        (
            {"task_endpoints": "two"},
            'Settings.task_endpoints is \'two\', but it must be "none", "one" or "per-zone".',
        ),
        ({"flow_logs": "yes"}, "Settings.flow_logs is 'yes', but it must be True or False."),
        ({"private_ingress": 1}, "Settings.private_ingress is 1, but it must be True or False."),
        ({"vpc_cidr": "10.0.0.0/15"}, "Settings.vpc_cidr is '10.0.0.0/15', but a VPC holds at most a /16."),
        (
            {"vpc_cidr": "10.0.0.0/25"},
            "Settings.vpc_cidr is '10.0.0.0/25', but it cannot hold the subnets: "
            "eight of at least a /27 each need a /24 or larger.",
        ),
        (
            {"vpc_cidr": "10.0.0.1/16"},
            "Settings.vpc_cidr is '10.0.0.1/16', but it must be an IPv4 block such as 10.0.0.0/16 "
            "(10.0.0.1/16 has host bits set).",
        ),
        ({"vpc_cidr": "10.0.0.0"}, "Settings.vpc_cidr is '10.0.0.0', but it must be text such as \"10.0.0.0/16\"."),
        ({"vpc_cidr": 10}, 'Settings.vpc_cidr is 10, but it must be text such as "10.0.0.0/16".'),
        (
            {"vpc_cidr": "127.0.0.0/16"},
            "Settings.vpc_cidr is '127.0.0.0/16', but "
            "a VPC cannot use loopback, link-local, multicast or reserved addresses.",
        ),
        (
            {"vpc_cidr": "10.0.0.0/255.255.0.0"},
            "Settings.vpc_cidr is '10.0.0.0/255.255.0.0', but it must be written 10.0.0.0/16.",
        ),
        (
            {"vpc_cidr": "0.0.0.0/16"},
            "Settings.vpc_cidr is '0.0.0.0/16', but "
            "a VPC cannot use loopback, link-local, multicast or reserved addresses.",
        ),
    ],
)
def test_a_value_outside_its_range_is_refused_in_one_sentence(given: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**given)
    assert str(caught.value) == expected
    assert caught.value.exit_code == 64


def test_an_ipv6_block_is_refused() -> None:
    with pytest.raises(SettingsError, match="must be an IPv4 block"):
        Settings(vpc_cidr="fd00::/16")
