"""The roles of an access layer's template, each with the credentials that a job of CI gets for a token of GitHub's.

The template is deployed with the credentials in the environment. The tokens are not signed, and the emulator checks no
signature, but it evaluates the trust of each role against their claims.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import boto3

from generator import contract
from generator.iam.access import GITHUB
from generator.layers import Layer
from generator.stacks.cloudformation import StackUpdate

REPOSITORY = "example/rehearsal"
SUBJECTS = {"preview": f"repo:{REPOSITORY}:pull_request"}
DEPLOYS = f"repo:{REPOSITORY}:environment:production"


@dataclass(frozen=True)
class Identities:
    """The credentials of each command's role as environment variables, and the outputs of the access layer's stack."""

    users: Mapping[str, Mapping[str, str]]
    outputs: Mapping[str, str]

    def of(self, verb: str) -> Mapping[str, str]:
        """The credentials with which `verb` runs; those of deploy are for `status` and `destroy` too."""
        return self.users.get(verb, self.users["deploy"])

    def options(self, verb: str, layers: Iterable[Layer]) -> list[str]:
        """The options with which a verb passes CloudFormation's role, and the boundary of the roles that it makes."""
        if verb not in ("deploy", "destroy"):
            return []
        role, boundary = self.outputs["FirstDeployment"].split(" --parameter ")
        bounded = verb == "deploy" and any(contract.PERMISSIONS_BOUNDARY_ARN in layer.parameters for layer in layers)
        return [*role.split(), *(["--parameter", boundary] if bounded else [])]


def identities(name: str, access: Layer) -> Identities:
    """Deploys the access layer of the deployment `name`, and assumes the role of each command."""
    cloudformation = boto3.client("cloudformation")
    stack = f"{name}-{access.name}"
    values = {"DeploymentName": name, "Repository": REPOSITORY}
    cloudformation.create_stack(
        StackName=stack,
        TemplateBody=StackUpdate(stack, access.text()).body,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    verbs = [verb for verb in ("preview", "deploy", "rotate") if f"{verb.capitalize()}RoleArn" in outputs]
    return Identities({verb: assumed(verb, outputs[f"{verb.capitalize()}RoleArn"]) for verb in verbs}, outputs)


def assumed(verb: str, role_arn: str, subject: str = "") -> dict[str, str]:
    """Credentials of a role, for the job that runs `verb` or for another subject."""
    claims = {"iss": f"https://{GITHUB}", "aud": "sts.amazonaws.com", "sub": subject or SUBJECTS.get(verb, DEPLOYS)}
    credentials = boto3.client("sts").assume_role_with_web_identity(
        RoleArn=role_arn, RoleSessionName=verb, WebIdentityToken=token(claims)
    )["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }


def token(claims: Mapping[str, str]) -> str:
    """A JSON web token with these claims and no signature (RFC 7519, "Unsecured JWTs")."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), ""])
