"""Values of a data layer in, a service on Amazon ECS Express Mode out.

`service.py` makes the service with its parameters and security group. `roles.py` has its three IAM roles and
`observability.py` its alarms and dashboard. `endpoints.py` belongs to the data layer: the VPC endpoints that tasks
use.
"""
