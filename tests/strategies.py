"""Hypothesis strategies for `Settings`."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from itertools import product
from typing import get_args

from hypothesis import strategies as st

from generator.settings import Settings, Spread

SPREADS: tuple[Spread, ...] = get_args(Spread)

SHAPES = [
    Settings(zones=zones, nat=nat, flow_logs=flow_logs, private_ingress=private_ingress, task_endpoints=endpoints)
    for zones, nat, flow_logs, private_ingress, endpoints in product(
        (2, 3), SPREADS, (True, False), (True, False), SPREADS[::2]
    )
]
"""One Settings for each combination that changes which resources there are."""


def _block(address: IPv4Address, prefix_length: int) -> str:
    return str(IPv4Network((address, prefix_length), strict=False))


vpc_cidrs = st.builds(
    _block,
    st.one_of(
        *(st.ip_addresses(v=4, network=network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
    ),
    st.integers(16, 24),
)

all_settings = st.builds(
    Settings,
    zones=st.sampled_from((2, 3)),
    nat=st.sampled_from(SPREADS),
    vpc_cidr=vpc_cidrs,
    flow_logs=st.booleans(),
    private_ingress=st.booleans(),
    task_endpoints=st.sampled_from(SPREADS),
    auto_minor_version_upgrade=st.booleans(),
)
