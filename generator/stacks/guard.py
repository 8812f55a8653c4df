"""The guard: which changes of a change set are refused, because they lose data or come from a tag. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from generator.stacks.change_set import Change

CLUSTER, REPOSITORY = "AWS::MemoryDB::Cluster", "AWS::ECR::Repository"

SIDE_BY_SIDE = {
    CLUSTER: "the database",
    "AWS::SecretsManager::Secret": "the password",
    REPOSITORY: "the images",
    "AWS::EC2::VPC": "the network under the database",
}
"""What resources of the data layer hold; they are replaced by a second data stack."""

# A changed tag replaces these, and a connector's replacement fails while its security groups stay the same.
REPLACED_BY_TAGS = ("AWS::AppRunner::", "AWS::ECS::ExpressGatewayService")

ENGINE_DOWNGRADE = ("Engine", "valkey", "redis")


@dataclass(frozen=True)
class Refusal:
    """A change that the guard refuses, what causes it, and what to do instead."""

    logical_id: str
    what: str
    cause: str
    instead: str


def refusals(changes: Sequence[Change], allowed: Collection[str] = ()) -> tuple[Refusal, ...]:
    """The changes that are refused: those that lose data, and replacements because of a stack's tags.

    Changes to a logical ID in `allowed` are not refused.
    """
    return tuple(refusal for change in changes if change.logical_id not in allowed for refusal in _refused(change))


def _refused(change: Change) -> Iterator[Refusal]:
    causes = [changed for changed in change.properties if changed.recreates]
    unnamed = "the template no longer has it" if change.action == "Remove" else "CloudFormation does not say why"
    cause = ", ".join(dict.fromkeys(changed.path for changed in causes)) or unnamed
    protected = change.holds_data or change.resource_type in SIDE_BY_SIDE
    if protected and (change.replaces or change.action == "Remove"):
        what, instead = _removed(change) if change.action == "Remove" else _replaced(change)
        yield Refusal(change.logical_id, what, cause, instead)
    elif any((changed.path, changed.before, changed.after) == ENGINE_DOWNGRADE for changed in change.properties):
        yield Refusal(
            change.logical_id,
            "takes the engine from valkey back to redis",
            "Engine",
            "No source says that MemoryDB can do this to a cluster with data. Restore a snapshot into a second data "
            "stack.",
        )
    elif change.replaces and change.resource_type.startswith(REPLACED_BY_TAGS) and "Tags" in change.scope:
        yield Refusal(
            change.logical_id,
            "is replaced because of a tag",
            cause,
            "Leave the tags of this stack as they are, and tag the others: --tag LAYER.KEY=VALUE, or --layer LAYER "
            "--tag KEY=VALUE.",
        )


def _removed(change: Change) -> tuple[str, str]:
    held = SIDE_BY_SIDE.get(change.resource_type, "the data in it")
    what = f"takes {held} out of the stack, and the resource stays" if change.stays else f"deletes {held}"
    return what, "Put the resource back into the template."


def _replaced(change: Change) -> tuple[str, str]:
    verb = "may replace" if change.replacement == "Conditional" else "replaces"
    stays = ", and the old one stays outside of the stack" if change.stays else ""
    what = f"{verb} {SIDE_BY_SIDE.get(change.resource_type, 'the data in it')}{stays}"
    if change.resource_type not in SIDE_BY_SIDE:
        return what, "Add the new one under another logical ID, copy the data, then remove the old one."
    images = change.resource_type == REPOSITORY
    restored = "" if images else ", restored from a snapshot of this one (SnapshotName)"
    pushed = ", which pushes their images there" if images else ""
    return what, (
        f"Deploy a second data stack with the new value{restored}; move DataStackName of the compute stacks to it"
        f"{pushed}; destroy the old one."
    )
