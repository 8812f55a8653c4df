"""A place in, a MemoryDB cluster with its users and an image repository out, and the exports that services import.

`memorydb.py` makes the cluster from the parameters of `cluster_inputs.py`, and its alarms come from
`observability.py`. `user.py` makes a user with its password, `repository.py` a repository.
"""
