"""App Runner and ECS Express Mode: resource types, and the operations that the command calls.

In: properties of a service. Out: its state, operations and log. `apprunner.py` and `ecs_express.py` differ in their
API; `instances.py` deploys for both, with health checks, rollback and logs. `rollback_alarm.py` watches deployments
of ECS.
"""
