"""CloudFormation as AWS documents it, where ministack differs.

In: ministack's stacks and change sets. Out: the same calls, answered as on AWS. `change_sets.py` has what a change set
may contain and `property_values.py` its values; `validation.py` what is warned of; `drift.py` what a drift-aware change
set compares; `replacement.py` which changes replace a resource; `exports.py` what an import prevents;
`stack_policies.py` what a stack policy denies; `deletion.py` DeleteStack during other operations; `events.py` the
events of all of them.
"""
