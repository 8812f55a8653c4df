"""A template that is too large for a request goes through a bucket, with the statement of docs/permissions.md."""

from __future__ import annotations

import json
import re

import boto3
import pytest
from troposphere import ssm

from generator import contract
from generator.iam.access import access_deployment
from generator.layers import Deployment, Layer
from rehearsal import local_aws
from rehearsal.emulator.identities import identities
from rehearsal.emulator.process import Emulator
from tests.command import Captured, Command
from tests.running import ROOT

BUCKET, OTHER = "templates-of-users", "templates-of-others"
LAYER = Layer(
    "large", "Parameters.", tuple(ssm.Parameter(f"Value{n}", Type="String", Value="x" * 60) for n in range(500))
)
BUCKET_OPTION = ("--layer", "large", "--template-bucket", BUCKET)


@pytest.fixture(scope="module")
def users(aws: Emulator) -> dict[str, dict[str, str]]:
    """Those that preview and deploy, with the policies and the statement of the page."""
    for bucket in (BUCKET, OTHER):
        place = {"LocationConstraint": aws.environment["AWS_REGION"]}
        boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    page = (ROOT / "docs" / "permissions.md").read_text()
    (statement,) = re.findall(r'\{"Sid": "Templates".*\}', page)
    made = identities("users", access_deployment(Deployment("large", (LAYER,))).layers[0])
    document = {"Version": "2012-10-17", "Statement": [json.loads(statement.replace("BUCKET", BUCKET))]}
    for verb in ("preview", "deploy"):
        boto3.client("iam").put_role_policy(
            RoleName=f"users-{verb}", PolicyName="templates", PolicyDocument=json.dumps(document)
        )
    return {verb: {**aws.environment, **made.of(verb)} for verb in ("preview", "deploy")}


def test_it_is_uploaded_and_its_change_set_is_executed(users: dict[str, dict[str, str]], capsys: Captured) -> None:
    assert len(LAYER.text().encode()) > contract.TEMPLATE_BODY_LIMIT
    command = Command(lambda: [Deployment("large", (LAYER,))], capsys)
    with local_aws.environment(users["preview"]):
        said = command.must("preview", *BUCKET_OPTION)
    assert f"to {BUCKET}/users-large/" in said
    assert "500 added" in said
    with local_aws.environment(users["deploy"]):
        said = command.must("deploy", "--yes", *BUCKET_OPTION)
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName="users-large")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    listed = boto3.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert len(listed) == 1


def test_another_bucket_is_refused(users: dict[str, dict[str, str]], capsys: Captured) -> None:
    command = Command(lambda: [Deployment("large", (LAYER,))], capsys)
    with local_aws.environment(users["preview"]):
        refused = command("preview", *BUCKET_OPTION[:3], OTHER)
    assert refused.code == 1
    assert "AWS does not permit PutObject" in refused.out
