"""Settings in, a VPC out, or the IDs of an existing one.

`vpc.py` makes the VPC with its private subnets, `public.py` adds NAT gateways and public subnets; how both are cut and
named is in `subnets.py`, their Availability Zones in `zones.py`. `flow_log.py` has the log of the VPC's traffic,
`place.py` says where a cluster stands, whichever VPC it is, and `security_groups.py` has the groups and their rules.
"""
