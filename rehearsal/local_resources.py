"""Resources on this machine for those that a program names in an account: VPCs, subnets, secrets, functions, roles.

Templates and parameters hold physical IDs and ARNs of resources that are in none of its stacks. A resource of the
same kind is created for each, once, and takes its place in every text. Parameters without a value that take an ID of
EC2 get one.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3

from generator.layers import Deployment, Layer
from generator.parts.permissions import POLICY_VERSION, trust
from rehearsal.before import given
from rehearsal.emulator.process import ACCOUNT, REGION

ID = re.compile(r"\b(vpc|subnet|sg)-[0-9a-f]{8,17}\b")
# Written out, or with pseudo parameters for the account that a stack is in; as a whole, or a pattern of a policy.
ARN = re.compile(
    r"\barn:(?:aws[a-z-]*|\$\{AWS::Partition\}):([a-z0-9-]+):(?:[a-z0-9-]*|\$\{AWS::Region\}):"
    r"(?:[0-9]{12}|\$\{AWS::AccountId\}):([\w+=,.@:/*?-]+)(?![\w+=,.@:/*?$-])"
)
# User guide, "CloudFormation-supplied parameter types": those with IDs; MemoryDB takes two subnets or more.
PARAMETER_TYPES = {
    "AWS::EC2::VPC::Id": ("vpc", 1),
    "AWS::EC2::Subnet::Id": ("subnet", 1),
    "AWS::EC2::SecurityGroup::Id": ("sg", 1),
    "List<AWS::EC2::Subnet::Id>": ("subnet", 2),
    "List<AWS::EC2::SecurityGroup::Id>": ("sg", 1),
}
FUNCTION = Path(__file__).with_name("services") / "custom_resource.py"
# The first two bytes of the created VPC's addresses, in which each subnet has a third one.
NETWORK = "10.99"
SECTIONS = ("Resources", "Outputs", "Mappings")
EVERYTHING = {"Version": POLICY_VERSION, "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass
class LocalResources:
    """`of` returns a text with other IDs: those that are `known`, and those of resources that it has `created`.

    values: of parameters, by name."""

    known: dict[str, str] = field(default_factory=dict)
    created: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    _vpc: str = ""
    _table: str = ""
    _subnets: int = 0

    def of(self, text: str) -> str:
        for kind, create in ((ARN, self._of_arn), (ID, lambda found: self._create(found[1], found[0]))):
            for found in kind.finditer(text):
                if found[0] not in self.known and found[0] not in self.known.values():
                    self.known[found[0]] = new = create(found)
                    self.created |= {found[0]: new} if new != found[0] else {}
        if not self.known:
            return text
        names = "|".join(map(re.escape, sorted(self.known, key=len, reverse=True)))
        return re.sub(rf"(?<![\w-])(?:{names})(?![\w-])", lambda found: self.known[found[0]], text)

    @property
    def notes(self) -> list[str]:
        """What differs from the account."""
        values = [f"{name} has no value: {value} was created for it." for name, value in self.values.items()]
        return values + [f"{new} takes the place of {old}." for old, new in self.created.items()]

    def parameters(
        self, deployment: Deployment, given: Mapping[str, str], deployed: Collection[str] = ()
    ) -> dict[str, str]:
        """The values `given` with the IDs of this machine, and others for what has no value and none that is deployed.

        deployed: LAYER.KEY of what keeps its value. The same parameter of two layers has the same value."""
        values = {name: self.of(value) for name, value in given.items()}
        for layer in deployment.layers:
            for name, declared in layer.parameters.items():
                kind, number = PARAMETER_TYPES.get(declared["Type"], ("", 0))
                full_name = f"{layer.name}.{name}"
                if kind and "Default" not in declared and not {name, full_name} & {*given, *deployed}:
                    if name not in self.values:
                        ids = [self._create(kind, f"{name}-{place}") for place in range(number)]
                        self.values[name] = ",".join(ids)
                    values[full_name] = self.values[name]
        return values

    def deployment(self, deployment: Deployment) -> Deployment:
        """A deployment whose templates have the IDs of this machine."""
        return replace(deployment, layers=tuple(map(self.layer, deployment.layers)))

    def layer(self, layer: Layer) -> Layer:
        template = self.in_template(layer.template)
        return layer if template == layer.template else given(layer, json.dumps(template))

    def in_template(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """A template with the IDs of this machine. Descriptions and patterns stay."""
        changed = {name: self._below(body) if name in SECTIONS else body for name, body in template.items()}
        for name, parameter in template.get("Parameters", {}).items():
            if isinstance(default := parameter.get("Default"), str):
                changed["Parameters"] = {**changed["Parameters"], name: {**parameter, "Default": self.of(default)}}
        return changed

    def _below(self, node: Any) -> Any:
        match node:
            case dict():
                return {key: self._below(value) for key, value in node.items()}
            case list():
                return [self._below(each) for each in node]
            case str():
                return self.of(node)
        return node

    def _create(self, kind: str, name: str) -> str:
        ec2 = boto3.client("ec2")
        if not self._vpc:
            self._vpc = str(ec2.create_vpc(CidrBlock=f"{NETWORK}.0.0/16")["Vpc"]["VpcId"])
            self._table = _public_routes(self._vpc)
        if kind == "vpc":
            return self._vpc
        if kind == "sg":
            made = ec2.create_security_group(GroupName=name, Description="Of a rehearsal", VpcId=self._vpc)
            return str(made["GroupId"])
        zones = ec2.describe_availability_zones()["AvailabilityZones"]
        number, self._subnets = self._subnets, self._subnets + 1
        subnet = ec2.create_subnet(
            VpcId=self._vpc,
            CidrBlock=f"{NETWORK}.{number}.0/24",
            AvailabilityZone=zones[number % len(zones)]["ZoneName"],
        )
        subnet_id = str(subnet["Subnet"]["SubnetId"])
        ec2.associate_route_table(RouteTableId=self._table, SubnetId=subnet_id)
        return subnet_id

    def _of_arn(self, found: re.Match[str]) -> str:
        service, resource = found[1], found[2]
        kind = re.split("[:/]", resource)[0] if re.search("[:/]", resource) else ""
        create = CREATE.get((service, kind))
        if create and not re.search("[*?]", resource) and "/aws-service-role/" not in resource:
            # Letters, digits and hyphens are allowed in every service's names, and 64 are not too many.
            return create(re.sub("[^A-Za-z0-9-]", "-", resource)[-64:].strip("-"))
        if "$" in found[0]:
            return found[0]
        # What is not created here has the same name in the emulator's account.
        region = "" if service in ("iam", "s3") else REGION
        return f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"


def _public_routes(vpc: str) -> str:
    """A route table to the internet. Subnets have it so that the load balancer of ECS Express Mode has public ones."""
    ec2 = boto3.client("ec2")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = str(ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"])
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    return table


def _secret(name: str) -> str:
    made = boto3.client("secretsmanager").create_secret(Name=name, SecretString="A secret of a rehearsal")
    return str(made["ARN"])


def role(name: str, service: str = "cloudformation.amazonaws.com") -> str:
    """A role that the service assumes; returns its ARN."""
    document = trust(service).to_json()
    return str(boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"])


def _policy(name: str) -> str:
    made = boto3.client("iam").create_policy(PolicyName=name, PolicyDocument=json.dumps(EVERYTHING))
    return str(made["Policy"]["Arn"])


def _function(name: str) -> str:
    """A function that answers CloudFormation's requests for a custom resource."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(FUNCTION, FUNCTION.name)
    made = boto3.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler=f"{FUNCTION.stem}.handler",
        Code={"ZipFile": packed.getvalue()},
        Role=role(name, "lambda.amazonaws.com"),
    )
    return str(made["FunctionArn"])


def _web_acl(name: str) -> str:
    visibility = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "a"}
    made = boto3.client("wafv2").create_web_acl(
        Name=name, Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=visibility
    )
    return str(made["Summary"]["ARN"])


CREATE: Mapping[tuple[str, str], Callable[[str], str]] = {
    ("acm", "certificate"): lambda name: boto3.client("acm").request_certificate(DomainName=f"{name}.example")[
        "CertificateArn"
    ],
    ("iam", "policy"): _policy,
    ("iam", "role"): role,
    ("lambda", "function"): _function,
    ("kms", "key"): lambda name: boto3.client("kms").create_key()["KeyMetadata"]["Arn"],
    ("secretsmanager", "secret"): _secret,
    ("sns", ""): lambda name: boto3.client("sns").create_topic(Name=name)["TopicArn"],
    ("wafv2", "regional"): _web_acl,
}
