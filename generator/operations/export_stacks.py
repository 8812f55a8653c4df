"""`export-stacks`: the deployed stacks as one JSON document, by calls that only read, and without secrets.

A rehearsal deploys them from it on one machine, as what is there before an upgrade.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from generator.aws.errors import translate_errors
from generator.errors import DeployError, UsageError
from generator.layers import Deployment
from generator.operations.instead import another_deployed
from generator.operations.options import StackOptions
from generator.operations.session import Session
from generator.redaction import SECRET_NAMES, redact
from generator.stacks.change_set import HIDDEN, SECRET
from generator.stacks.cloudformation import Stack
from generator.template.resources import references

FORMAT = 1
"""Grows when a field changes its meaning or goes."""
# The names of the fields in the document.
FIELDS = {
    "layer": "layer",
    "name": "stackName",
    "parameters": "parameters",
    "withheld": "withheldParameters",
    "tags": "tags",
    "outputs": "outputs",
    "resources": "resources",
    "template": "template",
}


@dataclass(frozen=True)
class ExportedStack:
    """A layer's stack. withheld: the parameters whose values are secret. resources: physical IDs by logical ID."""

    layer: str
    name: str
    template: Mapping[str, Any]
    parameters: Mapping[str, str] = field(default_factory=dict)
    withheld: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)


def export_stacks(deployment: Deployment, session: Session, options: StackOptions) -> tuple[ExportedStack, ...]:
    """The stacks of the deployment's layers that exist, in the order of the layers.

    Calls DescribeStacks, GetTemplate and ListStackResources. Raises UsageError where another deployment is there
    instead, DeployError where there is no stack, or one whose template is YAML.
    """
    if instead := another_deployed(session.cloudformation, deployment, options, "export {}"):
        raise UsageError(instead)
    names = {layer.name: options.stack_name(deployment, layer) for layer in deployment.chosen(options.layer)}
    found = {layer: session.cloudformation.stack(name) for layer, name in names.items()}
    exported = tuple(_exported(session, layer, stack) for layer, stack in found.items() if stack and stack.exists)
    if not exported:
        raise DeployError(
            stack=" and ".join(names.values()),
            what="There is nothing to export",
            why="no such stack exists here",
            then="Pass another name or --region.",
        )
    return exported


def export_document(stacks: Sequence[ExportedStack]) -> str:
    """The stacks as JSON; docs/rehearsal.md describes the fields."""
    document = [{key: getattr(stack, name) for name, key in FIELDS.items()} for stack in stacks]
    return json.dumps({"version": FORMAT, "stacks": document}, indent=2) + "\n"


def read_export(text: str, source: str) -> tuple[ExportedStack, ...]:
    """The stacks of a document. `source` is its name in messages. Raises UsageError if it is none."""
    try:
        document = json.loads(text)
        if document["version"] != FORMAT:
            raise UsageError(f"{source} has the version {document['version']}, but this command reads {FORMAT}.")
        return tuple(
            ExportedStack(**{name: stack[key] for name, key in FIELDS.items()}) for stack in document["stacks"]
        )
    except (ValueError, LookupError, TypeError) as error:
        raise UsageError(f"{source} is not what export-stacks writes: {type(error).__name__}: {error}.") from error


def _exported(session: Session, layer: str, stack: Stack) -> ExportedStack:
    client = session.cloudformation.client
    with translate_errors(stack.name):
        template = client.get_template(StackName=stack.arn, TemplateStage="Original")["TemplateBody"]
    if not isinstance(template, Mapping):
        raise DeployError(
            stack=stack.name,
            what="The stack cannot be exported",
            why="its template is YAML, and this command reads JSON",
            then="Deploy the same template as JSON: CloudFormation finds nothing to change.",
        )
    hidden = [name for name, parameter in template.get("Parameters", {}).items() if _secret(name, parameter)]

    def shows(section: str, name: str) -> bool:
        """Whether an output or a resource has nothing of a secret parameter in it."""
        return set(references(template.get(section, {}).get(name))).isdisjoint(hidden)

    return ExportedStack(
        layer=layer,
        name=stack.name,
        template=_without_secrets(template, hidden),
        parameters={name: redact(value) for name, value in stack.parameters.items() if name not in hidden},
        withheld=hidden,
        tags={key: HIDDEN if SECRET.search(key) else redact(value) for key, value in stack.tags.items()},
        outputs={name: redact(value) if shows("Outputs", name) else HIDDEN for name, value in stack.outputs.items()},
        # A physical ID may be a name that a secret parameter gives.
        resources={
            resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "")
            for resource in session.cloudformation.resources(stack.arn)
            if shows("Resources", resource["LogicalResourceId"])
        },
    )


def _secret(name: str, parameter: Mapping[str, Any]) -> bool:
    """Whether a parameter's value may be secret. CloudFormation gives no value of one with NoEcho, but its default."""
    return str(parameter.get("NoEcho", "")).lower() == "true" or _is_secret(name)


def _is_secret(name: str) -> bool:
    return bool(SECRET.search(name)) and not name.endswith(("Arn", "Name", "Length"))


def _without_secrets(template: Mapping[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    """A template without the values of secret parameters, and without literal secrets in resources."""
    shown = {section: _shown(body) for section, body in template.items()}
    for name in hidden:
        declared = shown["Parameters"][name]
        shown["Parameters"][name] = {key: declared[key] for key in declared if key not in ("Default", "AllowedValues")}
    for resource in shown["Resources"].values():
        if isinstance(resource, dict) and "Properties" in resource:
            resource["Properties"] = _shown(resource["Properties"], hides=True)
    return shown


def _shown(node: Any, name: str = "", *, hides: bool = False) -> Any:
    """A node without what looks like a secret; with `hides` also without the literals of secret properties.

    References stay, dynamic references included: they are no secrets.
    """
    match node:
        case {"Name": str(variable), "Value": value} if hides and SECRET_NAMES.search(variable):
            return {**node, "Value": _shown(value, "Password", hides=True)}
        case {"Fn::If": [condition, *values]}:
            return {"Fn::If": [condition, *(_shown(value, name, hides=hides) for value in values)]}
        case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::ImportValue": _}:
            return node
        case str() | {"Fn::Join": _} | {"Fn::Sub": _} if hides and _is_secret(name) and "{{resolve:" not in str(node):
            return HIDDEN
        case Mapping():
            return {key: _shown(value, key, hides=hides) for key, value in node.items()}
        case list():
            return [_shown(each, name, hides=hides) for each in node]
        case str():
            return redact(node)
    return node
