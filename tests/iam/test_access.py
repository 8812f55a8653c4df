"""The access layer's template, and what IAM refuses to the roles that it makes."""

from __future__ import annotations

import importlib
import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import boto3
import botocore.exceptions
import pytest
from awacs import aws as awacs
from awacs import s3, secretsmanager
from troposphere import GetAtt, Join, Ref, Sub, iam
from troposphere.s3 import Bucket

from generator import (
    Settings,
    TemplateError,
    Workload,
    app_runner_layer,
    data_layer,
    ecs_express_layer,
    export,
    imported,
)
from generator.iam import policies
from generator.iam.access import PLACEHOLDER, access_deployment
from generator.iam.boundary import boundary
from generator.layers import Deployment, Layer, app_runner_deployment, default_deployments
from generator.operations.options import ChangeOptions
from generator.operations.updates import stack_updates
from generator.parts.permissions import policy, trust
from generator.template.lint import lint
from rehearsal.emulator.identities import Identities, assumed, identities
from rehearsal.emulator.process import ACCOUNT, Emulator
from rehearsal.local_aws import NAME, environment
from tests.command import Captured, Command
from tests.running import ROOT
from tests.ui import ListUI

DEPLOYMENTS = default_deployments()


def resolved(node: Any, values: dict[str, str]) -> Any:
    match node:
        case {"Fn::Sub": str() as text}:
            for name, value in values.items():
                text = text.replace(f"${{{name}}}", value)
            return text
        case dict():
            return {key: resolved(value, values) for key, value in node.items()}
        case list():
            return [resolved(value, values) for value in node]
    return node


def policy_of(template: Any, logical_id: str, name: str) -> Any:
    properties = template["Resources"][logical_id]["Properties"]
    document = properties["PolicyDocument"] if "PolicyDocument" in properties else properties["Policies"][0]
    document = document.get("PolicyDocument", document)
    return resolved(document, {"DeploymentName": name, "AWS::Partition": "aws", "AWS::AccountId": "*"})


def test_cloudformation_s_role_is_for_stacks_of_this_account_only() -> None:
    (statement,) = access(DEPLOYMENTS[0])["Resources"]["CloudFormationRole"]["Properties"]["AssumeRolePolicyDocument"][
        "Statement"
    ]
    assert statement["Principal"] == {"Service": ["cloudformation.amazonaws.com"]}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def access(deployment: Deployment, **more: Any) -> Any:
    return access_deployment(deployment, **more).layers[0].template


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment.name)
def test_the_policies_are_those_of_the_files(deployment: Deployment) -> None:
    template = access(deployment)
    files = {
        "preview": "PreviewRole",
        "deploy": "DeployRole",
        "rotate": "RotateRole",
        "execution-role": "CloudFormationRole",
        "boundary": "PermissionsBoundary",
    }
    documents = policies.documents(deployment.layers, "shop")
    assert set(documents) - {f"{file}.json" for file in files} == {"drift.json"}
    for file, logical_id in files.items():
        assert policy_of(template, logical_id, "shop") == json.loads(documents[f"{file}.json"])
    assert PLACEHOLDER not in json.dumps(template)


def trusted(template: Any, role: str, provider: str) -> Any:
    github, gitlab = (
        template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Fn::If"][n] for n in (2, 1)
    )
    document = resolved(
        github if provider == "GitHub" else gitlab, {"Repository": "o/r", "Branch": "main", "Environment": "live"}
    )
    return document["Statement"][0]["Condition"]


GITHUB = "token.actions.githubusercontent.com"


@pytest.mark.parametrize("role", ["DeployRole", "RotateRole"])
def test_only_jobs_in_the_environment_deploy_and_rotate(role: str) -> None:
    assert trusted(access(DEPLOYMENTS[0]), role, "GitHub") == {
        "StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com", f"{GITHUB}:sub": ["repo:o/r:environment:live"]}
    }


def test_pull_requests_and_the_branch_preview() -> None:
    assert trusted(access(DEPLOYMENTS[0]), "PreviewRole", "GitHub")["StringEquals"][f"{GITHUB}:sub"] == [
        "repo:o/r:pull_request",
        "repo:o/r:ref:refs/heads/main",
    ]


def test_gitlab_has_a_host_and_its_branch_deploys() -> None:
    template = access(DEPLOYMENTS[0], gitlab="git.example.com")
    subject = {"git.example.com:sub": "project_path:o/r:ref_type:branch:ref:main"}
    assert trusted(template, "DeployRole", "GitLab") == {
        "StringEquals": {"git.example.com:aud": "https://git.example.com", **subject}
    }
    assert trusted(template, "PreviewRole", "GitLab")["StringLike"] == {
        "git.example.com:sub": "project_path:o/r:ref_type:branch:ref:*"
    }


def test_name_is_the_deployment_s_name() -> None:
    deployment = access_deployment(DEPLOYMENTS[0])
    options = ChangeOptions(name="shop", parameters={"Repository": "o/r"})
    ((_, update),) = stack_updates(deployment, ListUI(), options)
    assert (update.stack_name, update.parameters["DeploymentName"]) == ("shop-access", "shop")


def test_the_workflows_use_what_the_template_trusts_and_returns() -> None:
    template = access(DEPLOYMENTS[0])
    lines = template["Outputs"]["RepositoryVariables"]["Value"]["Fn::Sub"].splitlines()
    variables = dict(line.split("=") for line in lines)
    assert variables["DEPLOYMENT"] == DEPLOYMENTS[0].name
    workflows = [(ROOT / ".github" / "workflows" / f"{name}.yml").read_text() for name in ("preview", "deploy")]
    assert set(re.findall(r"\bvars\.(\w+)", "".join(workflows))) == variables.keys()
    assert f"environment: {template['Parameters']['Environment']['Default']}\n" in workflows[1]
    assert f"branches: [{template['Parameters']['Branch']['Default']}]\n" in workflows[1]


def mine(*managed: str) -> Deployment:
    """Layers of other names, with a bucket, statements and a role of a user's own."""
    bucket = Bucket("Attachments", DeletionPolicy="Retain", UpdateReplacePolicy="Retain")
    role = iam.Role(
        "Auditor",
        AssumeRolePolicyDocument=trust("ec2.amazonaws.com"),
        ManagedPolicyArns=[Sub(f"arn:${{AWS::Partition}}:iam::aws:policy/{name}") for name in managed],
        Policies=[
            policy(
                "own",
                awacs.Statement(
                    Effect=awacs.Allow, Action=[s3.GetObject], Resource=["arn:aws:s3:::known/*", Ref("AWS::StackId")]
                ),
            )
        ],
    )
    reads = awacs.Statement(Effect=awacs.Allow, Action=[s3.PutObject], Resource=[imported("AttachmentsArn")])
    data = data_layer(Settings(), bucket, role, export("AttachmentsArn", "It.", GetAtt(bucket, "Arn")), name="storage")
    return Deployment("mine", (data, app_runner_layer(Settings(), Workload(statements=[reads]), name="web")))


def test_a_boundary_has_the_statements_of_a_user_s_own_roles() -> None:
    document = json.loads(boundary(mine().layers, "shop").to_json())
    allowed = {action: one["Resource"] for one in document["Statement"] for action in one["Action"]}
    assert allowed["s3:PutObject"] == allowed["s3:GetObject"] == ["*"]
    assert allowed["secretsmanager:GetSecretValue"] == [
        "arn:aws:secretsmanager:*:*:secret:PasswordSecret-*",
        "arn:aws:secretsmanager:*:*:secret:shop-storage-*",
    ]


EXAMPLES = [
    deployment
    for name in ("custom_resource", "existing_vpc", "existing_vpc_ecs", "own_resources", "second_service", "worker")
    for deployment in importlib.import_module(f"examples.{name}").deployments()
]


@pytest.mark.parametrize("deployment", EXAMPLES, ids=lambda deployment: deployment.layers[0].description[:40])
def test_the_access_layer_of_every_example_has_no_findings(deployment: Deployment) -> None:
    assert lint(access_deployment(deployment).layers[0].text()) == ()


SECRETS = "arn:aws:secretsmanager:*:*:secret"


@pytest.mark.parametrize(
    ("action", "resource", "expected"),
    [
        (s3.DeleteObject, Sub("${Bucket}/*", Bucket=imported("AttachmentsArn")), ["*"]),
        (s3.DeleteObject, Join("", [imported("AttachmentsArn"), "/*"]), ["*"]),
        (s3.DeleteObject, Join("", [imported("FileSystemArn"), "/*"]), ["*"]),
        (s3.DeleteObject, Sub("arn:aws:s3:::${AWS::AccountId}-shop/*"), ["arn:aws:s3:::*-shop/*"]),
        (s3.DeleteObject, Join("", ["arn:aws:s3:::", Ref("AWS::AccountId"), "/*"]), ["arn:aws:s3:::*/*"]),
        (s3.DeleteObject, Join("", [Ref("BucketArn"), "/*"]), ["*"]),
        (s3.DeleteObject, Sub("${BucketArn}/*"), ["*"]),
        (s3.DeleteObject, Join(":", ["arn", "aws", "s3", "", "", "shop"]), ["arn:aws:s3:::shop"]),
        (
            secretsmanager.DescribeSecret,
            Join("", [imported("PasswordSecretArn"), "-x"]),
            [f"{SECRETS}:PasswordSecret-*-x", f"{SECRETS}:shop-storage-*-x"],
        ),
    ],
    ids=range(9),
)
def test_a_boundary_has_whole_arns_or_every_resource(action: awacs.Action, resource: Any, expected: list[str]) -> None:
    allowed = awacs.Statement(Effect=awacs.Allow, Action=[action], Resource=[resource])
    web = app_runner_layer(Settings(), Workload(statements=[allowed]), name="web")
    document = json.loads(boundary((mine().layers[0], web), "shop").to_json())
    (found,) = (one["Resource"] for one in document["Statement"] if action.JSONrepr() in one["Action"])
    assert found == expected


def test_a_managed_policy_of_a_user_s_own_role_needs_its_statements() -> None:
    deployment = mine("ReadOnlyAccess")
    with pytest.raises(TemplateError, match="What ReadOnlyAccess allows is not known here"):
        access(deployment)
    listing = awacs.Statement(Effect=awacs.Allow, Action=[s3.ListBucket], Resource=["*"])
    made = access_deployment(deployment, listing).layers[0].template
    assert policy_of(made, "PermissionsBoundary", "shop")["Statement"][-1]["Action"] == ["s3:ListBucket"]


def test_a_policy_beyond_what_iam_takes_is_refused() -> None:
    names = [f"arn:aws:s3:::bucket-{number:050}" for number in range(120)]
    reads = [awacs.Statement(Effect=awacs.Allow, Action=[s3.GetObject], Resource=names)]
    layer = ecs_express_layer(Settings(), Workload(memorydb=False, image="team/app:1", statements=reads))
    with pytest.raises(TemplateError, match=r"A policy has up to 9,\d+ characters, and IAM takes 6,144"):
        access(Deployment("large", (layer,)))


# The parameter of the other layers.


@pytest.mark.parametrize("deployment", [*DEPLOYMENTS, mine()], ids=lambda deployment: deployment.name)
def test_every_role_takes_the_boundary(deployment: Deployment) -> None:
    for layer in deployment.layers:
        roles = [one for one in layer.template["Resources"].values() if one["Type"] == "AWS::IAM::Role"]
        assert roles
        assert layer.parameters["PermissionsBoundaryArn"]["Default"] == ""
        for role in roles:
            assert role["Properties"]["PermissionsBoundary"] == {
                "Fn::If": ["HasPermissionsBoundary", {"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"}]
            }


def test_a_role_keeps_a_boundary_of_its_own_and_a_layer_without_roles_has_no_parameter() -> None:
    own = iam.Role(
        "Mine", AssumeRolePolicyDocument=trust("ec2.amazonaws.com"), PermissionsBoundary="arn:aws:iam::aws:policy/Own"
    )
    template = Layer("own", "Own.", (own,)).template
    assert template["Resources"]["Mine"]["Properties"]["PermissionsBoundary"] == "arn:aws:iam::aws:policy/Own"
    assert Layer("topic", "Topic.", (Bucket("Bucket"),)).parameters == {}


# What IAM refuses.


@pytest.fixture(scope="module")
def made(aws: Emulator) -> Identities:
    with environment(aws.environment):
        return identities(NAME, access_deployment(app_runner_deployment()).layers[0])


@pytest.mark.parametrize(
    "subject",
    [
        "repo:example/other:pull_request",
        "repo:example/rehearsal:ref:refs/heads/other",
        "repo:example/rehearsal:environment:production",
        "repo:example@1/rehearsal@2:pull_request",
    ],
)
def test_other_jobs_cannot_preview(subject: str, made: Identities, aws: Emulator) -> None:
    with pytest.raises(
        botocore.exceptions.ClientError, match="Not authorized to perform sts:AssumeRoleWithWebIdentity"
    ):
        assumed("preview", made.outputs["PreviewRoleArn"], subject)


EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/{NAME}-boundary"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


def role(boundary_arn: str = "", **properties: Any) -> Any:
    named = {"PermissionsBoundary": boundary_arn} if boundary_arn else {}
    assumed_by = json.loads(trust("vpc-flow-logs.amazonaws.com").to_json())
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": assumed_by, **named, **properties}}


def all_powerful(boundary_arn: str) -> Any:
    return role(boundary_arn, Policies=[{"PolicyName": "all", "PolicyDocument": EVERYTHING}])


@pytest.fixture
def deployed(made: Identities) -> Iterator[Any]:
    """Makes the data stack of these resources, with the roles of the access layer, and returns why that failed."""
    keys = made.of("deploy")
    client = boto3.Session(
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=keys["AWS_SESSION_TOKEN"],
    ).client("cloudformation")
    stack = f"{NAME}-data"

    def deploy(resources: dict[str, Any], kind: str = "CREATE") -> str:
        arn = client.create_change_set(
            StackName=stack,
            ChangeSetName=f"change-{time.monotonic_ns()}",
            ChangeSetType=kind,
            TemplateBody=json.dumps({"Resources": resources}),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            RoleARN=made.outputs["CloudFormationRoleArn"],
        )["Id"]
        client.get_waiter("change_set_create_complete").wait(ChangeSetName=arn, WaiterConfig={"Delay": 1})
        client.execute_change_set(ChangeSetName=arn)
        while client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"].endswith("_IN_PROGRESS"):
            time.sleep(0.05)
        events = client.describe_stack_events(StackName=stack)["StackEvents"]
        return next(
            (event["ResourceStatusReason"] for event in events if event["ResourceStatus"].endswith("_FAILED")), ""
        )

    yield deploy
    client.delete_stack(StackName=stack, RoleARN=made.outputs["CloudFormationRoleArn"])
    client.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})


def test_a_role_without_the_boundary_is_not_created(deployed: Any) -> None:
    assert "not authorized to perform: iam:CreateRole on resource" in deployed({"Mine": role()})


@pytest.mark.parametrize(
    ("after", "action"),
    [
        (all_powerful(""), "iam:DeleteRolePermissionsBoundary"),
        (all_powerful(ADMINISTRATOR), "iam:PutRolePermissionsBoundary"),
    ],
)
def test_the_boundary_is_neither_taken_off_nor_changed(after: Any, action: str, deployed: Any) -> None:
    assert deployed({"Mine": all_powerful(BOUNDARY)}) == ""
    assert f"not authorized to perform: {action} on resource" in deployed({"Mine": after}, "UPDATE")


def test_within_the_boundary_a_role_that_may_do_everything_may_do_little(deployed: Any, aws: Emulator) -> None:
    assert deployed({"Mine": all_powerful(BOUNDARY)}) == ""
    (arn,) = [
        one["Arn"] for one in boto3.client("iam").list_roles()["Roles"] if one["RoleName"].startswith(f"{NAME}-data")
    ]
    keys = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="any")["Credentials"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    with pytest.raises(botocore.exceptions.ClientError, match="not authorized to perform: iam:ListUsers"):
        session.client("iam").list_users()


@pytest.mark.parametrize("name", ["administrator", f"{NAME}-cloudformation"])
def test_a_role_of_others_is_not_passed(name: str, deployed: Any) -> None:
    passes = {"DeliverLogsPermissionArn": f"arn:aws:iam::{ACCOUNT}:role/{name}"}
    log = {"Type": "AWS::EC2::FlowLog", "Properties": {"ResourceId": "vpc-1", "ResourceType": "VPC", **passes}}
    assert "not authorized to perform: iam:PassRole on resource" in deployed({"Log": log})


def test_a_role_with_another_name_is_not_created(deployed: Any) -> None:
    assert "not authorized to perform: iam:CreateRole" in deployed({"Mine": role(BOUNDARY, RoleName="another")})


PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"


def test_a_provider_that_the_account_has_already_is_named(aws: Emulator, capsys: Captured) -> None:
    access = access_deployment(app_runner_deployment())
    command = Command(lambda: [access], capsys)
    words = ("deploy", "--yes", "--parameter", "Repository=owner/shop")
    with suppress(botocore.exceptions.ClientError):
        # Of another test in this account.
        boto3.client("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
    command.must(*words, "--name", "first")
    refused = command(*words, "--name", "second")
    option = f"--parameter OidcProviderArn={PROVIDER}"
    assert refused.err.endswith(f"Use that provider: {option}. --recreate deletes what is left of the stack first.\n")
    command.must(*words, "--name", "second", "--recreate", *option.split())
    command.must("destroy", "--yes", "--name", "second")
    command.must("destroy", "--yes", "--name", "first")
