"""The emitted IAM policies as documents: how wide, how large, and whether the tables behind them still hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest
from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from troposphere import apprunner, awslambda, dynamodb, efs, kms, logs, rds, s3, sns, sqs, stepfunctions
from troposphere.cloudformation import CustomResource

from generator.compute.apprunner import AppRunnerCompute
from generator.iam import policies
from generator.iam.execution_role import SCHEMA_REGION, execution_role, permissions
from generator.iam.handlers import CONDITIONAL, EXCLUDED, EXTRA, WITHOUT_RESOURCE, needed
from generator.layers import (
    Deployment,
    Layer,
    app_runner_deployment,
    app_runner_layer,
    data_layer,
    default_deployments,
    ecs_express_layer,
)
from generator.settings import Settings
from generator.template.lint import lint
from generator.workload import Workload

DOCUMENTS = policies.documents(app_runner_deployment().layers, "users")
# Each with the reason in docs/permissions.md.
WITHOUT_LIMIT = {
    "Autoscaling",
    "Detection",
    "Ec2",
    "Exports",
    "LogGroups",
    "NewPassword",
    "RegistryToken",
    "Roles1",
    "WithoutResource",
}


ROLES_ARE_FOR = ["apprunner", "build.apprunner", "tasks.apprunner", "vpc-flow-logs"]
LINKED = ["apprunner", "memorydb", "networking.apprunner"]
THROUGH = ["apprunner.*", "ecr.*", "memorydb.*", "secretsmanager.*"]


def statements(documents: dict[str, str] = DOCUMENTS) -> Iterator[tuple[str, dict[str, Any]]]:
    for file, text in documents.items():
        for statement in json.loads(text)["Statement"]:
            yield file, statement


def statement(
    sid: str, layers: Sequence[Layer] = app_runner_deployment().layers, name: str = "users"
) -> dict[str, Any]:
    documents = {file: text for file, text in policies.documents(layers, name).items() if file != "drift.json"}
    (found,) = (one for _, one in statements(documents) if one["Sid"] == sid)
    return found


def test_the_text_is_sorted_and_ends_with_a_newline() -> None:
    for text in DOCUMENTS.values():
        assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    for _, one in statements():
        assert one["Action"] == sorted(one["Action"])
        assert one["Resource"] == sorted(one["Resource"])


def test_every_action_is_named_in_full() -> None:
    assert [action for _, one in statements() for action in one["Action"] if "*" in action] == []


def test_only_what_takes_no_resource_and_ec2_is_without_limit() -> None:
    assert {one["Sid"] for _, one in statements() if "*" in one["Resource"]} == WITHOUT_LIMIT


def test_roles_get_rights_only_with_the_boundary() -> None:
    bounded = statement("BoundedRoles")
    assert bounded["Action"] == ["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"]
    assert bounded["Condition"] == {"StringLike": {"iam:PermissionsBoundary": "arn:aws:iam::*:policy/users-boundary"}}
    gives = re.compile("iam:(Attach|Create|Put|Add|Set|DeleteRolePermissionsBoundary)(?!ServiceLinkedRole)")
    allowed = [action for file, one in statements() if one is not bounded for action in one["Action"]]
    assert [action for action in allowed if gives.match(action)] == bounded["Action"]


def test_what_is_said_to_take_no_resource_takes_none() -> None:
    known = load_resource(AdditionalSpecs, "Policies.json")
    takes = {
        action
        for action in WITHOUT_RESOURCE
        for service, _, name in [action.partition(":")]
        if known[service]["Actions"][name.lower()].get("Resources")
    }
    assert takes == {"sns:Unsubscribe"}


def linted(text: str) -> list[str]:
    policy = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": json.loads(text)}}
    return [finding.rule for finding in lint(json.dumps({"Resources": {"Policy": policy}}))]


@pytest.mark.parametrize("file", DOCUMENTS)
def test_every_action_is_one_that_iam_knows(file: str) -> None:
    assert linted(DOCUMENTS[file]) == []


def test_an_action_that_is_none_would_be_noticed() -> None:
    assert linted(DOCUMENTS["deploy.json"].replace("ecr:PutImage", "ecr:PutImages")) == ["W3037"]


def test_the_preview_policy_executes_nothing_and_passes_no_role() -> None:
    allowed = set(policies.actions(DOCUMENTS["preview.json"]))
    assert allowed < set(policies.actions(DOCUMENTS["deploy.json"]))
    assert not allowed & {"cloudformation:ExecuteChangeSet", "iam:PassRole", "ecr:PutImage"}


def test_the_drift_policy_changes_nothing_and_reads_no_secret() -> None:
    allowed = policies.actions(DOCUMENTS["drift.json"])
    verbs = {verb for action in allowed for verb in re.findall(":([A-Z][a-z]+)", action)}
    assert verbs == {"Describe", "Detect", "Get", "List"}
    assert not {action for action in allowed if "Secret" in action and "Describe" not in action}


@pytest.mark.parametrize("role", ["users-preview", "users-deploy", "users-cloudformation", "orders-data-Role-1"])
def test_cloudformations_role_cannot_change_those_that_it_serves(role: str) -> None:
    arn = f"arn:aws:iam::111122223333:role/{role}"
    patterns = [
        pattern
        for _, one in statements({"": DOCUMENTS["execution-role.json"]})
        if any(action.startswith("iam:") for action in one["Action"])
        for pattern in one["Resource"]
    ]
    assert patterns
    assert not [pattern for pattern in patterns if fnmatchcase(arn, pattern)]


def test_deploy_passes_only_cloudformations_role_to_cloudformation_only() -> None:
    assert statement("PassRole") == {
        "Action": ["iam:PassRole"],
        "Condition": {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}},
        "Effect": "Allow",
        "Resource": ["arn:aws:iam::*:role/users-cloudformation"],
        "Sid": "PassRole",
    }


@pytest.mark.parametrize(
    ("sid", "operator", "key", "services"),
    [
        ("PassRoles", "StringEquals", "iam:PassedToService", ROLES_ARE_FOR),
        ("ServiceLinkedRoles", "StringEquals", "iam:AWSServiceName", LINKED),
        ("Kms", "StringLike", "kms:ViaService", THROUGH),
    ],
)
def test_what_cloudformation_uses_for_services_is_for_these_only(
    sid: str, operator: str, key: str, services: list[str]
) -> None:
    assert statement(sid)["Condition"] == {operator: {key: [f"{service}.amazonaws.com" for service in services]}}


@pytest.mark.parametrize("deployment", default_deployments(), ids=lambda deployment: deployment.name)
def test_handlers_may_read_and_remove_the_tags_of_every_type(deployment: Deployment) -> None:
    allowed = set(policies.actions(policies.documents(deployment.layers, "users")["execution-role.json"]))
    types = {resource["Type"] for layer in deployment.layers for resource in layer.template["Resources"].values()}
    of_tags = {
        action
        for kind in types
        for action in PROVIDER_SCHEMA_MANAGER.get_resource_schema(SCHEMA_REGION, kind)
        .schema.get("tagging", {})
        .get("permissions", ())
    }
    assert len(of_tags) > 20
    assert of_tags - allowed == set()


def test_an_auto_scaling_configuration_may_have_any_name() -> None:
    resources = statement("Apprunner")["Resource"]
    assert [arn for arn in resources if "autoscaling" in arn] == ["arn:aws:apprunner:*:*:autoscalingconfiguration/*"]


@pytest.mark.parametrize("length", [1, 26, 27, 28, 64, 255])
def test_a_long_logical_id_is_cut_as_in_the_name(length: int) -> None:
    logical_id = "A" * length
    name = f"{logical_id[:27]}-0123456789ab"
    (service,) = AppRunnerCompute().resources("users-apprunner", logical_id)
    (group,) = AppRunnerCompute().log_group_names("users-apprunner", logical_id)
    assert len(name) <= 40
    assert fnmatchcase(f"arn:aws:apprunner:eu-west-1:123456789012:service/{name}/1", service)
    assert fnmatchcase(f"/aws/apprunner/{name}/1/service", group)


def test_the_role_covers_long_names_of_app_runner() -> None:
    connector = apprunner.VpcConnector("A" * 30, Subnets=["subnet-1"])
    layer = Layer("long", "Long.", (connector,), AppRunnerCompute())
    resources = statement("Apprunner", (*app_runner_deployment().layers, layer))["Resource"]
    assert f"arn:aws:apprunner:*:*:vpcconnector/{'A' * 27}-*/*" in resources


def test_names_of_the_database_are_those_of_the_template() -> None:
    resources = statement("Memorydb")["Resource"]
    assert "arn:aws:memorydb:*:*:cluster/db-*" in resources
    assert "arn:aws:memorydb:*:*:user/user-*" in resources


def test_a_repository_is_named_after_its_stack_in_lower_case() -> None:
    assert statement("Ecr", name="Users")["Resource"] == ["arn:aws:ecr:*:*:repository/users-data-*"]


def test_a_layer_without_a_service_needs_no_image() -> None:
    data = app_runner_deployment().layers[:1]
    sids = {one["Sid"] for _, one in statements(policies.documents(data, "users"))}
    assert not sids & {"Images", "RegistryToken", "ServiceApprunner", "ServiceLogs", "LogGroups", "Apprunner"}


SHAPES = [
    *(Settings(nat=nat, zones=3) for nat in ("one", "per-zone")),
    Settings(private_ingress=True),
    Settings(nat="per-zone", zones=3, private_ingress=True, flow_logs=False),
]


@pytest.mark.parametrize("settings", [Settings(), *SHAPES], ids=repr)
def test_every_shape_fits_what_iam_takes(settings: Settings) -> None:
    documents = policies.documents(app_runner_deployment(settings).layers, "a-name-of-24-characters-")
    assert policies.size(documents["execution-role.json"]) < policies.INLINE_LIMIT
    assert policies.size(documents["deploy.json"]) < policies.MANAGED_LIMIT
    assert policies.size(documents["preview.json"]) < policies.MANAGED_LIMIT
    assert policies.size(documents["boundary.json"]) < policies.MANAGED_LIMIT


def test_what_does_not_fit_into_the_roles_inline_policy_is_in_managed_policies() -> None:
    types = (sqs.Queue, sns.Topic, s3.Bucket, kms.Key, logs.LogGroup, awslambda.Function, stepfunctions.StateMachine)
    # Without their required properties, which the policy does not depend on.
    own = [
        kind(f"My{kind.__name__}").no_validation() for kind in (*types, dynamodb.Table, rds.DBCluster, efs.FileSystem)
    ]
    layers = (data_layer(Settings(), *own), app_runner_layer())
    role = {file: text for file, text in policies.documents(layers, "users").items() if "role" in file}
    assert list(role) == ["execution-role.json", "execution-role-2.json"]
    assert policies.size(role["execution-role.json"]) <= policies.INLINE_LIMIT
    assert policies.size(role["execution-role-2.json"]) <= policies.MANAGED_LIMIT
    whole = json.loads(policies.text(execution_role(layers, "users")))["Statement"]
    assert [each for text in role.values() for each in json.loads(text)["Statement"]] == whole


def test_a_nat_gateway_brings_its_actions() -> None:
    layers = app_runner_deployment(Settings(nat="one")).layers
    assert "ec2:CreateNatGateway" in statement("Ec2", layers)["Action"]
    assert "ec2:CreateNatGateway" not in statement("Ec2")["Action"]


@dataclass(frozen=True)
class Mine:
    function: awslambda.Function
    custom: CustomResource


def test_a_part_of_a_users_own_brings_its_actions_and_no_statement_is_empty() -> None:
    role = "arn:aws:iam::111122223333:role/mine"
    code = awslambda.Code(ZipFile="pass")
    part = Mine(awslambda.Function("Mine", Role=role, Code=code), CustomResource("Custom", ServiceToken=role))
    documents = policies.documents((Layer("mine", "Mine.", (part,), AppRunnerCompute()),), "users")
    assert all(one["Action"] and one["Resource"] for _, one in statements(documents))
    assert "lambda:CreateFunction" in policies.actions(documents["execution-role.json"])
    assert "iam:PassRole" not in policies.actions(documents["execution-role.json"])


# The tables.


@pytest.mark.parametrize(("kind", "name"), CONDITIONAL)
def test_an_action_for_one_property_is_in_the_schema_and_goes_without_it(kind: str, name: str) -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(SCHEMA_REGION, kind).schema
    assert name in schema["properties"]
    listed, actions = permissions(kind), set(CONDITIONAL[kind, name])
    assert actions <= listed
    assert not needed(kind, listed, set()) & actions
    assert needed(kind, listed, {each for one, each in CONDITIONAL if one == kind}) >= actions


@pytest.mark.parametrize("kind", EXCLUDED)
def test_what_is_never_needed_is_in_the_schema(kind: str) -> None:
    for start in EXCLUDED[kind]:
        assert [action for action in permissions(kind) if action.startswith(start)]
    assert not [action for action in needed(kind, permissions(kind), set()) if action.startswith(EXCLUDED[kind])]


@pytest.mark.parametrize(("kind", "name"), EXTRA)
def test_what_is_needed_besides_is_not_in_the_schema(kind: str, name: str) -> None:
    assert name in PROVIDER_SCHEMA_MANAGER.get_resource_schema(SCHEMA_REGION, kind).schema["properties"]
    assert not set(EXTRA[kind, name]) & permissions(kind)
    assert needed(kind, set(), {name}) == set(EXTRA[kind, name])


@pytest.mark.parametrize(
    ("layers", "repository"),
    [
        ((data_layer(Settings(), name="storage"), app_runner_layer(Settings(), name="web")), "shop-storage-*"),
        ((ecs_express_layer(Settings(), Workload(memorydb=False, repository="team/worker")),), "team/worker"),
    ],
)
def test_images_are_in_the_repositories_of_the_layers_or_in_one_that_exists(
    layers: tuple[Layer, ...], repository: str
) -> None:
    images = {
        file: one["Resource"] for file, one in statements(policies.documents(layers, "Shop")) if one["Sid"] == "Images"
    }
    assert {"preview.json", "deploy.json"} <= images.keys() <= {"preview.json", "deploy.json", "rotate.json"}
    assert all(resources == [f"arn:aws:ecr:*:*:repository/{repository}"] for resources in images.values())


def test_a_fixed_image_is_neither_looked_up_nor_pushed() -> None:
    workload = Workload(memorydb=False, image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/worker:7")
    document = policies.documents((ecs_express_layer(Settings(), workload),), "users")["deploy.json"]
    assert "ecr:" not in document
