"""cfn-lint rules for MemoryDB, App Runner, ECS Express Mode and S3 permissions; IDs 9600 to 9699.

`cfn-lint --append-rules generator.rules` takes them from the installed package, `--append-rules generator/rules` from
this folder: of its files cfn-lint loads those whose names start with a letter, which is `load.py`. `_values.py` tells
which values an expression can have, `_rule.py` what a rule is; the other files are rules and the facts they use.

9600-9629 are about MemoryDB, 9630-9639 and 9670-9679 about App Runner, 9640-9659 about ECS Express Mode, 9660-9669
about all. An error is what AWS refuses, what loses data or what opens access; everything else is a warning. A value
behind a parameter is judged by the parameter's default and allowed values, two values that must fit together by their
defaults; what cannot be known is not judged.
"""

from __future__ import annotations

from . import _apprunner, _ecs_express, _iam, _memorydb_cluster, _memorydb_users
from ._rule import Rule

RULES: dict[str, type[Rule]] = {
    rule.id: rule
    for module in (_memorydb_cluster, _memorydb_users, _apprunner, _ecs_express, _iam)
    for rule in vars(module).values()
    if isinstance(rule, type) and issubclass(rule, Rule) and rule.id
}

# cfn-lint takes the classes among a module's attributes.
globals().update(RULES)
