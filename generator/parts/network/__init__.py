"""Settings in, a VPC out, or the IDs of an existing one.

`vpc.py` makes the VPC with its private subnets, whose blocks `addresses.py` computes and whose Availability Zones
`zones.py` chooses. `public.py` adds NAT gateways and public subnets, `flow_log.py` the log of its traffic. `place.py`
says where a cluster stands, whichever of the two it is. `egress.py` has rules of security groups.
"""
