"""AWS on one machine, for trying every command without an account. The generator and the service do not need it.

In: the command, and the image's source. Out: a report of every step, the calls to AWS, and what was left behind.
`run.py` runs the verbs in order. `upgrade.py` rehearses an upgrade from what `before.py` finds in a commit or in
exported stacks, and `load.py` sends requests meanwhile. For both, `options.py` chooses the container tool of
`containers.py`; `local_aws.py` starts what they need and points the environment at it; `local_resources.py` creates
what a program names in an account. The CloudFormation, ECR and IAM APIs come from `emulator/`. The Redis cluster, the
instances of the service and the HTTPS proxy in front of them come from `services/`. `processes.py` has the ports and
the end of processes for both.

`embedded.py` is separate: the service beside an embedded Valkey, for `make serve`.
"""
