"""What ministack lacks of AWS, for these templates and this command. It runs inside ministack's process.

In: ministack's modules. Out: the same modules, with functions replaced and services and resource types added. Each
function states the fact of AWS that it imitates, with its source. `__main__.py` installs everything and starts
ministack; `registration.py` adds services and resource types. `cloudformation/` corrects stacks and change sets;
`memorydb/` and `compute/` are the services that ministack does not have; `network.py`, `ecr.py`, `iam.py`, `roles.py`
and `secrets_manager.py` complete those that it has. `faults.py` and `recorded_calls.py` are for tests.
`local_services.py` asks for clusters and instances.
"""
