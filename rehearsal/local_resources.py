"""Resources on this machine for those that a template names in an account: VPCs, subnets, secrets, keys, topics, roles.

Templates and parameters hold physical IDs and ARNs of resources that are in none of its stacks. A resource of the
same kind is created for each, once, and takes its place in every text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3

from generator.parts.permissions import trust
from rehearsal.emulator.process import ACCOUNT, REGION

ID = re.compile(r"\b(vpc|subnet|sg)-[0-9a-f]{8,17}\b")
ARN = re.compile(r"\barn:aws[a-z-]*:([a-z0-9-]+):[a-z0-9-]*:[0-9]{12}:([\w+=,.@:/-]+)")
# The first two bytes of the created VPC's addresses, in which each subnet has a third one.
NETWORK = "10.99"
SECTIONS = ("Resources", "Outputs", "Mappings")


@dataclass
class LocalResources:
    """`of` returns a text with other IDs: those that are `known`, and those of resources that it has `created`."""

    known: dict[str, str] = field(default_factory=dict)
    created: dict[str, str] = field(default_factory=dict)
    _vpc: str = ""
    _subnets: int = 0

    def of(self, text: str) -> str:
        for kind, create in ((ARN, self._of_arn), (ID, self._of_id)):
            for found in kind.finditer(text):
                if found[0] not in self.known and found[0] not in self.known.values():
                    self.known[found[0]] = self.created[found[0]] = create(found)
        if not self.known:
            return text
        names = "|".join(map(re.escape, sorted(self.known, key=len, reverse=True)))
        return re.sub(rf"(?<![\w-])(?:{names})(?![\w-])", lambda found: self.known[found[0]], text)

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

    def _of_id(self, found: re.Match[str]) -> str:
        ec2 = boto3.client("ec2")
        if not self._vpc:
            self._vpc = str(ec2.create_vpc(CidrBlock=f"{NETWORK}.0.0/16")["Vpc"]["VpcId"])
        if found[1] == "vpc":
            return self._vpc
        if found[1] == "sg":
            made = ec2.create_security_group(GroupName=found[0], Description="Of a rehearsal", VpcId=self._vpc)
            return str(made["GroupId"])
        zones = ec2.describe_availability_zones()["AvailabilityZones"]
        number, self._subnets = self._subnets, self._subnets + 1
        subnet = ec2.create_subnet(
            VpcId=self._vpc,
            CidrBlock=f"{NETWORK}.{number}.0/24",
            AvailabilityZone=zones[number % len(zones)]["ZoneName"],
        )
        return str(subnet["Subnet"]["SubnetId"])

    def _of_arn(self, found: re.Match[str]) -> str:
        service, resource = found[1], found[2]
        kind = re.split("[:/]", resource)[0] if re.search("[:/]", resource) else ""
        if create := CREATE.get((service, kind)):
            # Letters, digits and hyphens are allowed in every service's names, and 64 are not too many.
            return create(re.sub("[^A-Za-z0-9-]", "-", resource)[-64:].strip("-"))
        # A service whose resources are not created here: the same name in the emulator's account.
        region = "" if service in ("iam", "s3") else REGION
        return f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"


def _secret(name: str) -> str:
    made = boto3.client("secretsmanager").create_secret(Name=name, SecretString="A secret of a rehearsal")
    return str(made["ARN"])


def _role(name: str) -> str:
    document = trust("cloudformation.amazonaws.com").to_json()
    return str(boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"])


def _policy(name: str) -> str:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    made = boto3.client("iam").create_policy(PolicyName=name, PolicyDocument=json.dumps(document))
    return str(made["Policy"]["Arn"])


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
    ("iam", "role"): _role,
    ("kms", "key"): lambda name: boto3.client("kms").create_key()["KeyMetadata"]["Arn"],
    ("secretsmanager", "secret"): _secret,
    ("sns", ""): lambda name: boto3.client("sns").create_topic(Name=name)["TopicArn"],
    ("wafv2", "regional"): _web_acl,
}
