"""MemoryDB: resource types, and the operations that the command calls.

In: properties of users, ACLs, subnet groups and clusters. Out: their state, and requests to run the cluster's nodes.
`clusters.py` has clusters and snapshots, `access.py` the rest; `store.py` is the state of both.
"""
