"""What a change does to rights: of a resource's properties before and after, what is broader, narrower or different.

Never silent: what cannot be compared is "different". Never narrow where it is not sure: two rules that only together
include a new one are not seen to, so that one is called broader.

Facts, each from the CloudFormation page of its type: defaults of properties; a security group without an egress rule
sends anywhere, and one to 127.0.0.1/32 closes it; an interface or gateway endpoint without a policy allows everything
through it.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from generator.review import access_string, statements
from generator.review.intrinsics import decide, is_intrinsic, outcomes
from generator.review.patterns import Truth, every, has_token, includes, is_unknown, pattern, readable, some
from generator.review.statements import Direction, includes_network, listed

Properties = Mapping[str, Any]

ALLOW_ALL = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
# Without a key policy the account's IAM policies decide.
ACCOUNT_DECIDES = {"Statement": [{**ALLOW_ALL["Statement"][0], "Principal": {"AWS": {"Ref": "AWS::AccountId"}}}]}
DEFAULT_POLICIES = {
    "AWS::EC2::VPCEndpoint": ("PolicyDocument", ALLOW_ALL),
    "AWS::KMS::Key": ("KeyPolicy", ACCOUNT_DECIDES),
}
POLICY_NAME = re.compile(r"(?<!Lifecycle)(?<!Ssl)(?<!SSL)Polic(y|ies)(Document|Text)?$")

ATTACHED = {
    "ManagedPolicyArns": ("managed policy", "AWS::IAM::"),
    **dict.fromkeys(("Roles", "Users", "Groups"), ("IAM statement", "AWS::IAM::")),
    "UserNames": ("access string", "AWS::MemoryDB::ACL"),
    "UserIds": ("access string", "AWS::ElastiCache::UserGroup"),
    **dict.fromkeys(("SecurityGroups", "SecurityGroupIds", "VpcSecurityGroupIds"), ("security group", "AWS::")),
}
"""Lists to which something is added, or from which it is taken: what is attached, and to which types."""

PUBLIC: dict[str, list[tuple[str, str, str | None]]] = {
    "AWS::AppRunner::Service": [("NetworkConfiguration.IngressConfiguration.IsPubliclyAccessible", "true", "true")],
    "AWS::DMS::ReplicationInstance": [("PubliclyAccessible", "true", "true")],
    "AWS::EC2::Subnet": [("MapPublicIpOnLaunch", "true", "false")],
    "AWS::ECS::Service": [("NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp", "ENABLED", "DISABLED")],
    "AWS::EKS::Cluster": [("ResourcesVpcConfig.EndpointPublicAccess", "true", "true")],
    "AWS::ElasticLoadBalancing::LoadBalancer": [("Scheme", "internet-facing", "internet-facing")],
    "AWS::ElasticLoadBalancingV2::LoadBalancer": [("Scheme", "internet-facing", "internet-facing")],
    "AWS::AmazonMQ::Broker": [("PubliclyAccessible", "true", None)],
    "AWS::Lambda::Url": [("AuthType", "NONE", None)],
    "AWS::RDS::DBInstance": [("PubliclyAccessible", "true", None)],
    "AWS::Redshift::Cluster": [("PubliclyAccessible", "true", None)],
    "AWS::S3::Bucket": [
        (f"PublicAccessBlockConfiguration.{name}", "false", None)
        for name in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    ],
}
"""The properties of a type that make it public, the value that does, and what holds without the property."""

PRESENT: dict[str, tuple[str, str, Direction, str]] = {
    "AWS::EC2::Route": ("public exposure", "GatewayId", "broader", "a route through a gateway"),
    "AWS::EC2::VPCGatewayAttachment": ("public exposure", "InternetGatewayId", "broader", "a way to the internet"),
    "AWS::WAFv2::WebACLAssociation": ("web firewall", "WebACLArn", "narrower", "a firewall in front of it"),
}
"""Types whose presence gives or takes a right: its kind, the property that says so, the direction when it is added."""


@dataclass(frozen=True)
class Right:
    """One change of rights: `rule` is the statement or rule as it reads, `why` what it does. direction: granted where
    there was no stack to compare with."""

    logical_id: str
    kind: str
    direction: Direction
    rule: str
    why: str


def rights(logical_id: str, resource_type: str, before: Properties | None, after: Properties | None) -> list[Right]:
    """What changes, broader first; `before` is None for a new resource, `after` for one that goes.

    Under Fn::If each outcome of the conditions is looked at.
    """
    found: dict[Right, None] = {}
    for holds in outcomes(before, after):
        old, new = decide(before, holds), decide(after, holds)
        for kind, direction, rule, why in _changes(resource_type, old, new):
            found[Right(logical_id, kind, direction, rule, why)] = None
    order = ("broader", "different", "narrower")
    return sorted(found, key=lambda right: order.index(right.direction))


_Change = tuple[str, Direction, str, str]


def _changes(resource_type: str, old: Properties | None, new: Properties | None) -> Iterator[_Change]:
    yield from _policies(resource_type, old, new)
    yield from _boundary(old, new)
    yield from _attached(resource_type, old, new)
    yield from _network(resource_type, old, new)
    yield from _access_strings(old, new)
    yield from _exposure(resource_type, old, new)
    if resource_type in PRESENT:
        kind, name, direction, what = PRESENT[resource_type]
        yield from _presence(kind, direction, what, *((side or {}).get(name) for side in (old, new)))


def _policies(resource_type: str, old: Properties | None, new: Properties | None) -> Iterator[_Change]:
    if resource_type == "AWS::EC2::VPCEndpoint" and None in (old, new):
        return  # Its policy limits what others allow.
    sides = [_documents(resource_type, side) for side in (old, new)]
    for kind in dict.fromkeys((*sides[0], *sides[1])):
        before, after = (side.get(kind, []) for side in sides)
        if before == after and not is_unknown(str(after)):
            continue
        try:
            for direction, statement, why in statements.compare(before, after):
                yield kind, direction, statement, why
        except ValueError:
            yield kind, "different", _text(after or before), "cannot be compared: a policy cannot be read here"


def _documents(resource_type: str, properties: Properties | None) -> dict[str, list[Any]]:
    """The policy documents of a resource by their kind: all inline policies of a role count together."""
    found = defaultdict(list)
    if properties is None:
        return {}
    iam = resource_type.startswith("AWS::IAM::")
    if resource_type == "AWS::Lambda::Permission":
        return {"resource policy": [_permission(properties)]}
    name, default = DEFAULT_POLICIES.get(resource_type, ("", None))
    if name and not properties.get(name):
        properties = {**properties, name: default}
    for path, value in _entries({"": properties}):
        document = isinstance(value, Mapping) and "Statement" in value
        text = isinstance(value, str) and value.lstrip().startswith("{") and '"Statement"' in value
        # A policy that is a reference, or that CloudFormation cut or does not know yet.
        opaque = POLICY_NAME.search(path) and (is_intrinsic(value) or (isinstance(value, str) and is_unknown(value)))
        if document or text or opaque:
            kind = "trust policy" if path.endswith("AssumeRolePolicyDocument") else "IAM statement"
            found[kind if iam else "resource policy"].append(value)
    return dict(found)


def _permission(properties: Properties) -> Properties:
    """AWS::Lambda::Permission as the statement that Lambda adds to the function's policy."""
    principal = properties.get("Principal")
    service = isinstance(principal, str) and "." in principal and not principal.startswith("arn:")
    keys = {
        "SourceArn": ("ArnLike", "aws:SourceArn"),
        "SourceAccount": ("StringEquals", "aws:SourceAccount"),
        "PrincipalOrgID": ("StringEquals", "aws:PrincipalOrgID"),
        "EventSourceToken": ("StringEquals", "lambda:EventSourceToken"),
        "FunctionUrlAuthType": ("StringEquals", "lambda:FunctionUrlAuthType"),
    }
    condition: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, (operator, key) in keys.items():
        if name in properties:
            condition[operator][key] = properties[name]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": principal} if service else principal if principal == "*" else {"AWS": principal},
        "Action": properties.get("Action"),
        "Resource": properties.get("FunctionName"),
        **({"Condition": dict(condition)} if condition else {}),
    }
    return {"Statement": [statement]}


def _boundary(old: Properties | None, new: Properties | None) -> Iterator[_Change]:
    if old is not None and new is not None:
        limits = (side.get("PermissionsBoundary") for side in (old, new))
        yield from _presence("permissions boundary", "narrower", "a limit on all its policies", *limits)


def _attached(resource_type: str, old: Properties | None, new: Properties | None) -> Iterator[_Change]:
    lists: list[dict[str, Any]] = [{}, {}]
    for found, side in zip(lists, (old, new), strict=True):
        for path, value in _entries(side or {}):
            found.setdefault(path, value)
    for path in {**lists[0], **lists[1]}:
        kind, types = ATTACHED.get(path.rpartition(".")[2], ("", "none"))
        # The statements of a new policy are named already.
        if not resource_type.startswith(types) or (kind == "IAM statement" and None in (old, new)):
            continue
        before, after = ({pattern(one) for one in listed(found.get(path))} for found in lists)
        gained, lost = sorted(map(readable, after - before)), sorted(map(readable, before - after))
        unsure = bool(gained and lost) and has_token(*(after ^ before))
        if gained:
            yield kind, "different" if unsure else "broader", ", ".join(gained), f"added to {path}"
        if lost:
            yield kind, "different" if unsure else "narrower", ", ".join(lost), f"taken from {path}"


@dataclass(frozen=True)
class _Rule:
    """A security-group rule; a peer is a network, a group or a prefix list, with its kind."""

    way: str
    group: str
    protocol: str
    ports: tuple[str, str]
    kind: str
    peer: str

    def covers(self, other: _Rule) -> Truth:
        protocol = Truth.YES if self.protocol == "-1" else includes(self.protocol, other.protocol)
        same = (includes(self.group, other.group), protocol, self._peer(other), self._ports(other))
        return every((Truth.YES if self.way == other.way else Truth.NO, *same))

    def _ports(self, other: _Rule) -> Truth:
        try:
            (first, last), (others_first, others_last) = map(int, self.ports), map(int, other.ports)
        except ValueError:
            return every(includes(*pair) for pair in zip(self.ports, other.ports, strict=True))
        return Truth.YES if first <= others_first and others_last <= last else Truth.NO

    def _peer(self, other: _Rule) -> Truth:
        # A group's members may use IPv6 too, so not even 0.0.0.0/0 includes a group.
        if self.kind != other.kind:
            return Truth.NO
        try:
            return includes_network(self.peer, other.peer)
        except ValueError:
            return includes(self.peer, other.peer)

    def __str__(self) -> str:
        ports = "" if self.protocol == "-1" else f" {'-'.join(dict.fromkeys(self.ports))}"
        protocol = "all traffic" if self.protocol == "-1" else self.protocol
        group = f" of {self.group}" if self.group else ""
        return readable(f"{self.way}{group}: {protocol}{ports}, {self.peer}")


def _network(resource_type: str, old: Properties | None, new: Properties | None) -> Iterator[_Change]:
    before, after = (set(_rules(resource_type, side)) for side in (old, new))
    compared: tuple[tuple[set[_Rule], set[_Rule], Direction, str], ...] = (
        (after, before, "broader", "opened"),
        (before, after, "narrower", "closed"),
    )
    for ours, theirs, direction, verb in compared:
        for rule in sorted(ours, key=str):
            truth = some(other.covers(rule) for other in theirs)
            if truth is Truth.NO:
                yield "security-group rule", direction, str(rule), verb
            elif truth is Truth.MAYBE:
                unsure = f"possibly {verb}; this cannot be decided before the deployment"
                yield "security-group rule", "different", str(rule), unsure


def _rules(resource_type: str, properties: Properties | None) -> Iterator[_Rule]:
    if properties is None or not resource_type.startswith("AWS::EC2::SecurityGroup"):
        return
    if resource_type == "AWS::EC2::SecurityGroup":
        given = [("ingress", "", rule) for rule in listed(properties.get("SecurityGroupIngress"))]
        anywhere = [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}, {"IpProtocol": "-1", "CidrIpv6": "::/0"}]
        given += [("egress", "", rule) for rule in listed(properties.get("SecurityGroupEgress")) or anywhere]
    else:
        way = resource_type.removeprefix("AWS::EC2::SecurityGroup").lower()
        given = [(way, pattern(properties.get("GroupId", "")), properties)]
    for way, group, rule in given:
        if not isinstance(rule, Mapping) or is_intrinsic(rule):
            rule = {"IpProtocol": "-1", "Rule": rule}
        protocol = pattern(rule.get("IpProtocol", "-1"))
        protocol = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}.get(protocol, protocol)
        ports = [pattern(rule.get(name, "-1")) for name in ("FromPort", "ToPort")]
        every_port = protocol == "-1" or ports[0] == "-1"
        limits = ("0", "65535") if every_port else (ports[0], ports[1])
        for name, value in rule.items():
            # A group by its ID or name, a prefix list, a network; whose group it is says nothing more.
            if re.match("Cidr|Source|Destination|Rule", name) and not name.endswith("OwnerId"):
                peer = pattern(value)
                if way == "ingress" or not _leads_nowhere(peer):
                    yield _Rule(way, group, protocol, limits, name, peer)


def _leads_nowhere(peer: str) -> bool:
    """Whether no traffic leaves to a network: its only use is to close a group's egress."""
    try:
        network = ipaddress.ip_network(peer)
    except ValueError:
        return False
    return network.is_loopback or str(network) == "255.255.255.255/32"


def _access_strings(old: Properties | None, new: Properties | None) -> Iterator[_Change]:
    texts = [(side or {}).get("AccessString", "off") for side in (old, new)]
    for direction, why in access_string.difference(*map(pattern, texts)):
        # Redis takes passwords here too, although neither MemoryDB nor ElastiCache does.
        shown = re.sub(r"(?<!\S)[<>#!]\S+", "(hidden)", readable(pattern(texts[1])))
        yield "access string", direction, shown, why
    acls = [(side or {}).get("ACLName") for side in (old, new)]
    if acls[0] != acls[1] and None not in (old, new):
        opened: Direction = "broader" if acls[1] == "open-access" else "different"
        yield "access string", opened, _text(acls[1]), f"another list of users (was {_text(acls[0])})"


def _exposure(resource_type: str, old: Properties | None, new: Properties | None) -> Iterator[_Change]:
    for path, public, default in PUBLIC.get(resource_type, ()):
        before, after = (Truth.NO if side is None else _is(public, side, path, default) for side in (old, new))
        rule = f"{path}: {_at(new or old or {}, path) or default or '(default)'}"
        if before < after is Truth.YES:
            yield "public exposure", "broader", rule, "newly public"
        elif before > after is Truth.NO:
            yield "public exposure", "narrower", rule, "no longer public"
        elif before is not after and None not in (old, new):
            yield "public exposure", "different", rule, "the default decides whether it is public"
    if resource_type == "AWS::ECS::ExpressGatewayService" and new is not None:
        subnets = [_at(side or {}, "NetworkConfiguration.Subnets") for side in (old, new)]
        if subnets[0] != subnets[1] or old is None:
            why = "the subnets decide whether the load balancer is internet-facing"
            yield "public exposure", "different", f"Subnets: {subnets[1]}", why


def _presence(kind: str, added: Direction, what: str, before: Any, after: Any) -> Iterator[_Change]:
    """Of something that is there or is not; `added` is the direction in which adding it goes."""
    removed: Direction = "narrower" if added == "broader" else "broader"
    if before == after and not is_unknown(str(after)):
        return
    if before is None or after is None:
        direction, verb = (added, "added") if before is None else (removed, "removed")
        yield kind, direction, _text(after or before), f"{what} is {verb}"
    else:
        yield kind, "different", _text(after), f"{what} is another one (was {_text(before)})"


def _is(public: str, properties: Properties, path: str, default: str | None) -> Truth:
    value = _at(properties, path) or default
    return Truth.MAYBE if value is None else Truth.YES if value == public else Truth.NO


def _at(properties: Properties, path: str) -> str:
    """The value at a path as text; empty if it is absent."""
    value: Any = properties
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return "" if value is None else _text(value)


def _entries(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every property and item below a node with its path, in which places in lists do not count."""
    if isinstance(node, list):
        inside = [(path, item) for item in node]
    elif isinstance(node, Mapping) and not is_intrinsic(node):
        inside = [(f"{path}.{key}" if path else key, value) for key, value in node.items()]
    else:
        return
    for inner, value in inside:
        yield inner, value
        yield from _entries(value, inner)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else readable(pattern(value)) if is_intrinsic(value) else json.dumps(value)
