"""The parts of templates: functions from `Settings`, a `Workload` and plain values to resources, parameters and
outputs.

`network/` and `data/` are the data layer; `apprunner/` and `ecs_express/` each are a compute layer. A resource's
roles, alarms and dashboard are in its own folder. The files here have what several folders share. Of a service:
`basis.py` its VPC, cluster, variables and secrets, `image.py` its image, `secrets.py` who may read a secret,
`imports.py` the values that it imports from the data layer, `size.py` its size and scaling, `service.py` what stands
beside it. Of all: `permissions.py` IAM policies, `observability.py` logs and alarms, `authentication.py` the choice
between a password and IAM, `encryption.py` the KMS key, `boundary.py` the permissions boundary, `names.py` names.
"""
