"""Templates to a Mermaid flowchart of what runs where: clients, services, the VPC with its zones and database nodes,
and the AWS services outside of it.

Everything drawn is a resource of the templates; numbers are the defaults of their parameters. Syntax: Mermaid
documentation, "Flowcharts".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generator.template.resources import imported_outputs, references, resources_in
from generator.template.stateful import is_stateful

APP_RUNNER, ECS_EXPRESS = "AWS::AppRunner::Service", "AWS::ECS::ExpressGatewayService"
# For each kind of service: its name, the type that has its number of instances, and where.
SERVICES = {
    APP_RUNNER: ("App Runner service", "AWS::AppRunner::AutoScalingConfiguration", "MinSize", "MaxSize", "instances"),
    ECS_EXPRESS: (
        "ECS Express service",
        ECS_EXPRESS,
        "ScalingTarget.MinTaskCount",
        "ScalingTarget.MaxTaskCount",
        "Fargate tasks",
    ),
}
# What a service uses outside the VPC, and the label of its arrow; other types that hold data are named after the type.
STORES = {"AWS::ECR::Repository": ("ECR", "image"), "AWS::SecretsManager::Secret": ("Secrets Manager", "secret")}
DRAWN_OTHERWISE = ("AWS::EC2::", "AWS::MemoryDB::", "AWS::Logs::", "AWS::KMS::")
WATCHING = {"AWS::CloudWatch::Alarm": "alarms", "AWS::CloudWatch::Dashboard": "dashboard"}
NOT_OF_AN_ID = re.compile(r"\W+")
# Outlines that are legible on light and on dark pages: data and service are stacks, those without and with a service.
STYLES = """\
  classDef plain fill:none,stroke:#8c959f
  classDef data fill:none,stroke:#1a7f37
  classDef service fill:none,stroke:#bc4c00
"""


@dataclass(frozen=True, eq=False)
class Resource:
    """A resource of one of the templates."""

    layer: str
    name: str
    type: str
    properties: Mapping[str, Any]

    @property
    def id(self) -> str:
        return NOT_OF_AN_ID.sub("_", f"{self.layer}_{self.name}")


def architecture(templates: Mapping[str, str]) -> str:
    """The flowchart of a deployment's templates, by the names of their layers; empty without a service."""
    stacks = _Stacks(templates)
    services = stacks.of(*SERVICES)
    if not services:
        return ""
    vpcs = stacks.of("AWS::EC2::VPC")
    title, style = (
        (f"VPC {vpcs[0].properties.get('CidrBlock')}", stacks.style(vpcs[0])) if vpcs else ("existing VPC", "plain")
    )
    region = [
        *(_service(stacks, service) for service in stacks.of(APP_RUNNER)),
        *_subgraph("vpc", title, _inside(stacks), style=style),
        *_outside(stacks, services),
    ]
    lines = ['client(["Clients"]):::plain', *_subgraph("region", "AWS Region", region), *_arrows(stacks, services)]
    return "\n".join(["flowchart LR", *(f"  {line}" for line in lines), STYLES])


class _Stacks:
    """The resources of several templates, and what each template reaches through imports."""

    def __init__(self, templates: Mapping[str, str]) -> None:
        self.templates = {layer: json.loads(text) for layer, text in templates.items()}
        self.resources = {
            (layer, name): Resource(layer, name, body["Type"], body.get("Properties", {}))
            for layer, template in self.templates.items()
            for name, body in resources_in(template)
        }

    def of(self, *types: str, among: Iterable[Resource] | None = None) -> list[Resource]:
        return [one for one in (self.resources.values() if among is None else among) if one.type in types]

    def style(self, resource: Resource) -> str:
        """The outline of what is in the stack of `resource`."""
        return "service" if any(service.layer == resource.layer for service in self.of(*SERVICES)) else "data"

    def referred(self, layer: str, node: Any) -> Iterator[Resource]:
        """The resources that `node` of a layer refers to, also through what it imports."""
        for name in references(node):
            if (layer, name) in self.resources:
                yield self.resources[layer, name]
        for output in imported_outputs(node):
            for other, template in self.templates.items():
                if other != layer and output in template.get("Outputs", {}):
                    yield from self.referred(other, template["Outputs"][output]["Value"])

    def reached(self, service: Resource) -> list[Resource]:
        """The resources of the service's own template and what it imports of others; each once, in order."""
        own = (one for one in self.resources.values() if one.layer == service.layer)
        return list(dict.fromkeys((*own, *self.referred(service.layer, self.templates[service.layer]))))

    def number(self, resource: Resource, path: str) -> int | None:
        """The number at a property, or the default of the parameter that it refers to; None if it is neither."""
        node: Any = resource.properties
        for key in path.split("."):
            node = node.get(key) if isinstance(node, dict) else None
        if isinstance(node, dict) and set(node) == {"Ref"}:
            node = self.templates[resource.layer].get("Parameters", {}).get(node["Ref"], {}).get("Default")
        return int(node) if str(node).isdecimal() else None

    def public_subnets(self) -> set[Resource]:
        """The subnets with a route to an internet gateway."""
        routed = {
            table
            for route in self.of("AWS::EC2::Route")
            if "GatewayId" in route.properties
            for table in self.referred(route.layer, route.properties["RouteTableId"])
        }
        return {
            subnet
            for link in self.of("AWS::EC2::SubnetRouteTableAssociation")
            if routed & set(self.referred(link.layer, link.properties["RouteTableId"]))
            for subnet in self.referred(link.layer, link.properties["SubnetId"])
        }

    def subnets(self, resource: Resource) -> list[Resource]:
        """The subnets of the templates that a resource is in."""
        return self.of("AWS::EC2::Subnet", among=self.referred(resource.layer, resource.properties))


def _service(stacks: _Stacks, service: Resource) -> str:
    """The box of a service: its kind, its layer, and how many instances it may have."""
    kind, scaling, least, most, unit = SERVICES[service.type]
    lines = [f"<b>{kind}</b>", service.layer]
    for one in stacks.of(scaling, among=stacks.reached(service))[:1]:
        numbers = stacks.number(one, least), stacks.number(one, most)
        if None not in numbers:
            lines.append(f"{numbers[0]} to {numbers[1]} {unit}")
    return f'{service.id}["{"<br>".join(lines)}"]:::service'


def _inside(stacks: _Stacks) -> Iterator[str]:
    """What is in the VPC, from the services to the database."""
    for connector in stacks.of("AWS::AppRunner::VpcConnector"):
        yield f'{connector.id}["VPC connector"]:::{stacks.style(connector)}'
    for service in stacks.of(ECS_EXPRESS):
        balancer = f'{service.id}_balancer["<b>Application<br>Load Balancer</b>"]:::service'
        subnets = stacks.subnets(service)
        title, style = f"{_kind(stacks, subnets)}subnets", stacks.style(subnets[0]) if subnets else "plain"
        yield from _subgraph(f"{service.id}_subnets", title, [balancer, _service(stacks, service)], style=style)
    for gateway in stacks.of("AWS::EC2::NatGateway")[:1]:
        yield f'{gateway.id}["NAT gateway"]:::{stacks.style(gateway)}'
    if endpoints := stacks.of("AWS::EC2::VPCEndpoint"):
        yield f'endpoints["{len(endpoints)} VPC endpoints"]:::{stacks.style(endpoints[0])}'
    for cluster in stacks.of("AWS::MemoryDB::Cluster"):
        yield from _zones(stacks, cluster)


def _kind(stacks: _Stacks, subnets: Sequence[Resource]) -> str:
    """Public or private; nothing for subnets that are not in the templates."""
    return "" if not subnets else "public " if stacks.public_subnets() & set(subnets) else "private "


def _nodes(stacks: _Stacks, cluster: Resource) -> list[str]:
    replicas = stacks.number(cluster, "NumReplicasPerShard")
    return [f"{cluster.id}_{number}" for number in range(1 + (1 if replicas is None else replicas))]


def _zones(stacks: _Stacks, cluster: Resource) -> Iterator[str]:
    """The primary and the replicas of a shard, each in the zone of one of the cluster's subnets."""
    shards = stacks.number(cluster, "NumShards") or 1
    each = f"<br>of {shards} shards" if shards > 1 else ""
    nodes = [
        f'{node}[("MemoryDB<br>{"replica" if number else "primary"}{each}")]:::data'
        for number, node in enumerate(_nodes(stacks, cluster))
    ]
    groups = stacks.referred(cluster.layer, cluster.properties.get("SubnetGroupName"))
    subnets = [subnet for group in groups for subnet in stacks.subnets(group)]
    if not subnets:
        yield from nodes
    # Mermaid draws the last one on top.
    for number, subnet in reversed(list(enumerate(subnets[: len(nodes)]))):
        title = f"zone {number + 1} · {_kind(stacks, [subnet])}subnet"
        yield from _subgraph(subnet.id, title, nodes[number :: len(subnets)], style=stacks.style(subnet))


def _outside(stacks: _Stacks, services: Sequence[Resource]) -> Iterator[str]:
    """What the services use outside the VPC."""
    for store in dict.fromkeys(store for service in services for store in _stores(stacks, service)):
        words, _ = STORES.get(store.type, (" ".join(store.type.split("::")[1:]), ""))
        yield f'{store.id}["{words}<br>{store.name}"]:::{stacks.style(store)}'
    watching = ["logs", *(words for kind, words in WATCHING.items() if stacks.of(kind))]
    yield f'watch["CloudWatch<br>{", ".join(watching)}"]:::plain'


def _stores(stacks: _Stacks, service: Resource) -> list[Resource]:
    return [
        one for one in stacks.reached(service) if is_stateful(one.type) and not one.type.startswith(DRAWN_OTHERWISE)
    ]


def _arrows(stacks: _Stacks, services: Sequence[Resource]) -> Iterator[str]:
    for service in services:
        reached = stacks.reached(service)
        # What makes the service's connections to the VPC, and what fetches the image and the secret.
        caller = fetcher = service.id
        if service.type == ECS_EXPRESS:
            yield f'client -- "HTTPS" --> {service.id}_balancer -- "HTTP" --> {service.id}'
            if stacks.of("AWS::EC2::VPCEndpoint"):
                yield f"{service.id} --> endpoints"
                fetcher = "endpoints"
        else:
            private = stacks.of("AWS::AppRunner::VpcIngressConnection", among=reached)
            yield f'client -- "HTTPS{", inside the VPC" if private else ""}" --> {service.id}'
            for connector in stacks.of("AWS::AppRunner::VpcConnector", among=reached):
                yield f"{service.id} --> {connector.id}"
                caller = connector.id
        for gateway in stacks.of("AWS::EC2::NatGateway")[:1]:
            yield f"{caller} --> {gateway.id}"
        for cluster in stacks.of("AWS::MemoryDB::Cluster", among=reached):
            port = cluster.properties.get("Port", 6379)
            yield f'{caller} -- "TLS {port}" --> {" & ".join(_nodes(stacks, cluster))}'
        for store in _stores(stacks, service):
            yield f'{fetcher} -. "{STORES.get(store.type, ("", "data"))[1]}" .-> {store.id}'
        yield f'{fetcher} -. "logs" .-> watch'


def _subgraph(identifier: str, title: str, lines: Iterable[str], *, style: str = "plain") -> Iterator[str]:
    """The lines of a subgraph; none if there is nothing in it."""
    inner = list(lines)
    if inner:
        yield f'subgraph {identifier}["{title}"]'
        yield from (f"  {line}" for line in ("direction LR", *inner))
        yield "end"
        yield f"class {identifier} {style}"
