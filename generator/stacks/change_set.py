"""A change set as plain values, without secrets. No I/O.

Field names and their values: CloudFormation API reference, DescribeChangeSet, ResourceChange, ResourceChangeDetail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Any

from generator.template.resources import resources_in
from generator.template.stateful import holds_data, is_stateful

# What `_cause` says of a change that another resource causes.
FOLLOWS = re.compile(r"follows (\w+)(\..*)?")
NO_EXPORT = re.compile(r"No export named (\S+) found")
NOTHING_TO_CHANGE = ("The submitted information didn't contain changes.", "No updates are to be performed.")
WARNING = "[WARN]"
HIDDEN = "(hidden)"
# What CloudFormation shows in place of such a value (DescribeChangeSet, ResourceTargetDefinition), and what is shown.
KNOWN_AFTER_APPLY = "{{changeSet:KNOWN_AFTER_APPLY}}"
KNOWN_AFTER_DEPLOYMENT = "(known after deployment)"

# Properties whose values may be or hold a secret. CloudFormation shows dynamic references unresolved; hidden anyway.
SECRET = re.compile(
    r"password|passphrase|secretstring|authenticationmode|authtoken|credential|private_?key", re.IGNORECASE
)

KNOWN_FIELDS = {
    *("Action", "AfterContext", "BeforeContext", "Details", "LogicalResourceId", "PhysicalResourceId", "PolicyAction"),
    # What a drift-aware change set compares with; `PropertyChange.deployed` has what differs.
    "PreviousDeploymentContext",
    *("Replacement", "ResourceDriftIgnoredAttributes", "ResourceDriftStatus", "ResourceType", "Scope"),
}


class Effect(IntEnum):
    """What happens to a resource. The worst has the lowest number and is listed first."""

    LOSES_DATA = 0
    REPLACES = 1
    REMOVES = 2
    UNKNOWN = 3
    MODIFIES = 4
    ADDS = 5
    IMPORTS = 6


@dataclass(frozen=True)
class PropertyChange:
    """A property, its value before and after (None: absent or unknown), and whether the change recreates the resource.

    recreation: Never, Conditionally, Always, or a value that CloudFormation adds later. cause: what changes it, if that
    is not the template. deployed: what the last deployment set, where a drift-aware change set finds another value,
    which is `before`; else None. direct: the template has another value, whatever else changes it.
    """

    path: str
    before: str | None
    after: str | None
    recreation: str
    cause: str
    deployed: str | None = None
    direct: bool = False

    @property
    def recreates(self) -> bool:
        return self.recreation not in ("", "Never")

    @property
    def follows(self) -> tuple[str, ...]:
        """The logical IDs of the resources that alone change it; empty if something else does too."""
        found = [FOLLOWS.fullmatch(cause) for cause in self.cause.split(", ")]
        alone = all(found) and not self.direct and self.deployed is None
        return tuple(dict.fromkeys(match[1] for match in found if match)) if alone else ()


@dataclass(frozen=True)
class Change:
    """A resource and what happens to it, in CloudFormation's terms. unknown: fields that this module does not know.

    before, after: its properties, without secrets; None if the resource does not exist then, or they cannot be read.
    holds_data: whether it holds what no template can create again. drift: how a drift-aware change set found it:
    MODIFIED, DELETED, UNKNOWN, UNSUPPORTED, or IN_SYNC; else empty.
    """

    action: str
    logical_id: str
    resource_type: str
    physical_id: str = ""
    replacement: str = ""
    policy_action: str = ""
    scope: tuple[str, ...] = ()
    properties: tuple[PropertyChange, ...] = ()
    unknown: tuple[str, ...] = ()
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    holds_data: bool = False
    drift: str = ""

    @property
    def replaces(self) -> bool:
        """Whether the resource is, or may be, replaced."""
        return self.action == "Modify" and self.replacement in ("True", "Conditional")

    @property
    def only_tags(self) -> bool:
        """Whether nothing but tags changes."""
        changed = {changed.path.partition(".")[0] for changed in self.properties} == {"Tags"}
        return changed and self.action == "Modify" and not self.unknown and self.drift in ("", "IN_SYNC")

    @property
    def effect(self) -> Effect:
        match self.action:
            case "Add":
                return Effect.ADDS
            case "Import":
                return Effect.IMPORTS
            case "Remove" if self._destroys:
                return Effect.LOSES_DATA
            case "Remove":
                return Effect.REMOVES
            case "Modify" if self.replaces:
                return Effect.LOSES_DATA if self._destroys else Effect.REPLACES
            case "Modify" if self.replacement in ("", "False"):
                return Effect.MODIFIES
            case "SyncWithActual":
                return Effect.MODIFIES
        return Effect.UNKNOWN

    @property
    def stays(self) -> bool:
        """Whether the resource, or the one that is replaced, outlives the change."""
        return "Retain" in self.policy_action

    @property
    def _destroys(self) -> bool:
        return self.holds_data and not self.stays


@dataclass(frozen=True)
class ChangeSet:
    """A change set: its state, its parameters' values, and its changes in the order of their effect."""

    arn: str
    stack_name: str
    stack_id: str
    status: str
    reason: str
    execution_status: str
    changes: tuple[Change, ...]
    creates: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    drift: str = ""
    """Of the whole stack, in a drift-aware change set."""

    @property
    def empty(self) -> bool:
        """Whether it has nothing to do. One without changes may still change outputs."""
        return self.status == "FAILED" and self.reason.startswith(NOTHING_TO_CHANGE)

    @property
    def warning(self) -> str:
        """What CloudFormation found although it created the change set, such as an import of an export that does not
        exist, with which the execution fails (LocalStack, `test_change_set_exports_imports`, validated on AWS)."""
        return self.reason.removeprefix(WARNING).strip() if self.reason.startswith(WARNING) else ""

    @property
    def missing_export(self) -> str:
        """The first export that the warning says does not exist; empty if there is none."""
        found = NO_EXPORT.search(self.warning)
        return found[1] if found else ""


def change_set(pages: Sequence[Mapping[str, Any]], template: Mapping[str, Any] = MappingProxyType({})) -> ChangeSet:
    """The change set in the pages of DescribeChangeSet; every field but the changes is read from the first.

    template: says which resources hold data, whatever their type.
    """
    first = pages[0]
    marked = {logical_id: holds_data(body) for logical_id, body in resources_in(template)}
    changes = [_change(change, marked) for page in pages for change in page.get("Changes", ())]
    return ChangeSet(
        arn=first.get("ChangeSetId", ""),
        stack_name=first.get("StackName", ""),
        stack_id=first.get("StackId", ""),
        status=first.get("Status", ""),
        reason=first.get("StatusReason", ""),
        execution_status=first.get("ExecutionStatus", ""),
        # Only a change set that creates a stack has it (CreateChangeSet, OnStackFailure).
        creates="OnStackFailure" in first,
        parameters={
            parameter["ParameterKey"]: parameter.get("ResolvedValue", parameter.get("ParameterValue", ""))
            for parameter in first.get("Parameters", ())
        },
        drift=first.get("StackDriftStatus", ""),
        changes=tuple(sorted(changes, key=lambda change: (change.effect, change.resource_type, change.logical_id))),
    )


def additions(template: Mapping[str, Any]) -> tuple[Change, ...]:
    """What a template would add as a new stack. Conditions are not evaluated."""
    return tuple(
        Change(action="Add", logical_id=logical_id, resource_type=str(resource["Type"]))
        for logical_id, resource in sorted(template["Resources"].items(), key=lambda item: (item[1]["Type"], item[0]))
    )


def _change(change: Mapping[str, Any], marked: Mapping[str, bool]) -> Change:
    resource = change.get("ResourceChange", {})
    unknown = [f"{name}: {visible(name, value)}" for name, value in resource.items() if name not in KNOWN_FIELDS]
    if change.get("Type", "Resource") != "Resource":
        unknown.append(f"Type: {change['Type']}")
    logical_id, resource_type = resource.get("LogicalResourceId", ""), resource.get("ResourceType", "")
    contexts = [_properties_of(resource.get(f"{time}Context")) for time in ("Before", "After", "PreviousDeployment")]
    secret = {path for context in contexts for path in secret_paths(context)}
    before, after, _ = (None if context is None else _without_secrets(context) for context in contexts)
    return Change(
        action=resource.get("Action", ""),
        logical_id=logical_id,
        resource_type=resource_type,
        physical_id=resource.get("PhysicalResourceId", ""),
        replacement=resource.get("Replacement", ""),
        policy_action=resource.get("PolicyAction", ""),
        scope=tuple(resource.get("Scope", ())),
        properties=tuple(_properties(resource.get("Details", ()), secret, contexts[:2])),
        unknown=tuple(unknown),
        before=before,
        after=after,
        holds_data=marked.get(logical_id, is_stateful(resource_type)),
        drift=resource.get("ResourceDriftStatus", ""),
    )


def visible(path: str, value: Any, secret: Collection[str] = ()) -> Any:
    """A property's value, without the secrets in it: hidden if the path names one or is in `secret`; JSON is searched.
    What CloudFormation does not know yet is marked as such.

    >>> visible("Environment", '[{"Name": "DB_PASSWORD", "Value": "hunter2"}]')
    '[{"Name": "DB_PASSWORD", "Value": "(hidden)"}]'
    """
    if value is None or path in secret or SECRET.search(path):
        return value and HIDDEN
    if not isinstance(value, str):
        return _without_secrets(value)
    value = value.replace(KNOWN_AFTER_APPLY, KNOWN_AFTER_DEPLOYMENT)
    try:
        parsed = json.loads(value)
    except ValueError:
        return value
    shown = _without_secrets(parsed)
    return value if shown == parsed else json.dumps(shown)


def _properties_of(context: str | None) -> Mapping[str, Any] | None:
    """The properties in a resource's context, which is JSON."""
    try:
        found = json.loads(context or "null")
    except ValueError:
        return None
    return dict(found.get("Properties", {})) if isinstance(found, Mapping) else None


def _without_secrets(node: Any) -> Any:
    match node:
        case Mapping():
            return {name: HIDDEN if _is_secret(name, node) else _without_secrets(node[name]) for name in node}
        case list():
            return list(map(_without_secrets, node))
    return node


def secret_paths(node: Any, path: str = "") -> Iterator[str]:
    """The paths that `_without_secrets` hides, as CloudFormation writes them: Environment.0.Value."""
    match node:
        case Mapping():
            for name, value in node.items():
                below = f"{path}{name}"
                yield from [below] if _is_secret(name, node) else secret_paths(value, f"{below}.")
        case list():
            for index, value in enumerate(node):
                yield from secret_paths(value, f"{path}{index}.")


def _is_secret(name: str, node: Mapping[str, Any]) -> bool:
    """Whether a value may be a secret by its key, or by the name beside it, as in a list of variables."""
    return bool(SECRET.search(name) or (name == "Value" and SECRET.search(_name(node))))


def _name(node: Any) -> str:
    """The name of an item of a list, such as a variable or a tag; empty if it has none."""
    return str(node.get("Name", node.get("Key", ""))) if isinstance(node, Mapping) else ""


def _named(path: str, contexts: Sequence[Any]) -> str:
    """The path with items of lists by their names instead of their places, where all contexts agree on the name."""
    steps = []
    for step in path.split("."):
        nodes = [_child(context, step) for context in contexts]
        contexts = [node for node in nodes if node is not None]
        names = {_name(node) for node in contexts} if step.isdigit() else set[str]()
        name = names.pop() if len(names) == 1 else ""
        steps.append(name if re.fullmatch(r"[\w./:-]+", name) else step)
    return ".".join(steps)


def _child(node: Any, step: str) -> Any:
    match node:
        case Mapping():
            return node.get(step)
        case list() if step.isdigit() and int(step) < len(node):
            return node[int(step)]
    return None


def _properties(
    details: Sequence[Mapping[str, Any]], secret: Collection[str], contexts: Sequence[Any]
) -> Iterator[PropertyChange]:
    """One change for each property: CloudFormation lists a property once for every cause. secret: paths to hide.
    contexts: the resource's properties before and after."""
    merged: dict[str, PropertyChange] = {}
    for detail in details:
        target = detail.get("Target", {})
        path = str(target.get("Path", "")).removeprefix("/Properties").removeprefix("/").replace("/", ".")
        path = path or target.get("Name") or target.get("Attribute", "")
        before, deployed = _before(target)
        before, deployed, after = (visible(path, each, secret) for each in (before, deployed, target.get("AfterValue")))
        listed = PropertyChange(
            _named(path, contexts),
            before,
            after,
            recreation=target.get("RequiresRecreation", ""),
            cause=_cause(detail),
            deployed=deployed,
            # A dynamic one goes with each reference, whose value decides (API reference, ResourceChangeDetail).
            direct=detail.get("ChangeSource") == "DirectModification" and detail.get("Evaluation") != "Dynamic",
        )
        known = merged.get(path)
        merged[path] = listed if known is None else _merge(known, listed)
    yield from merged.values()


def _before(target: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The value that the change meets, and, if that is not what the last deployment set, the deployed one.

    BeforeValue is one of the two, as BeforeValueFrom says; Drift has both (API reference, ResourceTargetDefinition,
    LiveResourceDrift).
    """
    before, drift = target.get("BeforeValue"), target.get("Drift")
    if drift is None:
        return before, None
    return drift.get("ActualValue"), drift.get("PreviousValue", "")


def _merge(*both: PropertyChange) -> PropertyChange:
    first, second = sorted(both, key=lambda listed: listed.deployed is None)
    order = ("", "Never", "Conditionally", "Always")
    worst = max(
        (first.recreation, second.recreation),
        key=lambda recreation: order.index(recreation) if recreation in order else len(order),
    )
    return PropertyChange(
        first.path,
        first.before if first.before is not None else second.before,
        first.after if first.after is not None else second.after,
        worst,
        ", ".join(dict.fromkeys(cause for cause in (first.cause, second.cause) if cause)),
        first.deployed,
        direct=first.direct or second.direct,
    )


def _cause(detail: Mapping[str, Any]) -> str:
    entity = detail.get("CausingEntity", "")
    match detail.get("ChangeSource", ""):
        case "ParameterReference":
            return f"parameter {entity}"
        case "ResourceReference" | "ResourceAttribute":
            return f"follows {entity}"
        case "DirectModification" | "NoModification" | "":
            return ""
        case "Automatic":
            return "by CloudFormation"
        case other:
            return f"{other} {entity}".strip()
