"""cfn-lint rules for MemoryDB, App Runner and ECS Express Mode, which no other linter has; IDs 9600 to 9699.

`cfn-lint --append-rules generator/rules` takes this folder as it is: each file here imports cfn-lint and the standard
library only, and not its neighbours, because cfn-lint loads files one by one.

9600-9629 are about MemoryDB, 9630-9639 about App Runner, 9640-9659 about ECS Express Mode, 9660-9699 about all. An
error is what AWS refuses, what loses data or what opens access; everything else is a warning. A value behind a
parameter is judged by the parameter's default and allowed values, two values that must fit together by what they are
first of all; what cannot be known is not judged.
"""
