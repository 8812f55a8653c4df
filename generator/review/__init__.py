"""What a reviewer decides on beside the changes themselves: rights and billed quantities. Pure: no I/O.

A resource's properties before and after come in as plain dicts, from a change set's BeforeContext and AfterContext or
from templates with intrinsic functions.

    intrinsics.py     templates with conditions decided and parameters filled in
    patterns.py       strings with wildcards and intrinsic functions, and whether one includes another
    statements.py     two IAM policies compared by what they allow
    access_string.py  two access strings of MemoryDB or ElastiCache users, likewise
    rights.py         a resource's two states -> what becomes broader, narrower or different
    quantities.py     a resource's properties -> what it bills; the difference of two states; money, with a price list
"""
