"""What CloudFormation's role and the boundary allow for resources of a user's own: their names, keys, policies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from awacs import aws as awacs
from troposphere import (
    AWSObject,
    GetAtt,
    If,
    Join,
    NoValue,
    Ref,
    StackName,
    Sub,
    apigateway,
    cloudwatch,
    dynamodb,
    ecr,
    ecs,
    elasticloadbalancingv2,
    iam,
    kms,
    logs,
    rds,
    secretsmanager,
    sns,
    wafv2,
)
from troposphere.cloudformation import CustomResource, WaitConditionHandle

from generator import Deployment, Layer, Settings, Workload, app_runner_layer, ecs_express_layer, export, imported
from generator.errors import TemplateError
from generator.iam.access import access_deployment
from generator.iam.boundary import boundary, unknown_rights
from generator.iam.execution_role import execution_role
from generator.iam.policies import documents
from generator.parts.permissions import trust


def layer(*resources: Any, name: str = "own") -> Layer:
    """A layer of these resources, without the properties that the policies do not depend on."""
    for resource in resources:
        if isinstance(resource, AWSObject):
            resource.no_validation()
    return Layer(name, "Own.", resources)


def allowed(action: str, *resources: Any) -> list[dict[str, Any]]:
    """The statements of CloudFormation's role that have the action."""
    found = json.loads(execution_role((layer(*resources),), "shop").to_json())["Statement"]
    return [each for each in found if action in each["Action"]]


def on(action: str, *resources: Any) -> list[str]:
    """What CloudFormation's role may do the action on."""
    return [arn for each in allowed(action, *resources) for arn in each["Resource"]]


GROUP, ROLE = "arn:aws:logs:*:*:log-group:", "arn:aws:iam::*:role"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/shop/orders", [f"{GROUP}/shop/orders", f"{GROUP}/shop/orders:*"]),
        (Sub("/${AWS::StackName}/orders"), [f"{GROUP}/shop-own/orders", f"{GROUP}/shop-own/orders:*"]),
        (Sub("/${Stage}/orders"), [f"{GROUP}/*/orders", f"{GROUP}/*/orders:*"]),
        (Join("/", ["", StackName, Ref("Stage")]), [f"{GROUP}/shop-own/*", f"{GROUP}/shop-own/*:*"]),
        (Ref("Name"), [f"{GROUP}*", f"{GROUP}*:*"]),
        (If("Named", "orders", NoValue), [f"{GROUP}orders", f"{GROUP}orders:*", f"{GROUP}shop-own-*"]),
        (NoValue, [f"{GROUP}shop-own-*"]),
    ],
    ids=range(7),
)
def test_a_name_of_the_template_s_own_is_what_actions_are_limited_to(name: Any, expected: list[str]) -> None:
    assert on("logs:CreateLogGroup", logs.LogGroup("Orders", LogGroupName=name)) == expected


@pytest.mark.parametrize(
    ("resource", "action", "expected"),
    [
        (iam.Role("R", RoleName="worker"), "iam:CreateRole", [f"{ROLE}/worker"]),
        (iam.Role("R", RoleName="worker", Path="/service/"), "iam:DeleteRole", [f"{ROLE}/service/worker"]),
        (iam.Role("R", Path="/service/"), "iam:DeleteRole", [f"{ROLE}/service/shop-own-*"]),
        # Any role would include those of the access layer.
        (iam.Role("R", RoleName=Ref("Name")), "iam:DeleteRole", [f"{ROLE}/shop-own-*"]),
        (iam.Role("R", RoleName=Sub("${Stage}-worker")), "iam:DeleteRole", [f"{ROLE}/shop-own-*"]),
        (iam.ManagedPolicy("P"), "iam:CreatePolicy", ["arn:aws:iam::*:policy/shop-own-*"]),
        (iam.ManagedPolicy("P", ManagedPolicyName="reads"), "iam:CreatePolicy", ["arn:aws:iam::*:policy/reads"]),
        (iam.InstanceProfile("P"), "iam:CreateInstanceProfile", ["arn:aws:iam::*:instance-profile/shop-own-*"]),
        (
            secretsmanager.Secret("S", Name="shop/db"),
            "secretsmanager:CreateSecret",
            ["arn:aws:secretsmanager:*:*:secret:shop/db-*"],
        ),
        (sns.Topic("T", TopicName="alerts"), "sns:CreateTopic", ["arn:aws:sns:*:*:alerts", "arn:aws:sns:*:*:alerts:*"]),
        (
            cloudwatch.CompositeAlarm("A", AlarmName="all"),
            "cloudwatch:PutCompositeAlarm",
            ["arn:aws:cloudwatch:*:*:alarm:all"],
        ),
        (
            ecr.Repository("R", RepositoryName="team/web"),
            "ecr:CreateRepository",
            ["arn:aws:ecr:*:*:repository/team/web"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_names_are_those_of_the_type(resource: AWSObject, action: str, expected: list[str]) -> None:
    assert on(action, resource) == expected


def test_images_are_pushed_to_a_repository_with_a_name_of_its_own() -> None:
    web = ecs_express_layer(Settings(), Workload(memorydb=False, repository="team/web"))
    found = documents((layer(ecr.Repository("Web", RepositoryName="team/web"), name="data"), web), "shop")
    (images,) = (each for each in json.loads(found["deploy.json"])["Statement"] if each["Sid"] == "Images")
    assert images["Resource"] == ["arn:aws:ecr:*:*:repository/team/web"]


@pytest.mark.parametrize(
    ("resource", "action"),
    [
        (elasticloadbalancingv2.LoadBalancer("B"), "elasticloadbalancing:CreateLoadBalancer"),
        (elasticloadbalancingv2.TargetGroup("G"), "elasticloadbalancing:CreateTargetGroup"),
        (ecs.Cluster("C"), "ecs:CreateCluster"),
        (ecs.TaskDefinition("D"), "ecs:RegisterTaskDefinition"),
        (logs.MetricFilter("F"), "logs:PutMetricFilter"),
        (cloudwatch.MetricStream("M"), "cloudwatch:PutMetricStream"),
        (ecr.PullThroughCacheRule("R"), "ecr:CreatePullThroughCacheRule"),
        (sns.SubscriptionResource("S"), "sns:Subscribe"),
        (wafv2.IPSet("I"), "wafv2:CreateIPSet"),
        (wafv2.WebACL("W"), "wafv2:CreateWebACL"),
        (kms.Key("K"), "kms:CreateKey"),
        (kms.Alias("K"), "kms:CreateAlias"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_types_whose_names_are_not_known_are_not_limited_by_those_that_are(resource: AWSObject, action: str) -> None:
    known = (logs.LogGroup("Group"), sns.Topic("Topic"), cloudwatch.Alarm("Alarm"), ecr.Repository("Repository"))
    (found,) = allowed(action, resource, *known)
    assert (found["Resource"], found.get("Condition")) == (["*"], None)


@pytest.mark.parametrize(
    ("target", "action"),
    [
        (elasticloadbalancingv2.LoadBalancer("B"), "elasticloadbalancing:SetWebACL"),
        (apigateway.Stage("S"), "apigateway:SetWebACL"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_web_acl_is_associated_with_what_the_templates_have(target: AWSObject, action: str) -> None:
    association = wafv2.WebACLAssociation("A")
    assert allowed(action, association, target)
    assert not allowed(action, association)


def test_keys_are_used_through_the_services_that_the_templates_have() -> None:
    (found,) = allowed("kms:CreateGrant", rds.DBInstance("Db"), dynamodb.Table("T"), kms.Key("K"))
    assert found["Condition"] == {"StringLike": {"kms:ViaService": ["dynamodb.*.amazonaws.com", "rds.*.amazonaws.com"]}}


def test_the_password_that_rds_makes_is_reached_where_it_is_asked_for() -> None:
    assert on("secretsmanager:CreateSecret", rds.DBInstance("Db")) == []
    managed = rds.DBInstance("Db", ManageMasterUserPassword=True)
    assert on("secretsmanager:CreateSecret", managed) == ["arn:aws:secretsmanager:*:*:secret:rds!*"]


def test_service_linked_roles_are_those_of_the_services() -> None:
    (found,) = allowed("iam:CreateServiceLinkedRole", rds.DBInstance("Db"))
    assert found["Condition"] == {"StringLike": {"iam:AWSServiceName": ["*rds*"]}}


@pytest.mark.parametrize(
    "resource", [iam.Group("G"), iam.User("U"), iam.ManagedPolicy("P", Users=["u"]), iam.PolicyType("P", Groups=["g"])]
)
def test_nothing_gives_rights_to_users_or_groups(resource: AWSObject) -> None:
    found = json.loads(execution_role((layer(resource, iam.Role("R")),), "shop").to_json())["Statement"]
    actions = {action for each in found for action in each["Action"] if action.startswith("iam:")}
    assert not [action for action in actions if "User" in action or "Group" in action]
    assert all(
        each["Resource"] != ["*"] for each in found if any(action.startswith("iam:") for action in each["Action"])
    )


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (Sub("arn:${AWS::Partition}:lambda:${AWS::Region}:1:function:own"), ["arn:aws:lambda:*:1:function:own"]),
        ("arn:aws:lambda:eu-west-1:1:function:own", ["arn:aws:lambda:eu-west-1:1:function:own"]),
        (GetAtt("Function", "Arn"), ["arn:aws:lambda:*:*:function:*"]),
        (imported("FunctionArn"), ["arn:aws:lambda:*:*:function:*"]),
        ("arn:aws:sns:eu-west-1:1:own", []),
    ],
    ids=range(5),
)
def test_custom_resources_are_functions_that_cloudformation_invokes(token: Any, expected: list[str]) -> None:
    assert on("lambda:InvokeFunction", CustomResource("Own", ServiceToken=token)) == expected


@pytest.mark.parametrize(
    "kind", ["AWS::CodeBuild::Project", "AWS::DocDB::DBCluster", "AWS::IAM::User", "AWS::Serverless::Function"]
)
def test_what_a_type_needs_is_asked_for_where_its_schema_does_not_say(kind: str) -> None:
    one = type("One", (AWSObject,), {"resource_type": kind, "props": {}})("One")
    handle = WaitConditionHandle("Handle")
    deployment = Deployment("shop", (layer(one, handle, CustomResource("Custom", ServiceToken="arn:aws:sns:r:1:t")),))
    message = (
        f"What CloudFormation needs for {kind} is not known here: pass it to access_deployment as statements, for_"
    )
    with pytest.raises(TemplateError, match=message):
        access_deployment(deployment).layers[0].text()
    builds = awacs.Statement(Effect=awacs.Allow, Action=[awacs.Action("codebuild", "*")], Resource=["*"])
    made = access_deployment(deployment, for_cloudformation=[builds]).layers[0].template["Resources"]
    assert "codebuild:*" in json.dumps(made["CloudFormationRole"])
    assert "codebuild:*" not in json.dumps(made["PermissionsBoundary"])


# The boundary.


def document(action: Any, **changed: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", "Action": action, "Resource": "*", **changed}]}


def role(**properties: Any) -> iam.Role:
    return iam.Role("R", AssumeRolePolicyDocument=trust("lambda.amazonaws.com"), **properties)


ACTION = "sqs:SendMessage"
QUEUE = "arn:aws:sqs:*:*:jobs"


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ((role(), iam.PolicyType("P", Roles=[Ref("R")], PolicyDocument=document(ACTION))), ["*"]),
        ((role(), iam.RolePolicy("P", RoleName=Ref("R"), PolicyDocument=document(ACTION))), ["*"]),
        ((role(ManagedPolicyArns=[Ref("P")]), iam.ManagedPolicy("P", PolicyDocument=document(ACTION))), ["*"]),
        ((role(ManagedPolicyArns=[NoValue]), iam.ManagedPolicy("P", PolicyDocument=document(ACTION))), ["*"]),
        ((role(Policies=[iam.Policy(PolicyName="p", PolicyDocument=document(ACTION, Resource=QUEUE))]),), [QUEUE]),
        (
            (
                role(
                    Policies=If(
                        "Sends",
                        [iam.Policy(PolicyName="p", PolicyDocument=document(ACTION, Resource=[QUEUE]))],
                        NoValue,
                    )
                ),
            ),
            [QUEUE],
        ),
        ((iam.PolicyType("P", PolicyDocument=document(If("Sends", [ACTION], NoValue))),), ["*"]),
        (
            (
                iam.PolicyType(
                    "P", PolicyDocument={"Statement": {"Effect": "Allow", "Action": ACTION, "NotResource": QUEUE}}
                ),
            ),
            ["*"],
        ),
    ],
    ids=range(8),
)
def test_the_boundary_has_what_every_policy_of_the_templates_allows(resources: Any, expected: list[str]) -> None:
    layers = (layer(*resources),)
    assert unknown_rights(layers) == []
    (found,) = (
        each["Resource"]
        for each in json.loads(boundary(layers, "shop").to_json())["Statement"]
        if ACTION in each["Action"]
    )
    assert found == expected


def test_a_managed_policy_of_another_layer_is_known() -> None:
    policy = iam.ManagedPolicy("P", PolicyDocument=document(ACTION))
    shared = layer(policy, export("SendsArn", "It.", policy.ref()), name="shared")
    web = app_runner_layer(Settings(), Workload(memorydb=False, image="public.ecr.aws/a/b:1"), name="web")
    own = layer(role(ManagedPolicyArns=[imported("SendsArn")]))
    assert unknown_rights((shared, web)) == []
    assert ACTION in boundary((shared, web), "shop").to_json()
    assert own.name == "own"


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        (role(ManagedPolicyArns=[Ref("Given")]), "the managed policy of R"),
        (role(ManagedPolicyArns=["arn:aws:iam::aws:policy/ReadOnlyAccess"]), "ReadOnlyAccess"),
        (role(ManagedPolicyArns=If("Reads", [Sub("arn:${AWS::Partition}:iam::aws:policy/X")], NoValue)), "X"),
        (iam.PolicyType("P", PolicyDocument=document(Ref("Given"))), "an Action that is no text"),
        (
            iam.PolicyType(
                "P", PolicyDocument={"Statement": [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]}
            ),
            "NotAction",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_known_is_asked_for(resource: AWSObject, message: str) -> None:
    deployment = Deployment("shop", (layer(resource),))
    with pytest.raises(TemplateError, match=f"What {message} allows is not known here: pass it to access_deployment"):
        access_deployment(deployment).layers[0].text()
    own = awacs.Statement(Effect=awacs.Allow, Action=[awacs.Action("s3", "ListBucket")], Resource=["*"])
    assert "s3:ListBucket" in access_deployment(deployment, own).layers[0].text()


@pytest.mark.parametrize(
    "name", ["AWSLambdaBasicExecutionRole", "AWSLambdaVPCAccessExecutionRole", "AWSXRayDaemonWriteAccess"]
)
def test_policies_of_aws_that_many_roles_have_are_known(name: str) -> None:
    layers = (layer(role(ManagedPolicyArns=[Sub(f"arn:${{AWS::Partition}}:iam::aws:policy/service-role/{name}")])),)
    assert unknown_rights(layers) == []
    assert json.loads(boundary(layers, "shop").to_json())["Statement"][0]["Effect"] == "Allow"
