"""How resources are named: by a tag in EC2's console, by the stack's ID where AWS demands a name."""

from __future__ import annotations

import re

from troposphere import AWSHelperFn, Join, Select, Split, StackId, Sub, Tags

from generator.errors import TemplateError

# MemoryDB names have 40 characters, a stack's ID without hyphens 32; one hyphen stands between.
MAX_LABEL = 7


def named(name: str) -> Tags:
    """The tag that EC2's console shows as a name; `name` may hold ${AWS::StackName}."""
    return Tags(Name=Sub(name))


def physical_name(label: str) -> AWSHelperFn:
    """A name for MemoryDB: `label` and the stack's own ID, so that two copies of a stack never collide.

    Raises TemplateError when the name could be illegal: letters and digits, starting with a letter, 40 at most.
    """
    if not re.fullmatch(rf"[a-z][a-z0-9]{{0,{MAX_LABEL - 1}}}", label):
        raise TemplateError(
            f"The prefix {label!r} cannot name a MemoryDB resource: it needs 1 to {MAX_LABEL} letters and digits, a "
            "letter first, because a MemoryDB name has 40 characters and the stack's ID takes 33 of them."
        )
    return Sub(f"{label}-${{Id}}", Id=Join("", Split("-", Select(2, Split("/", StackId)))))
