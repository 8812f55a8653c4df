"""How a VPC's block is cut into subnets."""

from __future__ import annotations

from ipaddress import IPv4Network

LETTERS = "ABC"
"""The letter that ends the names of a zone's resources: PrivateSubnetA, PrivateSubnetB, PrivateSubnetC."""


def private_blocks(vpc_cidr: str) -> tuple[str, str, str]:
    """The first three of the eight equal blocks of a VPC: 10.0.0.0/16 gives 10.0.0.0/19 and the next two."""
    return _blocks(vpc_cidr, 0)


def public_blocks(vpc_cidr: str) -> tuple[str, str, str]:
    """The fifth, sixth and seventh of the eight equal blocks of a VPC; the fourth and eighth stay free."""
    return _blocks(vpc_cidr, 4)


def _blocks(vpc_cidr: str, first: int) -> tuple[str, str, str]:
    eighths = [str(block) for block in IPv4Network(vpc_cidr).subnets(prefixlen_diff=3)]
    return eighths[first], eighths[first + 1], eighths[first + 2]
