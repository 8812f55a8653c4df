"""Templates to a Mermaid flowchart: resources by network, data, access and compute, and the references between them.

Resources that exist once in each zone are one box, and so are alarms. Syntax: Mermaid documentation, "Flowcharts".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from generator.template.resources import imported_outputs, references, resources_in

GROUPS = {
    "network": ("AWS::EC2::",),
    "data": ("AWS::MemoryDB::", "AWS::SecretsManager::", "AWS::ECR::"),
    "access": ("AWS::IAM::", "AWS::KMS::", "AWS::WAFv2::"),
    "compute": ("AWS::AppRunner::", "AWS::ECS::"),
    "watch": ("AWS::CloudWatch::", "AWS::SNS::", "AWS::Logs::"),
}
NOT_OF_AN_ID = re.compile(r"\W+")
ZONE = re.compile(r"(?<=[a-z])[A-C]$")
# Types that only connect two resources: drawn as an arrow between them.
LINKS = re.compile(r"(Association|Attachment|Route)$")


class Box(NamedTuple):
    """A box of the diagram: its layer, its name in that layer, its group."""

    layer: str
    name: str
    group: str

    @property
    def id(self) -> str:
        return NOT_OF_AN_ID.sub("_", f"{self.layer}_{self.name}")


def diagram(templates: Mapping[str, str]) -> str:
    """The flowchart of one template or several, by the name of the layer.

    One of several layers has the imports between them, and leaves out the group "watch"."""
    layers = {layer: json.loads(text) for layer, text in templates.items()}
    hidden = ("watch",) if len(layers) > 1 else ()
    boxes = {
        layer: {name: box for name, box in _boxes(layer, template) if box.group not in hidden}
        for layer, template in layers.items()
    }
    lines = ["flowchart TB"]
    for layer in layers:
        lines += _subgraph(layer, boxes[layer])
    arrows = {arrow for layer, template in layers.items() for arrow in _arrows(boxes[layer], template)}
    lines += sorted(f"  {source.id} --> {target.id}" for source, target in arrows)
    imports: dict[tuple[str, str], set[str]] = {}
    for layer, template in layers.items():
        for source, output, target in _imports(layer, template, layers, boxes):
            imports.setdefault((source.id, target.id), set()).add(output)
    for (start, end), outputs in sorted(imports.items()):
        lines.append(f'  {start} -. "{"<br>".join(sorted(outputs))}" .-> {end}')
    return "\n".join(lines) + "\n"


def _boxes(layer: str, template: Mapping[str, Any]) -> Iterator[tuple[str, Box]]:
    """The box of each resource, by logical ID."""
    for logical_id, resource in resources_in(template):
        kind = resource["Type"]
        group = next((group for group, prefixes in GROUPS.items() if kind.startswith(prefixes)), "compute")
        name = ZONE.sub("", logical_id)
        if kind == "AWS::CloudWatch::Alarm":
            name = "Alarms"
        if not LINKS.search(kind):
            yield logical_id, Box(layer, name, group)


def _subgraph(layer: str, boxes: Mapping[str, Box]) -> Iterator[str]:
    yield f'  subgraph {layer.replace("-", "_")}["{layer} layer"]'
    for group in GROUPS:
        members = [box for box in boxes.values() if box.group == group]
        if members:
            yield f'    subgraph {layer.replace("-", "_")}_{group}["{group}"]'
            for box in sorted(set(members)):
                number = members.count(box)
                yield f'      {box.id}["{box.name}{f" x {number}" if number > 1 else ""}"]'
            yield "    end"
    yield "  end"


def _arrows(boxes: Mapping[str, Box], template: Mapping[str, Any]) -> Iterator[tuple[Box, Box]]:
    for logical_id, resource in resources_in(template):
        targets = [boxes[name] for name in references(resource.get("Properties", {})) if name in boxes]
        if logical_id in boxes:
            sources = [boxes[logical_id]]
        else:
            # A link, from the first resource that it refers to to the others.
            sources, targets = targets[:1], targets[1:]
        for source in sources:
            yield from ((source, target) for target in targets if target != source)


def _imports(
    layer: str,
    template: Mapping[str, Any],
    layers: Mapping[str, Mapping[str, Any]],
    boxes: Mapping[str, Mapping[str, Box]],
) -> Iterator[tuple[Box, str, Box]]:
    for logical_id, resource in resources_in(template):
        source = boxes[layer].get(logical_id)
        for output in imported_outputs(resource) if source else ():
            for other in layers:
                exported = layers[other].get("Outputs", {}).get(output)
                for name in references(exported["Value"]) if exported and other != layer else ():
                    if name in boxes[other] and source:
                        yield source, output, boxes[other][name]
                        break
