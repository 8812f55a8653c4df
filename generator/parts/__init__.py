"""The parts of templates: functions from `Settings` and plain values to Troposphere resources, parameters and outputs.

`network/` and `data/` are the data layer; `apprunner/` and `ecs_express/` each are a compute layer. A resource's
roles, alarms and dashboard are in its own folder. The files here have what several folders share: `service.py` the
parameters of a service, `imports.py` the values that it imports from the data layer, `permissions.py` IAM statements,
`observability.py` logs and alarms, `authentication.py` the choice between a password and IAM, `encryption.py` the KMS
key, `names.py` physical names.
"""
