"""Values of a data layer in, an App Runner service out.

`service.py` makes the service with its parameters and its connection into the VPC. `roles.py` has its two IAM roles,
`observability.py` its alarms and dashboard, `private_ingress.py` the endpoint of a service without public access.
"""
