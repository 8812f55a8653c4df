"""The stack policy around an update: set, lifted for what `allow_replacement` names, and put back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from generator.errors import DeployError, GeneratorError
from generator.operations.session import Session
from generator.stacks.cloudformation import name_in
from generator.stacks.inventory import logical_ids
from generator.stacks.stack_policy import protected, protected_by, stack_policy, without
from generator.template.resources import resources_in


@contextmanager
def guarded(
    session: Session,
    stack_arn: str,
    template: Mapping[str, Any],
    allowed: Collection[str] = (),
    *,
    new: bool = False,
    wait: bool = True,
) -> Iterator[None]:
    """A block in which the stack is updated to a template, or in which nothing happens to it.

    During it, the stack policy protects what it did before and what holds data in the stack, except what is `allowed`;
    after it, that too, however the block ends. What an interrupted run left open is closed first. What the block adds
    is protected if it succeeds: a rollback has to delete it. A policy that was not made here stays as it is. All of
    this is reported.

    Raises DeployError for a lifted policy without `wait`, since then the update outlives the block.
    """
    wanted = protected(template)
    if not (wanted or allowed) or (new and not wait):
        yield
        return
    found = protected_by("" if new else session.cloudformation.stack_policy(stack_arn))
    if found is None:
        session.ui.progress(f"{name_in(stack_arn)} has a stack policy of its own, which stays as it is.")
        yield
        return
    standing = found if new or wanted <= found else found | _present(session, stack_arn, wanted)
    lifted = without(standing, allowed)
    if lifted != standing and not wait:
        raise DeployError(
            stack=name_in(stack_arn),
            what="The change set was not executed",
            why="the stack policy has to be lifted until CloudFormation has finished",
            then="Deploy without --no-wait.",
        )
    policy = _Policy(session, stack_arn, found)
    try:
        policy.protect(lifted)
        if lifted != standing:
            policy.report(f"is lifted for {_listed(standing - lifted)}")
        yield
    except BaseException:
        policy.try_to_protect(standing)
        raise
    # What was allowed to go, and is gone, needs no protection.
    gone = set(allowed) - {name for name, _ in resources_in(template)}
    policy.protect((standing | wanted) - gone)


def _present(session: Session, stack_arn: str, names: frozenset[str]) -> frozenset[str]:
    """The names that match a resource of the stack; all of them where the caller may not list its resources."""
    deployed = logical_ids(session.cloudformation, stack_arn)
    return names if deployed is None else names - without(names, deployed)


@dataclass
class _Policy:
    """The policy of one stack. names: what it protects for certain, also after a call whose answer was lost."""

    session: Session
    stack_arn: str
    names: frozenset[str]

    def protect(self, names: frozenset[str]) -> None:
        """Sets the policy, unless it is this already."""
        if names == self.names:
            return
        added = names - self.names
        self.names &= names
        self.session.cloudformation.set_stack_policy(self.stack_arn, stack_policy(names))
        self.names = names
        if added:
            self.report(f"protects {_listed(added)} now")

    def try_to_protect(self, names: frozenset[str]) -> None:
        """As `protect`, while another error is on its way: what fails is reported only."""
        try:
            self.protect(names)
        except GeneratorError as error:
            self.report(f"does not protect {_listed(names - self.names)}: the next deployment sets it again. {error}")

    def report(self, what: str) -> None:
        self.session.ui.progress(f"{name_in(self.stack_arn)}: the stack policy {what}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
