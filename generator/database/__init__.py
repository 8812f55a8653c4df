"""MemoryDB beside CloudFormation: what a stack update cannot do or see.

`passwords.py` changes a user's password in steps that never lock a service out; `snapshots.py` looks for the final
snapshot of a deleted cluster. Clients in, facts out; nothing here asks or prints.
"""
