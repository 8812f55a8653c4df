"""The parts of templates: functions from `Settings`, a `Workload` and plain values to resources, parameters and
outputs.

`network/` and `data/` are the data layer; `apprunner/` and `ecs_express/` each are a compute layer. A resource's
roles, alarms and dashboard are in its own folder. The files here have what several folders share. Of a service:
`service.py` its VPC, cluster, variables and parameters, `image.py` its image, `secrets.py` its secrets, `imports.py`
the values that it imports from the data layer. Of all: `permissions.py` IAM policies, `observability.py` logs and
alarms, `authentication.py` the choice between a password and IAM, `encryption.py` the KMS key, `names.py` physical
names.
"""
