"""CloudFormation as the operations use it: a client and templates in, plain values out.

`cloudformation.py` makes, executes and deletes change sets and follows stacks; `change_set.py` reads a change set,
`guard.py` refuses what of it loses data; `events.py` reads events and statuses; `drift.py` finds manual changes;
`stack_policy.py` makes the policy that guards against every other tool; `inventory.py` lists what a stack holds and
which stacks import from it; `exports.py` refuses an import of what no stack exports. Nothing here asks or prints.
"""
